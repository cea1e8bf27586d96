//! The records of the metadata log, and [`MetadataRecord`]: any of them.
//!
//! A record's value is a frame: the frame's version (1), the record's type, the record's version,
//! each as an unsigned integer of variable length, and the body.

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::protocol::message::Struct as _;
use crate::protocol::schema::Schema;
use crate::protocol::{Decode as _, DecodeError, Message, Reader, Size, Writer, varint};

pub mod broker;
pub mod cluster;
pub mod config;
pub mod controller;
pub mod security;
pub mod topic;
pub mod transaction;

pub use broker::{
    BrokerRegistrationChangeRecord, FenceBrokerRecord, RegisterBrokerRecord, UnfenceBrokerRecord,
    UnregisterBrokerRecord,
};
pub use cluster::{FeatureLevelRecord, NoOpRecord, ProducerIdsRecord, ZkMigrationStateRecord};
pub use config::{ClientQuotaRecord, ConfigRecord};
pub use controller::{RegisterControllerRecord, UnregisterControllerRecord};
pub use security::{
    AccessControlEntryRecord, DelegationTokenRecord, RemoveAccessControlEntryRecord,
    RemoveDelegationTokenRecord, RemoveUserScramCredentialRecord, UserScramCredentialRecord,
};
pub use topic::{
    ClearElrRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
};
pub use transaction::{AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord};

const FRAME_VERSION: u32 = 1;

/// Declares [`MetadataRecord`], a row for each type: number, variant, struct.
macro_rules! metadata_records {
    ($($number:literal $variant:ident($record:ident),)*) => {
        /// A record of the metadata log.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each is described at its struct")]
        pub enum MetadataRecord {
            $($variant($record),)*
        }

        $(
            impl From<$record> for MetadataRecord {
                fn from(record: $record) -> Self {
                    Self::$variant(record)
                }
            }
        )*

        impl MetadataRecord {
            /// Number and name of each type.
            pub const TYPES: &'static [(u32, &'static str)] =
                &[$(($number, stringify!($record)),)*];

            /// The definition of the type with this number, and its first and last version.
            pub fn definition(number: u32) -> Option<(&'static Schema, RangeInclusive<i16>)> {
                match number {
                    $($number => Some(($record::SCHEMA, $record::MIN_VERSION..=$record::MAX_VERSION)),)*
                    _ => None,
                }
            }

            /// The number of the type.
            pub fn number(&self) -> u32 {
                match self {
                    $(Self::$variant(_) => $number,)*
                }
            }

            /// The name of the type, as Kafka's schemas have it.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => stringify!($record),)*
                }
            }

            /// The newest version of the type.
            pub fn max_version(&self) -> i16 {
                match self {
                    $(Self::$variant(_) => $record::MAX_VERSION,)*
                }
            }

            /// The value of the log's record; `version` is one that the type has.
            pub fn encode(&self, version: i16) -> Bytes {
                match self {
                    $(Self::$variant(record) => encode_frame($number, record, version),)*
                }
            }

            /// Reads the value of a record of the log.
            ///
            /// # Errors
            /// The frame, the type or the version is unknown, or the body is not as the definition demands.
            pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
                let mut reader = Reader::new(bytes);
                let (number, version) = decode_frame(&mut reader)?;
                let record = match number {
                    $(
                        $number => {
                            let version = supported_version::<$record>(version)?;
                            Self::$variant($record::decode(&mut reader, version)?)
                        }
                    )*
                    _ => return Err(DecodeError::UnknownRecord { kind: "metadata", number }),
                };
                // Kafka's reader refuses bytes behind the fields as well, but skips unknown tags.
                reader.finish()?;
                Ok(record)
            }
        }
    };
}

