//! One handle on all that replication does: for the API, coordinators, and the broker that starts and
//! stops it.
//!
//! Owns: the rooms, built bottom-up and each handed those below it; their order at the start and at
//! the stop. Decides nothing itself.
//!
//! Appends run on the caller's thread. Syncing, retention, checkpoints and cold reads have threads
//! of their own. A log directory that fails is offline until a restart, with all its partitions.

mod start;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::metadata::ReplicaDirectory;
use crate::metadata::delta::MetadataDelta;
use crate::metadata::image::MetadataImage;
use crate::model::{DirectoryId, Offset, TopicIdPartition, TopicPartition};
use crate::protocol::error_code::ErrorCode;
use crate::replication::delayed::{AckOutcome, AckTicket, AckWait};
use crate::replication::dirs::Dirs;
use crate::replication::error::ReplicaError;
use crate::replication::fetch::Fetches;
use crate::replication::fetch_session::{PartitionRequest, SessionError, TopicRef};
use crate::replication::hosted::Hosted;
use crate::replication::moves::Moves;
use crate::replication::partition::{Appended, LeaderWrite, ListedOffset, OffsetQuery, Partition};
use crate::replication::replicas::{Replicas, wait_for_acks};
use crate::replication::settings::ReplicaSettings;
use crate::replication::upkeep::Upkeep;

pub use crate::replication::dirs::SlowDir;
pub use crate::replication::fetch::{
    Fetch, FetchAnswer, FetchParams, FollowerIdentity, PartitionAnswer, SessionRequest,
};
pub use crate::replication::replicas::{DirDescription, LogDescription};
pub use start::{StartError, Started};

/// A handle on the replicas of this broker.
#[derive(Clone)]
pub struct ReplicaManager {
    rooms: Arc<Rooms>,
}

/// The rooms, each with its own state. Their threads end when they are dropped.
struct Rooms {
    hosted: Arc<Hosted>,
    dirs: Arc<Dirs>,
    moves: Arc<Moves>,
    upkeep: Arc<Upkeep>,
    fetches: Arc<Fetches>,
    replicas: Replicas,
}

impl std::fmt::Debug for ReplicaManager {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ReplicaManager")
            .finish_non_exhaustive()
    }
}

/// What is here.
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

    /// The partitions that this broker should serve and cannot.
    pub fn offline_partitions(&self) -> Vec<TopicIdPartition> {
        self.rooms.hosted.offline()
    }

    /// The log directories that went offline, for the heartbeat.
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

    /// Describes all log directories, in the order of the config as far as they could be opened.
    /// Asks the file system for its free space: blocks shortly.
    pub fn describe_log_dirs(&self) -> Vec<DirDescription> {
        self.rooms.replicas.describe_log_dirs()
    }

    /// The fetch sessions, for metrics: how many, their partitions, and how many were evicted.
    pub fn fetch_session_counts(&self) -> (usize, usize, u64) {
        self.rooms.fetches.session_counts()
    }
}

/// What is to be here.
impl ReplicaManager {
    /// Does what a change of the metadata asks for: stops, deletes, creates and opens partitions,
    /// changes their roles and settings. Blocks on the disk. The answer is what the controller does
    /// not know yet of the log directories.
    pub fn apply(
        &self,
        delta: &MetadataDelta,
        image: &Arc<MetadataImage>,
    ) -> Vec<ReplicaDirectory> {
        self.rooms.replicas.apply(delta, image)
    }

    /// Says what holds from now on, also for the partitions that are there and for compaction. What
    /// is read only at the start, such as the directories, stays as it was.
    pub fn reconfigure(&self, settings: ReplicaSettings) {
        self.rooms.replicas.reconfigure(settings);
        if let Err(error) = self.rooms.upkeep.cleaner().restart() {
            tracing::error!(%error, "cannot start a thread for compaction");
        }
    }

    /// Has a replica moved to the log directory `path`: at once if it is not made yet, in the
    /// background otherwise. A move to another directory is given up, one to `path` goes on. Blocks
    /// on the disk.
    ///
    /// # Errors
    /// LOG_DIR_NOT_FOUND, KAFKA_STORAGE_ERROR, INVALID_TOPIC_EXCEPTION for a name that leaves no
    /// room for the copy's mark, REPLICA_NOT_AVAILABLE if there is no such replica here yet.
    pub fn move_replica(&self, name: &TopicPartition, path: &Path) -> Result<(), ErrorCode> {
        self.rooms.replicas.move_replica(name, path)
    }

    /// Somebody could not read or write the log of a partition: what is damaged goes offline, and so
    /// does a directory whose disk failed.
    pub fn note_failure(&self, partition: &Partition, error: &ReplicaError) {
        self.rooms.dirs.note_failure(partition, error);
    }
}

/// What clients ask for.
impl ReplicaManager {
    /// Writes a batch as the leader, on this thread; its ticket, if it has one, is then to be waited
    /// for by [`Self::wait_for_acks`]. A disk that fails goes offline.
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

    /// Waits until all that a Produce has written is committed, or `timeout` is over: those still
    /// [`AckOutcome::Waiting`] then have timed out.
    pub async fn wait_for_acks(&self, wait: AckWait, timeout: Duration) -> Vec<AckOutcome> {
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
    /// As [`Partition::list_offset`], and what the log cannot be searched for.
    pub async fn list_offset(
        &self,
        partition: &Arc<Partition>,
        query: &OffsetQuery,
    ) -> Result<ListedOffset, ReplicaError> {
        self.rooms.replicas.list_offset(partition, query).await
    }

    /// Deletes the records below `offset`, see [`Partition::delete_records`]. The ticket is then to
    /// be waited for by [`Self::wait_for_acks`].
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

    /// Whether any directory is slow now: all that a request asks while none is.
    pub fn has_slow_dirs(&self) -> bool {
        self.rooms.dirs.has_slow()
    }

    /// The directory of a partition, if it is slow.
    pub fn slow_dir_of(&self, partition: &Partition) -> Option<SlowDir> {
        self.rooms.dirs.slow_dir_of(partition)
    }

    /// Carries out a request on the threads of a slow directory. The time it takes says whether the
    /// directory still is.
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
