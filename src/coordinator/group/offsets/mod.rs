//! The committed offsets of one group, and those of open transactions, which count when their marker says
//! so. Only `replay` changes them.

mod commit;
mod delete;
mod expire;
mod fetch;
mod topics;

pub(super) use delete::tombstone;

use std::collections::BTreeMap;

use self::topics::Topics;
use super::survey::OffsetGlance;
use crate::coordinator::shard::TransactionOutcome;
use crate::model::{Offset, ProducerId, TopicId};
use crate::protocol::Str;
use crate::protocol::messages::offsets_records::{OffsetCommitKey, OffsetCommitValue};

/// A committed offset: how far a group has come in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommittedOffset {
    pub(super) offset: i64,
    /// The leader epoch; -1 if the client gave none.
    pub(super) leader_epoch: i32,
    pub(super) metadata: Box<str>,
    pub(super) commit_timestamp: i64,
    /// When the offset expires by itself; -1 if the broker's retention decides.
    pub(super) expire_timestamp: i64,
    /// The topic's id; zero if whoever wrote the record did not know it.
    pub(super) topic_id: TopicId,
    /// The offset of the record itself: of two records the later one counts.
    pub(super) record_offset: Offset,
}

/// The offsets of one group.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    committed: Topics,
    /// How many offsets are committed.
    count: usize,
    /// The offsets of open transactions, by producer.
    pending: BTreeMap<ProducerId, Topics>,
    /// The bytes that those take in memory.
    pending_bytes: usize,
}

impl CommittedOffset {
    fn from_record(value: &OffsetCommitValue, record_offset: Offset) -> Self {
        Self {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata.as_str().into(),
            commit_timestamp: value.commit_timestamp,
            expire_timestamp: value.expire_timestamp,
            topic_id: value.topic_id,
            record_offset,
        }
    }
}

impl Offsets {
    /// Whether there are no offsets, committed or pending.
    pub(super) fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty()
    }

    /// How many offsets are committed.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The bytes that all offsets take in memory.
    pub(super) fn bytes(&self) -> usize {
        self.committed.bytes() + self.pending_bytes
    }

    /// The committed offset of a partition.
    pub(super) fn get(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.committed.get(topic)?.get(&partition)
    }

    /// Whether an open transaction has an offset for the partition.
    pub(super) fn is_pending(&self, topic: &str, partition: i32) -> bool {
        let mut of_topic = self.pending.values().filter_map(|topics| topics.get(topic));
        of_topic.any(|partitions| partitions.contains_key(&partition))
    }

    /// Takes over a record at `record_offset`. A record without a value removes the partition's offset,
    /// also in open transactions.
    pub(super) fn replay(
        &mut self,
        record_offset: Offset,
        producer_id: ProducerId,
        key: &OffsetCommitKey,
        value: Option<&OffsetCommitValue>,
    ) {
        let Some(value) = value else {
            self.remove(&key.topic, key.partition);
            return;
        };
        let offset = CommittedOffset::from_record(value, record_offset);
        if producer_id == ProducerId::NONE {
            let previous = self.committed.insert(&key.topic, key.partition, offset);
            self.count += usize::from(previous.is_none());
        } else {
            let topics = self.pending.entry(producer_id).or_default();
            self.pending_bytes -= topics.bytes();
            topics.insert(&key.topic, key.partition, offset);
            self.pending_bytes += topics.bytes();
        }
    }

    /// Takes over the end of a producer's transaction. An offset that was committed without a transaction
    /// after the pending one stays.
    pub(super) fn replay_transaction_end(
        &mut self,
        producer_id: ProducerId,
        outcome: TransactionOutcome,
    ) {
        let Some(topics) = self.pending.remove(&producer_id) else {
            return;
        };
        self.pending_bytes -= topics.bytes();
        if outcome == TransactionOutcome::Abort {
            return;
        }
        for (topic, partitions) in topics.into_topics() {
            for (partition, offset) in partitions {
                let is_newer =
                    |existing: &CommittedOffset| existing.record_offset < offset.record_offset;
                if self.get(&topic, partition).is_none_or(is_newer) {
                    let previous = self.committed.insert(&topic, partition, offset);
                    self.count += usize::from(previous.is_none());
                }
            }
        }
    }

    fn remove(&mut self, topic: &str, partition: i32) {
        self.count -= usize::from(self.committed.remove(topic, partition));
        let pending_bytes = &mut self.pending_bytes;
        self.pending.retain(|_, topics| {
            *pending_bytes -= topics.bytes();
            topics.remove(topic, partition);
            *pending_bytes += topics.bytes();
            !topics.is_empty()
        });
    }

    /// The committed offsets, by topic and partition.
    pub(super) fn glance(&self) -> impl Iterator<Item = OffsetGlance> {
        self.committed.iter().flat_map(|(topic, partitions)| {
            partitions
                .iter()
                .map(|(partition, committed)| OffsetGlance {
                    topic: topic.clone(),
                    topic_id: committed.topic_id,
                    partition: *partition,
                    offset: committed.offset,
                })
        })
    }

    /// All partitions with a committed or pending offset, each once.
    pub(super) fn keys(&self) -> Vec<(Str, i32)> {
        let keys = self
            .maps()
            .flat_map(Topics::iter)
            .flat_map(|(topic, partitions)| {
                partitions
                    .keys()
                    .map(|partition| (topic.clone(), *partition))
            });
        let mut keys: Vec<(Str, i32)> = keys.collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// The partitions whose topic is gone, each once. `id_of` gives the id of the topic that has a name
    /// now; an offset without a topic id counts as one of that topic. A partition with any offset of that
    /// topic is not among them, because removing one removes all.
    pub(super) fn orphans(&self, id_of: impl Fn(&str) -> Option<TopicId>) -> Vec<(Str, i32)> {
        let is_gone = |id: Option<TopicId>, offset: &CommittedOffset| match id {
            Some(id) => !offset.topic_id.is_zero() && offset.topic_id != id,
            None => true,
        };
        let mut orphans = Vec::new();
        for (topic, partitions) in self.maps().flat_map(Topics::iter) {
            let id = id_of(topic);
            let gone = partitions.iter().filter(|(_, offset)| is_gone(id, offset));
            orphans.extend(gone.map(|(partition, _)| (topic.clone(), *partition)));
        }
        orphans.sort();
        orphans.dedup();
        orphans.retain(|(topic, partition)| {
            let id = id_of(topic);
            let mut all = self
                .maps()
                .filter_map(|topics| topics.get(topic)?.get(partition));
            all.all(|offset| is_gone(id, offset))
        });
        orphans
    }

    /// The committed offsets, and those of each open transaction.
    fn maps(&self) -> impl Iterator<Item = &Topics> {
        std::iter::once(&self.committed).chain(self.pending.values())
    }

    /// The partitions whose offsets are of the topic that had this name and id, each once.
    pub(super) fn keys_of_topic(&self, name: &str, id: TopicId) -> Vec<i32> {
        let partitions = self.maps().filter_map(|topics| topics.get(name)).flatten();
        let is_its = |offset: &CommittedOffset| offset.topic_id.is_zero() || offset.topic_id == id;
        let mut partitions: Vec<i32> = partitions
            .filter(|(_, offset)| is_its(offset))
            .map(|(partition, _)| *partition)
            .collect();
        partitions.sort_unstable();
        partitions.dedup();
        partitions
    }
}
