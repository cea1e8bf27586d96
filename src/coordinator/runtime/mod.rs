//! Runs the shards of a coordinator, whatever they keep: one for each partition of its topic that this
//! broker leads. The metadata log says which these are; requests go to the shard of their partition.
//!
//! A shard ([`Shard`]) is pure: requests, records and time go in, records and answers come out. The
//! runtime loads it from its log (`load.rs`), lets it decide behind a short lock (`shard_runner.rs`),
//! appends what it decides (`append.rs`), holds answers back until what they rest on is committed
//! (`waiters.rs`), and wakes it at its deadline (`alarms.rs`). It names no kind of shard.
//!
//! There is no lock over all shards: they are in a map that is swapped whole.

mod alarms;
mod append;
mod append_error;
mod batches;
mod load;
mod phase;
mod retry;
mod shard_runner;
mod waiters;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use self::alarms::Alarms;
use self::phase::Phase;
use self::shard_runner::{Services, ShardRunner};
use crate::coordinator::java_hash::partition_for;
use crate::coordinator::shard::{Caller, Effects, Shard};
use crate::metadata::delta::{LocalPartition, MetadataDelta};
use crate::metadata::image::MetadataImage;
use crate::model::{BrokerId, TopicIdPartition};
use crate::protocol::ErrorCode;
use crate::records::CompressionSetting;
use crate::replication::manager::ReplicaManager;

pub use self::waiters::{Submitted, Waiting};

/// How a coordinator writes and reads its topic.
#[derive(Clone, Debug)]
pub(super) struct RuntimeSettings {
    /// The name of the topic.
    pub(super) topic: &'static str,
    /// How many partitions the topic gets; this counts as long as there is no topic.
    pub(super) partition_count: i32,
    /// How long records are gathered before they are written; zero: what has come by the time that the append
    /// task runs is written.
    pub(super) append_linger: Duration,
    /// The codec of batches.
    pub(super) compression: CompressionSetting,
    /// How long an answer waits until the record that it rests on is committed.
    pub(super) commit_timeout: Duration,
    /// How many bytes of a log are read at a time.
    pub(super) load_buffer_bytes: u32,
}

/// The shards of one coordinator on this broker.
pub(super) struct Runtime<S: Shard> {
    node_id: BrokerId,
    services: Arc<Services<S>>,
    shards: ArcSwap<Shards<S>>,
    /// The count of the topic's partitions; that of the settings while there is no topic.
    partition_count: AtomicI32,
    alarms: AbortHandle,
}

/// The shards by their partition's index.
type Shards<S> = BTreeMap<i32, Arc<ShardRunner<S>>>;

