//! The records of `__consumer_offsets`, and [`OffsetsRecord`]: any of them.
//!
//! A key is the record's type as an int16 and a body. A value is its version as an int16 and a body;
//! without a value the record removes what has its key.

use bytes::Bytes;

use crate::protocol::message::{decode_front, encode_versioned};
use crate::protocol::schema::RecordSchema;
use crate::protocol::{DecodeError, Message, Reader};

pub mod classic_group;
pub mod consumer_group;
pub mod offset_commit;
pub mod share_group;
pub mod streams_group;

pub use classic_group::{GroupMetadataKey, GroupMetadataValue};
pub use consumer_group::{
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue, ConsumerGroupPartitionMetadataKey,
    ConsumerGroupPartitionMetadataValue, ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue, ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue, ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
};
pub use offset_commit::{
    LegacyOffsetCommitKey, LegacyOffsetCommitValue, OffsetCommitKey, OffsetCommitValue,
};
pub use share_group::{
    ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue,
    ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue, ShareGroupMetadataKey,
    ShareGroupMetadataValue, ShareGroupStatePartitionMetadataKey,
    ShareGroupStatePartitionMetadataValue, ShareGroupTargetAssignmentMemberKey,
    ShareGroupTargetAssignmentMemberValue, ShareGroupTargetAssignmentMetadataKey,
    ShareGroupTargetAssignmentMetadataValue,
};
pub use streams_group::{
    StreamsGroupCurrentMemberAssignmentKey, StreamsGroupCurrentMemberAssignmentValue,
    StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue, StreamsGroupMetadataKey,
    StreamsGroupMetadataValue, StreamsGroupTargetAssignmentMemberKey,
    StreamsGroupTargetAssignmentMemberValue, StreamsGroupTargetAssignmentMetadataKey,
    StreamsGroupTargetAssignmentMetadataValue, StreamsGroupTopologyKey, StreamsGroupTopologyValue,
};

/// Declares [`OffsetsRecord`], a row for each type: number, variant, key and value.
macro_rules! offsets_records {
    ($($number:literal $variant:ident($key:ident, $value:ident),)*) => {
        /// A record of `__consumer_offsets`. Without a value it removes what has its key.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each is described at its structs")]
        pub enum OffsetsRecord {
            $($variant($key, Option<$value>),)*
        }

        impl OffsetsRecord {
            /// Number and name of each type.
            pub const TYPES: &'static [(i16, &'static str)] =
                &[$(($number, stringify!($variant)),)*];

            /// The definition of the type with this number.
            pub fn definition(number: i16) -> Option<RecordSchema> {
                match number {
                    $($number => Some(RecordSchema::of::<$key, $value>()),)*
                    _ => None,
                }
            }

            /// The newest version of the type's value.
            pub fn max_version(&self) -> i16 {
                match self {
                    $(Self::$variant(..) => $value::MAX_VERSION,)*
                }
            }

            /// Key and value of the log's record, with the value in `version`, which the type has.
            pub fn encode(&self, version: i16) -> (Bytes, Option<Bytes>) {
                match self {
                    $(
                        Self::$variant(key, value) => (
                            // All keys have version 0; the type's number stands in its place.
                            encode_versioned($number, key, 0),
                            value.as_ref().map(|value| encode_versioned(version, value, version)),
                        ),
                    )*
                }
            }

            /// Reads key and value of the log's record. Bytes behind the fields are ignored, as in Kafka: a
            /// commit is not lost because somebody has added to it.
            ///
            /// # Errors
            /// The type or the value's version is unknown, or a body is not as the definition demands.
            pub fn decode(key: Bytes, value: Option<Bytes>) -> Result<Self, DecodeError> {
                let mut reader = Reader::new(key);
                let number = reader.i16()?;
                let key = reader.take_rest();
                match number {
                    $(
                        $number => Ok(Self::$variant(
                            decode_front(key, 0)?,
                            value.map(decode_value).transpose()?,
                        )),
                    )*
                    _ => Err(DecodeError::UnknownRecord {
                        kind: "offsets",
                        number: u32::from(number.cast_unsigned()),
                    }),
                }
            }
        }
    };
}

