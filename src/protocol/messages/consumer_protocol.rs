//! What consumers of classic groups tell each other. The coordinator carries it in JoinGroup and SyncGroup
//! without reading it; tools read it.
//!
//! Each is preceded by its version as an int16. Versions only add fields at the end, so a later one is read
//! as the last that is known.

use bytes::Bytes;

use crate::protocol::{DecodeError, Message, Reader, Str};

message! {
    ConsumerProtocolSubscription: versions 0-3, first flexible never;

    /// What a consumer wants to read: its topics.
    pub struct ConsumerProtocolSubscription {
        topics: Vec<Str>,
        user_data: Option<Bytes>,
        owned_partitions: Vec<TopicPartition> [1+],
        generation_id: i32 [2+] = -1,
        rack_id: Option<Str> [3+],
    }

    pub struct TopicPartition {
        topic: Str,
        partitions: Vec<i32>,
    }
}

message! {
    ConsumerProtocolAssignment: versions 0-3, first flexible never;

    /// What a consumer shall read: its partitions.
    pub struct ConsumerProtocolAssignment {
        assigned_partitions: Vec<TopicPartition>,
        user_data: Option<Bytes>,
    }
}

/// Reads what [`encode_versioned`](crate::protocol::message::encode_versioned) or a consumer of any version
/// wrote.
///
/// # Errors
/// The version is negative, or the bytes are not such a message.
pub fn decode<T: Message>(bytes: Bytes) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?.min(T::MAX_VERSION);
    T::check_version(version)?;
    T::decode(&mut reader, version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::message::encode_versioned;

    #[test]
    fn a_later_version_is_read_as_the_last_that_is_known() {
        let assignment = ConsumerProtocolAssignment {
            assigned_partitions: vec![TopicPartition {
                topic: "t".into(),
                partitions: vec![0, 1],
            }],
            user_data: None,
        };
        let mut bytes = encode_versioned(9, &assignment, 3).to_vec();
        bytes.extend([1, 2, 3]);

        assert_eq!(decode(bytes.into()), Ok(assignment));
    }
}