metadata_records! {
    0 RegisterBroker(RegisterBrokerRecord),
    1 UnregisterBroker(UnregisterBrokerRecord),
    2 Topic(TopicRecord),
    3 Partition(PartitionRecord),
    4 Config(ConfigRecord),
    5 PartitionChange(PartitionChangeRecord),
    7 FenceBroker(FenceBrokerRecord),
    8 UnfenceBroker(UnfenceBrokerRecord),
    9 RemoveTopic(RemoveTopicRecord),
    10 DelegationToken(DelegationTokenRecord),
    11 UserScramCredential(UserScramCredentialRecord),
    12 FeatureLevel(FeatureLevelRecord),
    14 ClientQuota(ClientQuotaRecord),
    15 ProducerIds(ProducerIdsRecord),
    17 BrokerRegistrationChange(BrokerRegistrationChangeRecord),
    18 AccessControlEntry(AccessControlEntryRecord),
    19 RemoveAccessControlEntry(RemoveAccessControlEntryRecord),
    20 NoOp(NoOpRecord),
    21 ZkMigrationState(ZkMigrationStateRecord),
    22 RemoveUserScramCredential(RemoveUserScramCredentialRecord),
    23 BeginTransaction(BeginTransactionRecord),
    24 EndTransaction(EndTransactionRecord),
    25 AbortTransaction(AbortTransactionRecord),
    26 RemoveDelegationToken(RemoveDelegationTokenRecord),
    27 RegisterController(RegisterControllerRecord),
    28 ClearElr(ClearElrRecord),
    29 UnregisterController(UnregisterControllerRecord),
}

fn encode_frame<T: Message>(number: u32, record: &T, version: i16) -> Bytes {
    let version_number = u32::try_from(version).expect("versions count from 0");
    let mut size = Size::default();
    for part in [FRAME_VERSION, number, version_number] {
        size.add(varint::size_u32(part));
    }
    record.add_size(&mut size, version);

    let mut writer = Writer::with_capacity(size.head);
    for part in [FRAME_VERSION, number, version_number] {
        writer.uvarint(part);
    }
    record.encode(&mut writer, version);
    writer
        .into_bytes()
        .expect("no record has a payload in a file")
}

/// Reads the type's number and the record's version.
fn decode_frame(reader: &mut Reader) -> Result<(u32, u32), DecodeError> {
    match reader.uvarint()? {
        FRAME_VERSION => Ok((reader.uvarint()?, reader.uvarint()?)),
        other => Err(DecodeError::UnsupportedVersion {
            name: "the frame of metadata records",
            version: i16::try_from(other).unwrap_or(i16::MAX),
        }),
    }
}

fn supported_version<T: Message>(version: u32) -> Result<i16, DecodeError> {
    let version = i16::try_from(version).unwrap_or(i16::MAX);
    T::check_version(version)?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_framed_by_versions_and_type() {
        let record = MetadataRecord::from(FeatureLevelRecord {
            name: "a".into(),
            feature_level: 30,
        });

        let bytes = record.encode(0);

        assert_eq!(bytes.as_ref(), [1, 12, 0, 2, b'a', 0, 30, 0]);
        assert_eq!(MetadataRecord::decode(bytes), Ok(record));
    }

    #[test]
    fn what_is_unknown_is_named() {
        let decode = |bytes: &'static [u8]| MetadataRecord::decode(Bytes::from_static(bytes));

        let number = 99;
        let unknown_type = DecodeError::UnknownRecord {
            kind: "metadata",
            number,
        };
        assert_eq!(decode(&[1, 99, 0, 0]), Err(unknown_type));
        let message = decode(&[1, 2, 9, 0]).unwrap_err().to_string();
        assert_eq!(message, "version 9 of TopicRecord is not supported");
        assert!(decode(&[2, 2, 0]).is_err());
    }

    #[test]
    fn a_tag_of_a_later_release_is_skipped_and_bytes_behind_the_fields_are_refused() {
        let level = FeatureLevelRecord {
            name: "a".into(),
            feature_level: 30,
        };
        let tagged = [1, 12, 0, 2, b'a', 0, 30, 1, 99, 2, 7, 7];
        let trailing = [1, 12, 0, 2, b'a', 0, 30, 0, 7];

        let decode = |bytes: &[u8]| MetadataRecord::decode(Bytes::copy_from_slice(bytes));

        assert_eq!(decode(&tagged), Ok(level.into()));
        assert!(decode(&trailing).is_err());
    }
}
