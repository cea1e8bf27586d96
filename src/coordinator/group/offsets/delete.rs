//! Removes offsets on demand: for OffsetDelete (key 47, version 0), and with deleted topics.
//!
//! OffsetDelete refuses topics that a consumer group subscribes to (GROUP_SUBSCRIBED_TO_TOPIC), and any
//! topic of a group of another protocol that has members (NON_EMPTY_GROUP), whose subscriptions nobody
//! knows.

use std::collections::BTreeSet;

use crate::coordinator::group::GroupShard;
use crate::coordinator::group::effects::Effects;
use crate::coordinator::group::group_state::Group;
use crate::coordinator::group::request::DeletedTopic;
use crate::coordinator::shard::Caller;
use crate::model::{Offset, TopicId};
use crate::protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestTopic, OffsetDeleteResponse,
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use crate::protocol::messages::offsets_records::{OffsetCommitKey, OffsetsRecord};
use crate::protocol::{ErrorCode, Str};

impl GroupShard {
    /// Decides an OffsetDelete of partitions that exist.
    pub(in crate::coordinator::group) fn offset_delete(
        &mut self,
        caller: &Caller,
        request: &OffsetDeleteRequest,
        effects: &mut Effects,
    ) {
        let (answer, records) = match self.check_offset_delete(&request.group_id) {
            Ok(group) => delete(group, request),
            Err(error_code) => {
                let refusal = OffsetDeleteResponse {
                    error_code,
                    ..OffsetDeleteResponse::default()
                };
                (refusal, Vec::new())
            }
        };
        let after = self.delete_offsets(records, effects);
        effects.reply(caller.token, after, answer);
    }

    /// Gives the tombstones of offsets to the runtime; returns the offset of the last.
    fn delete_offsets(&mut self, records: Vec<OffsetsRecord>, effects: &mut Effects) -> Offset {
        self.tally_mut().deleted_offsets += records.len() as u64;
        self.emit(records, effects)
    }

    fn check_offset_delete(&self, group_id: &str) -> Result<&Group, ErrorCode> {
        let group = self.group(group_id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if group.classic.is_empty() || group.classic.uses_consumer_protocol() {
            Ok(group)
        } else {
            Err(ErrorCode::NON_EMPTY_GROUP)
        }
    }

    /// Removes the offsets of deleted topics, pending ones as well.
    pub fn topics_deleted(&mut self, topics: &[DeletedTopic], effects: &mut Effects) {
        let mut records = Vec::new();
        for group in self.groups() {
            for topic in topics {
                let partitions = group.offsets.keys_of_topic(&topic.name, topic.id);
                let partitions = partitions.into_iter();
                records.extend(
                    partitions
                        .map(|partition| tombstone(group.classic.id(), &topic.name, partition)),
                );
            }
        }
        self.delete_offsets(records, effects);
    }

    /// Removes the offsets of topics that were deleted while the shard was not loaded, or before the
    /// tombstones of their offsets were written. Returns how many. Kafka keeps these until they expire, and
    /// old versions of OffsetFetch read them for another topic of that name. `id_of` gives the id of the
    /// topic that has a name now.
    pub fn delete_orphans(
        &mut self,
        id_of: impl Fn(&str) -> Option<TopicId>,
        effects: &mut Effects,
    ) -> usize {
        let mut records = Vec::new();
        for group in self.groups() {
            let orphans = group.offsets.orphans(&id_of).into_iter();
            let id = group.classic.id();
            records.extend(orphans.map(|(topic, partition)| tombstone(id, &topic, partition)));
        }
        let count = records.len();
        self.delete_offsets(records, effects);
        count
    }
}

/// The record that removes a group's offset for a partition.
pub(in crate::coordinator::group) fn tombstone(
    group: &Str,
    topic: &Str,
    partition: i32,
) -> OffsetsRecord {
    let key = OffsetCommitKey {
        group: group.clone(),
        topic: topic.clone(),
        partition,
    };
    OffsetsRecord::OffsetCommit(key, None)
}

fn delete(
    group: &Group,
    request: &OffsetDeleteRequest,
) -> (OffsetDeleteResponse, Vec<OffsetsRecord>) {
    // A request may name a partition many times.
    let mut deleted = BTreeSet::new();
    let subscriptions = group.classic.subscriptions();
    let mut delete_topic = |topic: &OffsetDeleteRequestTopic| {
        let error_code = if subscriptions.contains(&topic.name) {
            ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC
        } else {
            ErrorCode::NONE
        };
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions.iter().map(|part| part.partition_index) {
            let offsets = &group.offsets;
            let exists = offsets.get(&topic.name, partition).is_some()
                || offsets.is_pending(&topic.name, partition);
            if exists && !error_code.is_error() {
                deleted.insert((topic.name.clone(), partition));
            }
            partitions.push(OffsetDeleteResponsePartition {
                partition_index: partition,
                error_code,
            });
        }
        OffsetDeleteResponseTopic {
            name: topic.name.clone(),
            partitions,
        }
    };
    let topics = request.topics.iter().map(&mut delete_topic).collect();
    let id = group.classic.id();
    let records = deleted.iter();
    let records = records.map(|(topic, partition)| tombstone(id, topic, *partition));
    let records = records.collect();
    let answer = OffsetDeleteResponse {
        topics,
        ..OffsetDeleteResponse::default()
    };
    (answer, records)
}