offsets_records! {
    0 LegacyOffsetCommit(LegacyOffsetCommitKey, LegacyOffsetCommitValue),
    1 OffsetCommit(OffsetCommitKey, OffsetCommitValue),
    2 GroupMetadata(GroupMetadataKey, GroupMetadataValue),
    3 ConsumerGroupMetadata(ConsumerGroupMetadataKey, ConsumerGroupMetadataValue),
    4 ConsumerGroupPartitionMetadata(ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue),
    5 ConsumerGroupMemberMetadata(ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue),
    6 ConsumerGroupTargetAssignmentMetadata(ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue),
    7 ConsumerGroupTargetAssignmentMember(ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue),
    8 ConsumerGroupCurrentMemberAssignment(ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue),
    10 ShareGroupMemberMetadata(ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue),
    11 ShareGroupMetadata(ShareGroupMetadataKey, ShareGroupMetadataValue),
    12 ShareGroupTargetAssignmentMetadata(ShareGroupTargetAssignmentMetadataKey, ShareGroupTargetAssignmentMetadataValue),
    13 ShareGroupTargetAssignmentMember(ShareGroupTargetAssignmentMemberKey, ShareGroupTargetAssignmentMemberValue),
    14 ShareGroupCurrentMemberAssignment(ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue),
    15 ShareGroupStatePartitionMetadata(ShareGroupStatePartitionMetadataKey, ShareGroupStatePartitionMetadataValue),
    16 ConsumerGroupRegularExpression(ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue),
    17 StreamsGroupMetadata(StreamsGroupMetadataKey, StreamsGroupMetadataValue),
    19 StreamsGroupMemberMetadata(StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue),
    20 StreamsGroupTargetAssignmentMetadata(StreamsGroupTargetAssignmentMetadataKey, StreamsGroupTargetAssignmentMetadataValue),
    21 StreamsGroupTargetAssignmentMember(StreamsGroupTargetAssignmentMemberKey, StreamsGroupTargetAssignmentMemberValue),
    22 StreamsGroupCurrentMemberAssignment(StreamsGroupCurrentMemberAssignmentKey, StreamsGroupCurrentMemberAssignmentValue),
    23 StreamsGroupTopology(StreamsGroupTopologyKey, StreamsGroupTopologyValue),
}

fn decode_value<T: Message>(value: Bytes) -> Result<T, DecodeError> {
    let mut reader = Reader::new(value);
    let version = reader.i16()?;
    decode_front(reader.take_rest(), version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_type_where_a_value_has_its_version() {
        let key = OffsetCommitKey {
            group: "g".into(),
            topic: "t".into(),
            partition: 2,
        };
        let value = OffsetCommitValue {
            offset: 5,
            ..OffsetCommitValue::default()
        };
        let record = OffsetsRecord::OffsetCommit(key, Some(value));

        let (key, value) = record.encode(4);

        assert_eq!(key.as_ref(), [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 2]);
        assert_eq!(value.as_ref().unwrap().first_chunk(), Some(&[0, 4]));
        assert_eq!(OffsetsRecord::decode(key, value), Ok(record));
    }

    #[test]
    fn a_record_without_a_value_removes() {
        let key = GroupMetadataKey { group: "g".into() };
        let record = OffsetsRecord::GroupMetadata(key, None);

        let (key, value) = record.encode(0);

        assert_eq!(value, None);
        assert_eq!(OffsetsRecord::decode(key, None), Ok(record));
    }

    #[test]
    fn bytes_behind_the_fields_of_key_and_value_lose_no_commit() {
        let with_more = |bytes: &Bytes| Bytes::from([bytes, &b"more"[..]].concat());
        let key = OffsetCommitKey {
            group: "g".into(),
            topic: "t".into(),
            partition: 2,
        };
        for version in 0..=4 {
            let value = OffsetCommitValue {
                offset: 5,
                ..OffsetCommitValue::default()
            };
            let record = OffsetsRecord::OffsetCommit(key.clone(), Some(value));
            let (key, value) = record.encode(version);

            let read = OffsetsRecord::decode(with_more(&key), value.as_ref().map(with_more));

            assert_eq!(read, Ok(record), "version {version}");
        }
    }

    #[test]
    fn an_unknown_type_is_named() {
        let error = OffsetsRecord::decode(Bytes::from_static(&[0, 99]), None).unwrap_err();

        assert_eq!(error.to_string(), "offsets record of unknown type 99");
    }
}
