//! OffsetFetch (key 9), versions 1-10, one group of it.
//!
//! A partition without an offset is answered with -1 and no error; so is every partition of a group that
//! does not exist. An offset that was committed for another topic of the same name (both ids are known, and
//! differ) does not exist either. With `require_stable`, a partition with an offset of an open transaction
//! is UNSTABLE_OFFSET_COMMIT. Member id and epoch, of version 9, do not matter to classic groups.

use super::topics::Partitions;
use super::{CommittedOffset, Offsets};
use crate::coordinator::group::GroupShard;
use crate::coordinator::group::effects::Effects;
use crate::coordinator::shard::Caller;
use crate::model::{Offset, TopicId};
use crate::protocol::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponseGroup,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use crate::protocol::{ErrorCode, Str};

impl GroupShard {
    /// Reads the offsets of a group.
    pub(in crate::coordinator::group) fn offset_fetch(
        &self,
        caller: &Caller,
        request: &OffsetFetchRequestGroup,
        require_stable: bool,
        effects: &mut Effects,
    ) {
        let group = self.group(&request.group_id);
        let offsets = group.map(|group| &group.offsets);
        let topics = match &request.topics {
            Some(topics) => {
                let fetch = |topic| fetch_topic(offsets, topic, require_stable);
                topics.iter().map(fetch).collect()
            }
            None => offsets.map_or_else(Vec::new, |offsets| fetch_all(offsets, require_stable)),
        };
        let answer = OffsetFetchResponseGroup {
            group_id: request.group_id.clone(),
            topics,
            error_code: ErrorCode::NONE,
        };
        let after = group.map_or(Offset::NONE, |group| group.last_offset);
        effects.reply(caller.token, after, answer);
    }
}

fn fetch_topic(
    offsets: Option<&Offsets>,
    topic: &OffsetFetchRequestTopics,
    require_stable: bool,
) -> OffsetFetchResponseTopics {
    let fetch = |&partition: &i32| {
        let Some(offsets) = offsets else {
            return none(partition, ErrorCode::NONE);
        };
        if require_stable && offsets.is_pending(&topic.name, partition) {
            return none(partition, ErrorCode::UNSTABLE_OFFSET_COMMIT);
        }
        match offsets.get(&topic.name, partition) {
            Some(offset) if is_of(offset, topic.topic_id) => some(partition, offset),
            _ => none(partition, ErrorCode::NONE),
        }
    };
    OffsetFetchResponseTopics {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic.partition_indexes.iter().map(fetch).collect(),
    }
}

fn fetch_all(offsets: &Offsets, require_stable: bool) -> Vec<OffsetFetchResponseTopics> {
    let topic = |(name, partitions): (&Str, &Partitions)| {
        let fetch = |(&partition, offset): (&i32, &CommittedOffset)| {
            if require_stable && offsets.is_pending(name, partition) {
                none(partition, ErrorCode::UNSTABLE_OFFSET_COMMIT)
            } else {
                some(partition, offset)
            }
        };
        OffsetFetchResponseTopics {
            name: name.clone(),
            topic_id: TopicId::ZERO,
            partitions: partitions.iter().map(fetch).collect(),
        }
    };
    offsets.committed.iter().map(topic).collect()
}

fn is_of(offset: &CommittedOffset, topic_id: TopicId) -> bool {
    offset.topic_id.is_zero() || topic_id.is_zero() || offset.topic_id == topic_id
}

fn some(partition_index: i32, offset: &CommittedOffset) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: offset.offset,
        committed_leader_epoch: offset.leader_epoch,
        metadata: Some(Str::copy_from(&offset.metadata)),
        error_code: ErrorCode::NONE,
    }
}

fn none(partition_index: i32, error_code: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(Str::EMPTY),
        error_code,
    }
}
