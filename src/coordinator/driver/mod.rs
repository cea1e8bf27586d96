//! The group coordinator of this broker: a shard for each partition of `__consumer_offsets` that it
//! leads. Requests go to the shard of their group; the metadata log says which shards there are.
//!
//! There is no lock over all shards: which there are is a map that is swapped whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::group::{Caller, DeletedTopic, Request};
use super::memory::{MAX_MEMBER_BYTES, MemberMemory};
use super::partition_for;
use super::shard_driver::{Services, ShardDriver};
use super::timers_driver::Alarms;
use crate::config::GroupCoordinatorConfig;
use crate::metadata::delta::{LocalPartition, MetadataDelta};
use crate::metadata::image::MetadataImage;
use crate::model::{BrokerId, TopicIdPartition};
use crate::protocol::{ErrorCode, Str};
use crate::replication::driver::ReplicaManager;
use crate::telemetry::{LogGate, Metrics};

pub use super::waiters_driver::Submitted;

/// The topic that groups and offsets are kept in.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// A handle on the group coordinator. Clones share it.
#[derive(Clone)]
pub struct GroupCoordinator {
    shared: Arc<Shared>,
}

struct Shared {
    node_id: BrokerId,
    services: Arc<Services>,
    shards: ArcSwap<Shards>,
    /// Of the topic; of the config while there is no topic.
    partition_count: AtomicI32,
    alarms: AbortHandle,
}

/// The shards by their partition's index.
type Shards = BTreeMap<i32, Arc<ShardDriver>>;

impl GroupCoordinator {
    /// A coordinator without shards yet: they come with [`Self::apply`]. Its tasks run on `runtime`.
    pub fn start(
        config: &GroupCoordinatorConfig,
        node_id: BrokerId,
        replicas: ReplicaManager,
        runtime: Handle,
        metrics: Arc<Metrics>,
    ) -> Self {
        let alarms = Arc::new(Alarms::default());
        let ringing = runtime.spawn(Arc::clone(&alarms).ring());
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let services = Services {
            config: config.clone(),
            replicas,
            runtime,
            alarms,
            loaders: Arc::new(Semaphore::new(cores)),
            is_stopped: AtomicBool::new(false),
            member_memory: MemberMemory::new(MAX_MEMBER_BYTES),
            no_room_gate: LogGate::default(),
            metrics,
            image: ArcSwap::default(),
        };
        Self {
            shared: Arc::new(Shared {
                node_id,
                partition_count: AtomicI32::new(config.offsets_topic_num_partitions),
                services: Arc::new(services),
                shards: ArcSwap::default(),
                alarms: ringing.abort_handle(),
            }),
        }
    }

    /// The partition of `__consumer_offsets` that a group belongs to.
    pub fn partition_of(&self, group: &str) -> i32 {
        partition_for(group, self.shared.partition_count.load(Ordering::Relaxed))
    }

    /// Lets the shard of `group` decide the request; the caller's token is given here. Nothing of
    /// the request is kept but copies: it may be a slice of a frame that is dropped.
    pub fn submit(&self, group: &str, caller: Caller, request: &Request) -> Submitted {
        self.submit_to(self.partition_of(group), caller, request)
    }

    /// As [`Self::submit`], for the groups of one partition.
    pub fn submit_to(&self, partition: i32, caller: Caller, request: &Request) -> Submitted {
        match self.shared.shards.load().get(&partition) {
            Some(shard) => shard.submit(caller, request),
            None => Submitted::Answered(request.refuse(ErrorCode::NOT_COORDINATOR)),
        }
    }

    /// Whether this broker has a shard of the partition that is at work, or is about to be. It has
    /// none if the log is damaged: clients are to wait, instead of coming here to be sent away.
    pub fn serves(&self, partition: i32) -> bool {
        let shards = self.shared.shards.load();
        shards.get(&partition).is_some_and(|shard| !shard.is_over())
    }

    /// The partitions of which this broker has a shard.
    pub fn partitions(&self) -> Vec<i32> {
        self.shared.shards.load().keys().copied().collect()
    }

    /// Follows a change of the metadata, after the replicas have: takes up shards of partitions that
    /// this broker leads now, gives up others, and removes the offsets of deleted topics.
    pub fn apply(&self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        let shared = &*self.shared;
        // Shards that are loaded from now on look at it.
        shared.services.image.store(Arc::clone(image));
        if let Some(topic) = image.topics().by_name(OFFSETS_TOPIC) {
            let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
            shared.partition_count.store(count, Ordering::Relaxed);
        }
        let local = delta.local_changes(shared.node_id);
        let mut shards = (*shared.shards.load_full()).clone();
        let followed = local
            .followers
            .iter()
            .map(|it| (it.topic_id, &it.partition));
        let lost = local.removed.iter().chain(&local.deleted);
        for (topic_id, name) in lost.map(|(id, name)| (*id, name)).chain(followed) {
            let is_its = |shard: &Arc<ShardDriver>| shard.partition.id().topic_id == topic_id;
            if &*name.topic == OFFSETS_TOPIC && shards.get(&name.partition).is_some_and(is_its) {
                shards
                    .remove(&name.partition)
                    .iter()
                    .for_each(|shard| shard.resign());
            }
        }
        let led = local.leaders.iter();
        for leader in led.filter(|it| &*it.partition.topic == OFFSETS_TOPIC) {
            shared.lead(&mut shards, leader);
        }
        shared.shards.store(Arc::new(shards));
        shared.topics_deleted(delta);
    }

    /// Stops deciding: those who wait for other members are sent away, those who wait for a commit
    /// get their answers.
    pub fn stop(&self) {
        let shared = &*self.shared;
        shared.services.is_stopped.store(true, Ordering::Release);
        shared.alarms.abort();
        for shard in shared.shards.load().values() {
            shard.stop();
        }
    }
}

impl Shared {
    fn lead(&self, shards: &mut Shards, leader: &LocalPartition) {
        if self.services.is_stopped.load(Ordering::Acquire) {
            return;
        }
        let index = leader.partition.partition;
        let id = TopicIdPartition {
            topic_id: leader.topic_id,
            partition: index,
        };
        let partition = match self.services.replicas.partition(&id) {
            Ok(partition) => partition,
            Err(error) => {
                tracing::error!(partition = %leader.partition, %error, "no groups of it are served");
                shards
                    .remove(&index)
                    .iter()
                    .for_each(|shard| shard.resign());
                return;
            }
        };
        let known = shards.get(&index);
        if let Some(other) = known.filter(|shard| !Arc::ptr_eq(&shard.partition, &partition)) {
            other.resign();
            shards.remove(&index);
        }
        let shard = shards
            .entry(index)
            .or_insert_with(|| ShardDriver::new(partition, Arc::clone(&self.services)));
        shard.lead(leader.state.leader_epoch);
    }

    fn topics_deleted(&self, delta: &MetadataDelta) {
        let deleted = delta.deleted_topics().map(|topic| DeletedTopic {
            name: Str::copy_from(&topic.name),
            id: topic.id,
        });
        let deleted: Vec<_> = deleted.collect();
        if !deleted.is_empty() {
            for shard in self.shards.load().values() {
                shard.topics_deleted(&deleted);
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.alarms.abort();
    }
}

#[cfg(test)]
mod tests;
