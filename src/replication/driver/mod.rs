//! The replicas of this broker: the partitions it holds, their log directories, and the threads
//! that keep them. What it should hold comes from the metadata log; clients come by the API.
//!
//! Appends run on the caller's thread. Syncing, retention, checkpoints and cold reads have threads
//! of their own. A log directory that fails is offline until a restart, with all its partitions.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::cleaner_driver::Cleaner;
use super::data_dir_driver::DataDir;
use super::error::ReplicaError;
use super::fetch_session::Sessions;
use super::hosted::{Hosted, HostedPartition};
use super::housekeeping_driver::Alarm;
use super::moves_driver::Moves;
use super::partition::{IsrChange, Moment, Partition, Stopped};
use super::settings::ReplicaSettings;
use crate::clock::wall_clock;
use crate::metadata::Assignment;
use crate::metadata::image::MetadataImage;
use crate::model::{DirectoryId, TopicIdPartition, TopicPartition};
use crate::storage::error::StorageError;
use crate::telemetry::Metrics;

pub use super::describe_driver::{DirDescription, LogDescription};
pub use super::fetch_driver::{
    Fetch, FetchAnswer, FetchParams, FollowerIdentity, PartitionAnswer, SessionRequest,
};
pub use super::stall_driver::SlowDir;
pub use super::start_driver::{StartError, Started};

/// What the replicas tell the rest of the broker. Called from any thread; must not block.
pub trait ReplicaListener: Send + Sync {
    /// A log directory went offline: the controller is to hear of it. With the last one gone the
    /// broker must stop.
    fn log_dir_failed(&self, dir: DirectoryId, is_last: bool);

    /// The controller is to be told in which directory a replica lies, or is about to.
    fn replica_placed(&self, assignment: Assignment);

    /// The controller is to be asked for a change of an in-sync set (AlterPartition); what becomes
    /// of it is told to [`Partition::proposal_ended`].
    fn isr_change_wanted(&self, change: IsrChange);
}

/// A handle on the replicas of this broker.
#[derive(Clone)]
pub struct ReplicaManager {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) settings: ArcSwap<ReplicaSettings>,
    /// All that could be opened at the start, in the order of the config.
    pub(super) dirs: Vec<Arc<DataDir>>,
    /// Those that could not.
    pub(super) failed_at_start: Vec<PathBuf>,
    pub(super) hosted: Hosted,
    pub(super) image: ArcSwap<MetadataImage>,
    pub(super) sessions: Sessions,
    pub(super) listener: Box<dyn ReplicaListener>,
    pub(super) metrics: Arc<Metrics>,
    /// How many directories are slow now.
    pub(super) slow_dirs: AtomicUsize,
    /// Replicas on their way from one directory to another.
    pub(super) moves: Arc<Moves>,
    /// Partitions with deleted files that are to be removed.
    pub(super) deleting: Mutex<Vec<Arc<Partition>>>,
    pub(super) cleaner: Cleaner,
    /// One change of the metadata is applied at a time.
    pub(super) applying: Mutex<()>,
    /// Ends the housekeeping thread.
    pub(super) alarm: Arc<Alarm>,
    pub(super) threads: Mutex<Vec<JoinHandle<()>>>,
    pub(super) is_closed: AtomicBool,
}

/// The time now, by both clocks.
pub(super) fn now() -> Moment {
    Moment {
        wall: wall_clock(),
        instant: Instant::now(),
    }
}

/// Sixteen bytes from the operating system.
pub(super) fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    bytes
}

impl ReplicaManager {
    /// The partition of a topic's id, if this broker holds it.
    ///
    /// # Errors
    /// The topic id or the partition is unknown, it is held elsewhere, or its disk is offline.
    pub fn partition(&self, id: &TopicIdPartition) -> Result<Arc<Partition>, ReplicaError> {
        self.shared.partition(id)
    }

    /// The partition of a topic's name, see [`Self::partition`].
    pub fn partition_by_name(&self, name: &TopicPartition) -> Result<Arc<Partition>, ReplicaError> {
        let topic_id = self.shared.image.load().topics().id_of(&name.topic);
        self.partition(&TopicIdPartition {
            topic_id: topic_id.ok_or(ReplicaError::UnknownTopicOrPartition)?,
            partition: name.partition,
        })
    }

    /// Somebody could not read or write the log of a partition: what is damaged goes offline, and so
    /// does a directory whose disk failed.
    pub fn note_failure(&self, partition: &Partition, error: &ReplicaError) {
        self.shared.check_partition_failure(partition, error);
    }

    /// All partitions whose logs are open.
    pub fn partitions(&self) -> Vec<Arc<Partition>> {
        self.shared.hosted.online()
    }

