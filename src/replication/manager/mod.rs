//! One handle on everything that replication does: for the API, for coordinators, and for the broker's
//! start and stop.
//!
//! Owns: the rooms, built bottom-up, each of which is handed those below it; their order at the start and
//! at the stop. It decides nothing itself.
//!
//! Appends run on the caller's thread. Syncing, retention, checkpoints and cold reads have threads
//! of their own. A log directory that fails is offline until a restart, with all its partitions.

mod start;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::metadata::delta::MetadataDelta;
use crate::metadata::image::MetadataImage;
use crate::metadata::{IsrChange, IsrOutcome, ReplicaDirectory};
use crate::model::{DirectoryId, Offset, TopicIdPartition, TopicPartition};
use crate::protocol::error_code::ErrorCode;
use crate::replication::delayed::{AckOutcome, AckTicket, AckWait};
use crate::replication::dirs::Dirs;
use crate::replication::error::ReplicaError;
use crate::replication::fetch::Fetches;
use crate::replication::fetch_session::{PartitionRequest, SessionError, TopicRef};
use crate::replication::follower::Followers;
use crate::replication::hosted::Hosted;
use crate::replication::moves::Moves;
use crate::replication::partition::{Appended, LeaderWrite, ListedOffset, OffsetQuery, Partition};
use crate::replication::replicas::{Replicas, wait_for_acks};
use crate::replication::settings::ReplicaSettings;
use crate::replication::threads::now;
use crate::replication::upkeep::Upkeep;

pub use crate::replication::dirs::SlowDir;
pub use crate::replication::fetch::{
    Fetch, FetchAnswer, FetchParams, PartitionAnswer, SessionRequest,
};
pub use crate::replication::fetch_session::FollowerIdentity;
pub use crate::replication::replicas::{DirDescription, LogDescription};
pub use start::{StartError, Started};

/// A handle on the replicas of this broker.
#[derive(Clone)]
pub struct ReplicaManager {
    pub(crate) rooms: Arc<Rooms>,
}

/// The rooms, each with its own state. Dropping them ends their threads.
pub(crate) struct Rooms {
    pub(crate) hosted: Arc<Hosted>,
    pub(crate) dirs: Arc<Dirs>,
    moves: Arc<Moves>,
    pub(crate) upkeep: Arc<Upkeep>,
    fetches: Arc<Fetches>,
    pub(crate) followers: Arc<Followers>,
    pub(crate) replicas: Arc<Replicas>,
}

impl std::fmt::Debug for ReplicaManager {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ReplicaManager")
            .finish_non_exhaustive()
    }
}

/// The replicas that are here.
impl ReplicaManager {
    /// The partition of a topic's id, if this broker holds it.
    ///
    /// # Errors
    /// The topic id or the partition is unknown, it is held elsewhere, or its disk is offline.
    pub fn partition(&self, id: &TopicIdPartition) -> Result<Arc<Partition>, ReplicaError> {
        self.rooms.hosted.partition(id)
    }

    /// The partition of a topic's name, see [`Self::partition`].
    pub fn partition_by_name(&self, name: &TopicPartition) -> Result<Arc<Partition>, ReplicaError> {
        self.rooms.hosted.partition_by_name(name)
    }

    /// All partitions whose logs are open.
    pub fn partitions(&self) -> Vec<Arc<Partition>> {
        self.rooms.hosted.online()
    }

    /// The partitions that this broker should serve, but cannot.
    pub fn offline_partitions(&self) -> Vec<TopicIdPartition> {
        self.rooms.hosted.offline()
    }

    /// The log directories that are offline, for the heartbeat.
    pub fn offline_dirs(&self) -> Vec<DirectoryId> {
        let dirs = self.rooms.dirs.all().iter();
        let offline = dirs.filter(|dir| dir.log_dir.is_offline());
        offline.map(|dir| dir.log_dir.id()).collect()
    }

