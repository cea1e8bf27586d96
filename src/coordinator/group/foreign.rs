//! Groups of types that are not served here, written by Apache Kafka: consumer (KIP-848), share and
//! streams groups.
//!
//! Their records are not interpreted. What is kept is the key of each that has a value, so that the
//! group is listed under its type, is not taken for an expired one, and can be removed whole, by a
//! tombstone for each key. A record that nobody removes stays in the log, and Apache Kafka finds it
//! there again.
//!
//! Nothing here can serve such members, so none is alive: a classic member may take over a consumer
//! group, or a streams group without members, as in Kafka it may take over an empty one.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::protocol::Str;
use crate::protocol::messages::offsets_records::OffsetsRecord;

/// The bytes that a key takes in memory besides its own.
const KEY_BYTES: usize = 80;

/// The type of a group that is not a classic one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForeignType {
    Consumer,
    Share,
    Streams,
}

/// The keys that the log has of a group of another type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ForeignGroup {
    pub(super) group_type: ForeignType,
    keys: BTreeSet<Bytes>,
    bytes: usize,
}

impl ForeignType {
    /// The type's name in ListGroups.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Consumer => "Consumer",
            Self::Share => "Share",
            Self::Streams => "Streams",
        }
    }

    /// The protocol type that such groups are listed with.
    pub(super) fn protocol_type(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Share => "share",
            Self::Streams => "streams",
        }
    }
}

impl ForeignGroup {
    pub(super) fn new(group_type: ForeignType) -> Self {
        Self {
            group_type,
            keys: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// Replays a record of the group; one without a value removes its key.
    pub(super) fn replay(&mut self, record: &OffsetsRecord) {
        let (key, value) = record.encode(record.max_version());
        let bytes = KEY_BYTES + key.len();
        if value.is_none() {
            let is_removed = self.keys.remove(&key);
            self.bytes -= if is_removed { bytes } else { 0 };
        } else {
            let is_new = self.keys.insert(key);
            self.bytes += if is_new { bytes } else { 0 };
        }
    }

    /// The bytes that the keys take in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether the log has members of the group.
    pub(super) fn has_members(&self) -> bool {
        const MEMBER_METADATA: [[u8; 2]; 3] = [[0, 5], [0, 10], [0, 19]];
        let is_member = |key: &Bytes| {
            key.first_chunk()
                .is_some_and(|kind| MEMBER_METADATA.contains(kind))
        };
        self.keys.iter().any(is_member)
    }

    /// Whether a classic member may take over the group id.
    pub(super) fn yields_to_classic(&self) -> bool {
        match self.group_type {
            ForeignType::Consumer => true,
            ForeignType::Streams => !self.has_members(),
            ForeignType::Share => false,
        }
    }

    /// The records that remove the group.
    pub(super) fn tombstones(&self) -> Vec<OffsetsRecord> {
        let tombstone = |key: &Bytes| {
            OffsetsRecord::decode(key.clone(), None).expect("it was encoded from such a record")
        };
        self.keys.iter().map(tombstone).collect()
    }
}

/// The group's id and type, if `record` belongs to a group that is not served.
pub(super) fn foreign_group(record: &OffsetsRecord) -> Option<(&Str, ForeignType)> {
    use ForeignType::{Consumer, Share, Streams};
    use OffsetsRecord as R;
    Some(match record {
        R::LegacyOffsetCommit(..) | R::OffsetCommit(..) | R::GroupMetadata(..) => return None,
        R::ConsumerGroupMetadata(key, _) => (&key.group_id, Consumer),
        R::ConsumerGroupPartitionMetadata(key, _) => (&key.group_id, Consumer),
        R::ConsumerGroupMemberMetadata(key, _) => (&key.group_id, Consumer),
        R::ConsumerGroupTargetAssignmentMetadata(key, _) => (&key.group_id, Consumer),
        R::ConsumerGroupTargetAssignmentMember(key, _) => (&key.group_id, Consumer),
        R::ConsumerGroupCurrentMemberAssignment(key, _) => (&key.group_id, Consumer),
        R::ConsumerGroupRegularExpression(key, _) => (&key.group_id, Consumer),
        R::ShareGroupMemberMetadata(key, _) => (&key.group_id, Share),
        R::ShareGroupMetadata(key, _) => (&key.group_id, Share),
        R::ShareGroupTargetAssignmentMetadata(key, _) => (&key.group_id, Share),
        R::ShareGroupTargetAssignmentMember(key, _) => (&key.group_id, Share),
        R::ShareGroupCurrentMemberAssignment(key, _) => (&key.group_id, Share),
        R::ShareGroupStatePartitionMetadata(key, _) => (&key.group_id, Share),
        R::StreamsGroupMetadata(key, _) => (&key.group_id, Streams),
        R::StreamsGroupMemberMetadata(key, _) => (&key.group_id, Streams),
        R::StreamsGroupTargetAssignmentMetadata(key, _) => (&key.group_id, Streams),
        R::StreamsGroupTargetAssignmentMember(key, _) => (&key.group_id, Streams),
        R::StreamsGroupCurrentMemberAssignment(key, _) => (&key.group_id, Streams),
        R::StreamsGroupTopology(key, _) => (&key.group_id, Streams),
    })
}