    /// The partitions that this broker should serve and cannot.
    pub fn offline_partitions(&self) -> Vec<TopicIdPartition> {
        self.shared.hosted.offline()
    }

    /// The log directories that went offline, for the heartbeat.
    pub fn offline_dirs(&self) -> Vec<DirectoryId> {
        let dirs = self.shared.dirs.iter();
        let offline = dirs.filter(|dir| dir.log_dir.is_offline());
        offline.map(|dir| dir.log_dir.id()).collect()
    }

    /// The log directories that are online, for the registration.
    pub fn online_dirs(&self) -> Vec<DirectoryId> {
        let dirs = self.shared.dirs.iter();
        let online = dirs.filter(|dir| !dir.log_dir.is_offline());
        online.map(|dir| dir.log_dir.id()).collect()
    }

    /// The fetch sessions, for metrics: how many, their partitions, and how many were evicted.
    pub fn fetch_session_counts(&self) -> (usize, usize, u64) {
        let (sessions, partitions) = self.shared.sessions.counts();
        (sessions, partitions, self.shared.sessions.evicted_count())
    }
}

impl Shared {
    pub(super) fn partition(&self, id: &TopicIdPartition) -> Result<Arc<Partition>, ReplicaError> {
        match self.hosted.get(id) {
            Some(HostedPartition::Online(partition)) => Ok(partition),
            Some(HostedPartition::Offline) => Err(StorageError::Offline.into()),
            None => Err(self.why_not_here(id)),
        }
    }

    fn why_not_here(&self, id: &TopicIdPartition) -> ReplicaError {
        let image = self.image.load();
        match image.topics().by_id(&id.topic_id) {
            None => ReplicaError::UnknownTopicId,
            Some(topic) if topic.partition(id.partition).is_none() => {
                ReplicaError::UnknownTopicOrPartition
            }
            Some(_) => ReplicaError::NotLeader,
        }
    }

    /// The directory that a partition lies in.
    pub(super) fn dir_of(&self, partition: &Partition) -> Option<&Arc<DataDir>> {
        self.dirs.iter().find(|dir| partition.is_in(&dir.log_dir))
    }

    /// Takes the directory offline if this error means that its disk failed.
    pub(super) fn check_failure(&self, dir: &DataDir, error: &ReplicaError) {
        if error.is_disk_failure() {
            self.fail_dir(dir, &error.to_string());
        }
    }

    /// As [`Self::check_failure`], by partition; damage takes the partition alone offline.
    pub(super) fn check_partition_failure(&self, partition: &Partition, error: &ReplicaError) {
        if let ReplicaError::Storage(damage @ StorageError::Corrupt { .. }) = error {
            self.fail_partition(partition, damage);
        }
        if error.is_disk_failure()
            && let Some(dir) = self.dir_of(partition)
        {
            self.fail_dir(dir, &error.to_string());
        }
    }

    /// Takes a partition offline whose log is damaged below what was durable: nothing of it is
    /// served any more, and nothing is cut off.
    fn fail_partition(&self, partition: &Partition, damage: &StorageError) {
        tracing::error!(partition = %partition.name(), %damage, "partition is offline");
        if let Some(dir) = self.dir_of(partition) {
            dir.keep_entries_of(partition);
        }
        let before = self.hosted.insert(partition.id(), HostedPartition::Offline);
        // Several readers may find the same damage.
        if matches!(before, Some(HostedPartition::Online(_))) {
            self.count_damage(damage);
        }
        partition.stop(Stopped::Offline);
    }

    /// Raises the metric for damage that was found, by whom ever.
    pub(super) fn count_damage(&self, error: &StorageError) {
        if matches!(error, StorageError::Corrupt { .. }) {
            self.metrics.corrupt_batches.inc();
        }
    }

    /// Takes a log directory offline, with all its partitions. Nothing on it is tried again.
    pub(super) fn fail_dir(&self, dir: &DataDir, reason: &str) {
        if !dir.log_dir.take_offline(reason.to_owned()) {
            return;
        }
        tracing::error!(dir = %dir.path().display(), reason, "log directory is offline");
        self.metrics.offline_log_dirs.inc();
        self.drop_moves_of(dir);
        for partition in self.hosted.online() {
            if partition.is_in(&dir.log_dir) {
                self.hosted.insert(partition.id(), HostedPartition::Offline);
                partition.stop(Stopped::Offline);
            }
        }
        let is_last = self.dirs.iter().all(|dir| dir.log_dir.is_offline());
        self.listener.log_dir_failed(dir.log_dir.id(), is_last);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The threads hold no strong reference while they wait.
        self.alarm.stop();
        self.cleaner.end();
        self.moves.stop();
        for dir in &self.dirs {
            dir.flushes.stop();
        }
    }
}

#[cfg(test)]
mod tests;