    /// The log directories that are online, for the registration.
    pub fn online_dirs(&self) -> Vec<DirectoryId> {
        let online = self.rooms.dirs.online();
        online.map(|dir| dir.log_dir.id()).collect()
    }

    /// The log directories that get no new replicas, for the heartbeat.
    pub fn cordoned_dirs(&self) -> Vec<DirectoryId> {
        let dirs = self.rooms.dirs.all().iter();
        let cordoned = dirs.filter(|dir| dir.is_cordoned());
        cordoned.map(|dir| dir.log_dir.id()).collect()
    }

    /// Describes all log directories, those that could be opened in the order of the config. It asks the
    /// file system for free space, and blocks shortly.
    pub fn describe_log_dirs(&self) -> Vec<DirDescription> {
        self.rooms.replicas.describe_log_dirs()
    }

    /// For metrics: how many fetch sessions there are, how many partitions these have, and how many were
    /// evicted.
    pub fn fetch_session_counts(&self) -> (usize, usize, u64) {
        self.rooms.fetches.session_counts()
    }
}

/// Changes of what is here.
impl ReplicaManager {
    /// Carries out a change of the metadata: stops, deletes, creates and opens partitions, changes their
    /// roles and settings. It blocks on the disk. Returns what the controller does not know yet about the
    /// directories of replicas.
    pub fn apply(
        &self,
        delta: &MetadataDelta,
        image: &Arc<MetadataImage>,
    ) -> Vec<ReplicaDirectory> {
        let placed = self.rooms.replicas.apply(delta, image);
        // A follower may have caught up before its broker was unfenced.
        if !delta.changes().brokers.is_empty() {
            self.rooms.upkeep.settle_in_sync_sets();
        }
        placed
    }

    /// Sets who tells the epoch of this broker's registration, negative as long as there is none: followers
    /// fetch from then on.
    pub fn set_broker_epoch(&self, epoch: impl Fn() -> i64 + Send + Sync + 'static) {
        self.rooms.followers.set_broker_epoch(Box::new(epoch));
    }

    /// Takes over other settings, for existing partitions and for compaction as well. Settings that are
    /// read only at the start, such as the directories, stay as they are.
    pub fn reconfigure(&self, settings: ReplicaSettings) {
        self.rooms.replicas.reconfigure(settings);
        if let Err(error) = self.rooms.upkeep.cleaner().restart() {
            tracing::error!(%error, "cannot start a thread for compaction");
        }
    }

    /// Moves a replica to the log directory `path`: at once if its log does not exist yet, otherwise in the
    /// background. A move to another directory is given up; one to `path` goes on. It blocks on the disk.
    ///
    /// # Errors
    /// LOG_DIR_NOT_FOUND, KAFKA_STORAGE_ERROR, INVALID_REPLICA_ASSIGNMENT if it is cordoned,
    /// INVALID_TOPIC_EXCEPTION for a name that leaves no room for the copy's mark, REPLICA_NOT_AVAILABLE if
    /// there is no such replica here yet.
    pub fn move_replica(&self, name: &TopicPartition, path: &Path) -> Result<(), ErrorCode> {
        self.rooms.replicas.move_replica(name, path)
    }

    /// Takes in how a change of an in-sync set has ended that was asked for. It waits for
    /// the partition, unless its disk hangs.
    pub fn isr_change_ended(&self, change: &IsrChange, outcome: &IsrOutcome) {
        // Who has given the partition up meanwhile counts for nothing.
        let Ok(partition) = self.partition(&change.partition) else {
            return;
        };
        let Some(dir) = self.rooms.replicas.hanging_dir_of(&partition) else {
            return self.end_isr_change(&partition, change, outcome);
        };
        // Those who lead others wait for their outcomes.
        let (manager, change, outcome) = (self.clone(), change.clone(), outcome.clone());
        dir.do_late(move || manager.end_isr_change(&partition, &change, &outcome));
    }

