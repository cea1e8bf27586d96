//! The committed offsets of one group, and those of open transactions, which count once their marker
//! says so. Only `replay` changes them.

mod commit;
mod delete;
mod expire;
mod fetch;

pub(super) use delete::tombstone;

use std::collections::BTreeMap;

use crate::coordinator::shard::TransactionOutcome;
use crate::model::{Offset, ProducerId, TopicId};
use crate::protocol::Str;
use crate::protocol::messages::offsets_records::{OffsetCommitKey, OffsetCommitValue};

/// Where a group stands in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommittedOffset {
    pub(super) offset: i64,
    /// -1 where the client gave none.
    pub(super) leader_epoch: i32,
    pub(super) metadata: Box<str>,
    pub(super) commit_timestamp: i64,
    /// When it expires by itself; -1 for the broker's retention.
    pub(super) expire_timestamp: i64,
    /// Zero where whoever wrote it did not know.
    pub(super) topic_id: TopicId,
    /// The offset of its record: of two, the later one counts.
    pub(super) record_offset: Offset,
}

type Partitions = BTreeMap<i32, CommittedOffset>;

/// The offsets of one group.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    committed: BTreeMap<Str, Partitions>,
    /// How many are committed.
    count: usize,
    /// Of open transactions.
    pending: BTreeMap<ProducerId, BTreeMap<Str, Partitions>>,
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
    /// Whether there are none, not even pending ones.
    pub(super) fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty()
    }

    /// How many are committed.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// What is committed for a partition.
    pub(super) fn get(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.committed.get(topic)?.get(&partition)
    }

    /// Whether an open transaction has an offset for the partition.
    pub(super) fn is_pending(&self, topic: &str, partition: i32) -> bool {
        let of_topic = |topics: &BTreeMap<Str, Partitions>| {
            topics
                .get(topic)
                .is_some_and(|partitions| partitions.contains_key(&partition))
        };
        self.pending.values().any(of_topic)
    }

    /// Takes a record at `record_offset`. Without a value it ends the partition, also in open
    /// transactions.
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
        let is_pending = producer_id != ProducerId::NONE;
        let topics = if is_pending {
            self.pending.entry(producer_id).or_default()
        } else {
            &mut self.committed
        };
        let offset = CommittedOffset::from_record(value, record_offset);
        let previous = partitions_of(topics, &key.topic).insert(key.partition, offset);
        self.count += usize::from(!is_pending && previous.is_none());
    }

    /// Takes the end of a producer's transaction. An offset that was committed after the pending one,
    /// without a transaction, stays.
    pub(super) fn replay_transaction_end(
        &mut self,
        producer_id: ProducerId,
        outcome: TransactionOutcome,
    ) {
        let Some(topics) = self.pending.remove(&producer_id) else {
            return;
        };
        if outcome == TransactionOutcome::Abort {
            return;
        }
        for (topic, partitions) in topics {
            let committed = self.committed.entry(topic).or_default();
            for (partition, offset) in partitions {
                let is_newer =
                    |existing: &CommittedOffset| existing.record_offset < offset.record_offset;
                if committed.get(&partition).is_none_or(is_newer) {
                    let previous = committed.insert(partition, offset);
                    self.count += usize::from(previous.is_none());
                }
            }
        }
    }

    fn remove(&mut self, topic: &str, partition: i32) {
        self.count -= usize::from(remove_partition(&mut self.committed, topic, partition));
        self.pending.retain(|_, topics| {
            remove_partition(topics, topic, partition);
            !topics.is_empty()
        });
    }

    /// All partitions with an offset, committed or pending, each once.
    pub(super) fn keys(&self) -> Vec<(Str, i32)> {
        let keys = self.maps().flatten().flat_map(|(topic, partitions)| {
            partitions
                .keys()
                .map(|partition| (topic.clone(), *partition))
        });
        let mut keys: Vec<(Str, i32)> = keys.collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// The partitions whose topic is gone, each once: `id_of` tells the id of the topic that has a
    /// name now. Offsets whose topic's id is not known are taken to be of that one. A partition with
    /// any offset of that topic is none of them: what removes it removes all of its offsets.
    pub(super) fn orphans(&self, id_of: impl Fn(&str) -> Option<TopicId>) -> Vec<(Str, i32)> {
        let is_gone = |id: Option<TopicId>, offset: &CommittedOffset| match id {
            Some(id) => !offset.topic_id.is_zero() && offset.topic_id != id,
            None => true,
        };
        let mut orphans = Vec::new();
        for (topic, partitions) in self.maps().flatten() {
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

    /// What is committed, and what each open transaction has.
    fn maps(&self) -> impl Iterator<Item = &BTreeMap<Str, Partitions>> {
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

/// The partitions of `topic`, whose name is copied if it is new: it may be a slice of a frame.
fn partitions_of<'a>(topics: &'a mut BTreeMap<Str, Partitions>, topic: &str) -> &'a mut Partitions {
    if !topics.contains_key(topic) {
        topics.insert(Str::copy_from(topic), Partitions::new());
    }
    topics.get_mut(topic).expect("it was just put in")
}

/// Whether there was such a partition.
fn remove_partition(topics: &mut BTreeMap<Str, Partitions>, topic: &str, partition: i32) -> bool {
    let Some(partitions) = topics.get_mut(topic) else {
        return false;
    };
    let is_removed = partitions.remove(&partition).is_some();
    if partitions.is_empty() {
        topics.remove(topic);
    }
    is_removed
}
