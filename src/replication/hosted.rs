//! The partitions that this broker holds, by topic id and index, in shards that are locked apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::partition::Partition;
use crate::model::TopicIdPartition;

const SHARD_COUNT: usize = 64;

/// A partition that the controller has put here.
#[derive(Clone, Debug)]
pub enum HostedPartition {
    /// Its log is open.
    Online(Arc<Partition>),
    /// Its log cannot be used: the disk failed, or the log is corrupt.
    Offline,
}

/// All partitions of this broker.
#[derive(Debug)]
pub struct Hosted {
    shards: Vec<RwLock<BTreeMap<TopicIdPartition, HostedPartition>>>,
}

impl Default for Hosted {
    fn default() -> Self {
        Self {
            shards: (0..SHARD_COUNT).map(|_| RwLock::default()).collect(),
        }
    }
}

impl Hosted {
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
        self.shard(&id).write().insert(id, partition)
    }

    /// Takes a partition out.
    pub fn remove(&self, id: &TopicIdPartition) -> Option<HostedPartition> {
        self.shard(id).write().remove(id)
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
            let is_offline = |hosted: &HostedPartition| matches!(hosted, HostedPartition::Offline);
            offline.extend(
                shard
                    .iter()
                    .filter(|(_, it)| is_offline(it))
                    .map(|(id, _)| *id),
            );
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