    fn end_isr_change(&self, partition: &Partition, change: &IsrChange, outcome: &IsrOutcome) {
        partition.proposal_ended(change, outcome, now().instant);
        // Another follower may have caught up meanwhile. A refusal is not answered by asking again.
        if matches!(outcome, IsrOutcome::Taken { .. }) {
            self.rooms.upkeep.settle_in_sync_set(partition);
        }
    }

    /// Notes that the log of a partition could not be read or written: a damaged log goes offline, and so
    /// does a directory whose disk has failed.
    pub fn note_failure(&self, partition: &Partition, error: &ReplicaError) {
        self.rooms.dirs.note_failure(partition, error);
    }
}

/// Requests of clients.
impl ReplicaManager {
    /// Writes a batch as the leader, on this thread. Its ticket, if it has one, must be waited for by
    /// [`Self::wait_for_acks`] afterwards. A directory whose disk fails goes offline.
    ///
    /// # Errors
    /// As [`Partition::append_as_leader`].
    pub fn append(
        &self,
        partition: &Arc<Partition>,
        write: LeaderWrite<'_>,
    ) -> Result<Appended, ReplicaError> {
        self.rooms.replicas.append(partition, write)
    }

    /// Waits until everything that a Produce has written is committed, or `timeout` is over: partitions
    /// that are still [`AckOutcome::Waiting`] have timed out.
    pub async fn wait_for_acks(&self, wait: AckWait, timeout: Duration) -> Vec<AckOutcome> {
        let _waiting = self.rooms.dirs.metrics.traffic.waiting_produces.begin();
        wait_for_acks(wait, timeout).await
    }

    /// Begins to serve a Fetch: finds its session, and notes what the request changes in it.
    ///
    /// # Errors
    /// The session is unknown, or the request is not its next.
    pub fn begin_fetch<'a>(
        &self,
        params: FetchParams,
        session: SessionRequest,
        partitions: impl Iterator<Item = (TopicRef<'a>, i32, PartitionRequest)>,
        forgotten: impl Iterator<Item = (TopicRef<'a>, i32)>,
    ) -> Result<Fetch, SessionError> {
        let fetches = &self.rooms.fetches;
        fetches.begin(params, session, partitions, forgotten)
    }

    /// Answers a ListOffsets question. Searches by time run on a thread that may block.
    ///
    /// # Errors
    /// As [`Partition::list_offset`], or the log cannot be searched.
    pub async fn list_offset(
        &self,
        partition: &Arc<Partition>,
        query: &OffsetQuery,
    ) -> Result<ListedOffset, ReplicaError> {
        self.rooms.replicas.list_offset(partition, query).await
    }

    /// Deletes the records below `offset`, see [`Partition::delete_records`]. The ticket must be waited for
    /// by [`Self::wait_for_acks`] afterwards.
    ///
    /// # Errors
    /// As [`Partition::delete_records`].
    pub fn delete_records(
        &self,
        partition: &Partition,
        offset: i64,
        ticket: AckTicket,
    ) -> Result<Offset, ReplicaError> {
        let replicas = &self.rooms.replicas;
        replicas.delete_records(partition, offset, ticket)
    }

    /// Whether any directory is slow now. Requests ask nothing else while none is.
    pub fn has_slow_dirs(&self) -> bool {
        self.rooms.dirs.has_slow()
    }

    /// The directory of a partition, if it is slow.
    pub fn slow_dir_of(&self, partition: &Partition) -> Option<SlowDir> {
        self.rooms.dirs.slow_dir_of(partition)
    }

    /// Carries out a request on the threads of a slow directory. The time that it takes decides whether the
    /// directory stays slow.
    pub async fn on_slow_disk<T: Send + 'static>(
        &self,
        dir: SlowDir,
        request: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        self.rooms.dirs.on_slow_disk(dir, request).await
    }
}

#[cfg(test)]
mod tests;