impl<S: Shard> Runtime<S> {
    /// A coordinator without shards yet: [`Self::apply`] brings them. Its tasks run on `tasks`.
    pub(super) fn start(
        settings: RuntimeSettings,
        common: S::Common,
        node_id: BrokerId,
        replicas: ReplicaManager,
        tasks: Handle,
    ) -> Self {
        let alarms = Arc::new(Alarms::default());
        let ringing = tasks.spawn(Arc::clone(&alarms).ring());
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            node_id,
            partition_count: AtomicI32::new(settings.partition_count),
            services: Arc::new(Services {
                settings,
                common,
                replicas,
                tasks,
                alarms,
                loaders: Arc::new(Semaphore::new(cores)),
                is_stopped: AtomicBool::new(false),
            }),
            shards: ArcSwap::default(),
            alarms: ringing.abort_handle(),
        }
    }

    /// What all shards share.
    pub(super) fn common(&self) -> &S::Common {
        &self.services.common
    }

    /// The partition of the topic that holds `name`.
    pub(super) fn partition_of(&self, name: &str) -> i32 {
        partition_for(name, self.partition_count.load(Ordering::Relaxed))
    }

    /// Lets the shard of a partition decide the request. The caller's token is drawn here. Only copies of
    /// the request are kept: it may be a slice of a frame that is dropped.
    pub(super) fn submit(
        &self,
        partition: i32,
        caller: Caller,
        request: &S::Request,
    ) -> Submitted<S::Answer> {
        match self.shards.load().get(&partition) {
            Some(shard) => shard.submit(caller, request),
            None => self
                .services
                .refuse(&caller, request, ErrorCode::NOT_COORDINATOR),
        }
    }

    /// Lets every running shard decide on an event elsewhere. A shard that is loaded later learns of it
    /// when it catches up.
    pub(super) fn for_each_running(
        &self,
        act: impl Fn(&mut S, &mut Effects<S::Record, S::Answer>),
    ) {
        for shard in self.shards.load().values() {
            shard.input(shard.lock(), &act);
        }
    }

    /// Reads the shard of a partition under its lock; `None` if it is not running. It must not take long.
    pub(super) fn read<T>(&self, partition: i32, read: impl FnOnce(&S) -> T) -> Option<T> {
        let shards = self.shards.load();
        let state = shards.get(&partition)?.lock();
        match &state.phase {
            Phase::Running(shard) => Some(read(shard)),
            Phase::Loading | Phase::Failed | Phase::Over => None,
        }
    }

    /// Whether this broker has a shard of the partition that is running, or will be soon. It has none if
    /// the log is damaged: clients should wait, instead of coming here to be sent away.
    pub(super) fn serves(&self, partition: i32) -> bool {
        let shards = self.shards.load();
        shards.get(&partition).is_some_and(|shard| !shard.is_over())
    }

    /// The partitions of which this broker has a shard.
    pub(super) fn partitions(&self) -> Vec<i32> {
        self.shards.load().keys().copied().collect()
    }

    /// Follows a change of the metadata, after the replicas have: takes up shards of partitions that this
    /// broker leads now, and gives up others.
    pub(super) fn apply(&self, delta: &MetadataDelta, image: &MetadataImage) {
        let topic = self.services.settings.topic;
        if let Some(topic) = image.topics().by_name(topic) {
            let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
            self.partition_count.store(count, Ordering::Relaxed);
        }
        let local = delta.local_changes(self.node_id);
        let mut shards = (*self.shards.load_full()).clone();
        let followers = local.followers.iter();
        let followed = followers.map(|it| (it.topic_id, &it.partition));
        let lost = local.removed.iter().chain(&local.deleted);
        for (topic_id, name) in lost.map(|(id, name)| (*id, name)).chain(followed) {
            let is_its = |shard: &Arc<ShardRunner<S>>| shard.partition.id().topic_id == topic_id;
            if &*name.topic == topic && shards.get(&name.partition).is_some_and(is_its) {
                give_up(&mut shards, name.partition);
            }
        }
        let led = local.leaders.iter();
        for leader in led.filter(|it| &*it.partition.topic == topic) {
            self.lead(&mut shards, leader);
        }
        self.shards.store(Arc::new(shards));
    }

    /// Stops deciding. Those who wait for others are sent away; those who wait for a commit get their
    /// answers.
    pub(super) fn stop(&self) {
        self.services.is_stopped.store(true, Ordering::Release);
        self.alarms.abort();
        for shard in self.shards.load().values() {
            shard.stop();
        }
    }

    fn lead(&self, shards: &mut Shards<S>, leader: &LocalPartition) {
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
                let partition = &leader.partition;
                tracing::error!(%partition, %error, "{} of it are not served", S::CONTENTS);
                return give_up(shards, index);
            }
        };
        let known = shards.get(&index);
        if known.is_some_and(|shard| !Arc::ptr_eq(&shard.partition, &partition)) {
            give_up(shards, index);
        }
        let shard = shards
            .entry(index)
            .or_insert_with(|| ShardRunner::new(partition, Arc::clone(&self.services)));
        shard.lead(leader.state.leader_epoch);
    }
}

/// Gives up the shard of a partition, if there is one: everybody who waits for it is sent away.
fn give_up<S: Shard>(shards: &mut Shards<S>, partition: i32) {
    if let Some(shard) = shards.remove(&partition) {
        shard.resign();
    }
}

impl<S: Shard> Drop for Runtime<S> {
    fn drop(&mut self) {
        self.alarms.abort();
    }
}

#[cfg(test)]
pub(super) mod tests;
