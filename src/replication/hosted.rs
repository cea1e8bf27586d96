//! The partitions that this broker holds, by topic id and index, in shards that are locked apart,
//! and two gauges that count them as they come, fail and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::partition::Partition;
use crate::model::TopicIdPartition;
use crate::telemetry::Gauge;

const SHARD_COUNT: usize = 64;

/// A partition that the controller has put here.
#[derive(Clone, Debug)]
pub enum HostedPartition {
    /// Its log is open.
    Online(Arc<Partition>),
    /// Its log cannot be used: the disk failed, or the log is corrupt.
    Offline,
}

impl HostedPartition {
    fn is_offline(&self) -> bool {
        matches!(self, Self::Offline)
    }
}

/// All partitions of this broker.
#[derive(Debug)]
pub struct Hosted {
    shards: Vec<RwLock<BTreeMap<TopicIdPartition, HostedPartition>>>,
    count: Gauge,
    offline_count: Gauge,
}

impl Default for Hosted {
    fn default() -> Self {
        Self::counted_by(Gauge::default(), Gauge::default())
    }
}

impl Hosted {
    /// None yet. `count` is to show how many there are, `offline_count` how many of them cannot be
    /// used.
    pub fn counted_by(count: Gauge, offline_count: Gauge) -> Self {
        Self {
            shards: (0..SHARD_COUNT).map(|_| RwLock::default()).collect(),
            count,
            offline_count,
        }
    }

    /// The partition with this id.
    pub fn get(&self, id: &TopicIdPartition) -> Option<HostedPartition> {
        self.shard(id).read().get(id).cloned()
    }

    /// Puts a partition in place of what was there, which is returned.
    pub fn insert(
        &self,
        id: TopicIdPartition,
        partition: HostedPartition,
    ) -> Option<HostedPartition> {
        let is_offline = partition.is_offline();
        let previous = self.shard(&id).write().insert(id, partition);
        self.count(&previous, Some(is_offline));
        previous
    }

    /// Takes a partition out.
    pub fn remove(&self, id: &TopicIdPartition) -> Option<HostedPartition> {
        let removed = self.shard(id).write().remove(id);
        self.count(&removed, None);
        removed
    }

    /// Counts that `before` became something that is offline, or not, or nothing.
    fn count(&self, before: &Option<HostedPartition>, after: Option<bool>) {
        self.count
            .inc_by(i64::from(after.is_some()) - i64::from(before.is_some()));
        let was_offline = before.as_ref().is_some_and(HostedPartition::is_offline);
        self.offline_count
            .inc_by(i64::from(after == Some(true)) - i64::from(was_offline));
    }

    /// The partitions whose logs are open, in no order that matters.
    pub fn online(&self) -> Vec<Arc<Partition>> {
        let mut online = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            online.extend(shard.values().filter_map(|hosted| match hosted {
                HostedPartition::Online(partition) => Some(Arc::clone(partition)),
                HostedPartition::Offline => None,
            }));
        }
        online
    }

    /// The ids of the partitions that cannot be used.
    pub fn offline(&self) -> Vec<TopicIdPartition> {
        let mut offline = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            let found = shard.iter().filter(|(_, it)| it.is_offline());
            offline.extend(found.map(|(id, _)| *id));
        }
        offline
    }

    fn shard(&self, id: &TopicIdPartition) -> &RwLock<BTreeMap<TopicIdPartition, HostedPartition>> {
        // Topic ids are random; the partitions of one topic should not share a lock either.
        let [first, ..] = *id.topic_id.as_bytes();
        let mixed = usize::from(first).wrapping_add(id.partition.unsigned_abs() as usize);
        &self.shards[mixed % SHARD_COUNT]
    }
}
