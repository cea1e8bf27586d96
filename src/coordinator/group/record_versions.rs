//! The encoding of records: in the versions that Apache Kafka 4.3.1 writes, so that it can read them.

use bytes::Bytes;

use crate::coordinator::shard::{ShardRecord, UnreadRecord};
use crate::protocol::DecodeError;
use crate::protocol::messages::offsets_records::OffsetsRecord;

/// GroupMetadata as 4.3.1 writes it; it would read version 4 as well.
pub(super) const GROUP_METADATA_VERSION: i16 = 3;
/// The version of OffsetCommit for an offset with an expiry time of its own: no other has the field.
const EXPIRING_OFFSET_COMMIT_VERSION: i16 = 1;

/// The version in which the record's value is written.
fn value_version(record: &OffsetsRecord) -> i16 {
    match record {
        OffsetsRecord::GroupMetadata(..) => GROUP_METADATA_VERSION,
        OffsetsRecord::OffsetCommit(_, Some(value)) if value.expire_timestamp >= 0 => {
            EXPIRING_OFFSET_COMMIT_VERSION
        }
        // The newest OffsetCommit has the topic's id. Of all other types only tombstones are written.
        other => other.max_version(),
    }
}

impl ShardRecord for OffsetsRecord {
    fn to_bytes(&self) -> (Bytes, Option<Bytes>) {
        self.encode(value_version(self))
    }

    fn from_bytes(key: Bytes, value: Option<Bytes>) -> Result<Self, UnreadRecord> {
        Self::decode(key, value).map_err(|error| match error {
            DecodeError::UnknownRecord { .. } => UnreadRecord::UnknownType(error.to_string()),
            _ => UnreadRecord::Unreadable(error.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::offsets_records::{
        GroupMetadataKey, OffsetCommitKey, OffsetCommitValue,
    };

    #[test]
    fn an_offset_that_expires_by_itself_is_written_in_the_version_that_can_say_so() {
        let record = |expire_timestamp| {
            let value = OffsetCommitValue {
                expire_timestamp,
                ..OffsetCommitValue::default()
            };
            OffsetsRecord::OffsetCommit(OffsetCommitKey::default(), Some(value))
        };

        assert_eq!(value_version(&record(-1)), 4);
        assert_eq!(value_version(&record(5)), 1);
    }

    #[test]
    fn a_group_is_written_as_apache_writes_it() {
        let record = OffsetsRecord::GroupMetadata(GroupMetadataKey::default(), None);

        assert_eq!(value_version(&record), 3);
    }
}
