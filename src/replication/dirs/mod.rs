//! The log directories of this broker, as the replicas use them: their syncs, checkpoints and removals,
//! which of them stall, and what happens to the partitions of one that fails.
//!
//! Owns: the directories, each with its queues ([`DataDir`]); the threads that sync and that watch for
//! stalls; the partitions with deleted files. Handed: the table of partitions, in which it marks as offline
//! what has failed; the listener; the metrics. Invariant: a directory that has failed, and a log that is
//! damaged, are not touched again before the next start. `moves` lies above, and hears of a failed
//! directory by [`Dirs::on_failure`].

mod checkpoints;
mod close;
mod data_dir;
mod failure;
mod late;
mod metadata;
mod removal;
mod slow_lane;
mod stall;
mod sync;
mod sync_queue;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::metadata::ReplicaDirectory;
use crate::model::{DirectoryId, Uuid};
use crate::protocol::error_code::ErrorCode;
use crate::replication::hosted::Hosted;
use crate::replication::listener::ReplicaListener;
use crate::replication::partition::Partition;
use crate::replication::threads::{StopFlag, join_others};
use crate::storage::log_dir::LogDirs;
use crate::telemetry::Metrics;

pub use data_dir::{CheckpointKind, Checkpoints, DataDir, SetAside};
pub use late::{OpenWork, Progress};
pub use stall::{SlowDir, marked, wait_elsewhere};

/// Called with a directory that has just failed, before its partitions are marked offline.
type OnFailure = Box<dyn Fn(&DataDir) + Send + Sync>;

/// The log directories of this broker.
pub struct Dirs {
    /// The directories that could be opened at the start, in the order of the config.
    all: Vec<Arc<DataDir>>,
    /// The directories that could not be opened at the start.
    failed_at_start: Vec<PathBuf>,
    /// The cluster that they belong to.
    cluster_id: String,
    hosted: Arc<Hosted>,
    listener: Arc<dyn ReplicaListener>,
    /// The broker's metrics.
    pub metrics: Arc<Metrics>,
    on_failure: OnceLock<OnFailure>,
    /// How many directories are slow now.
    slow_count: AtomicUsize,
    /// Partitions with deleted files that must be removed.
    deleting: Mutex<Vec<Arc<Partition>>>,
    /// Ends the thread that watches for stalls.
    stop_flag: Arc<StopFlag>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Dirs {
    /// The directories, without threads yet.
    pub fn new(
        dirs: &LogDirs,
        hosted: &Arc<Hosted>,
        listener: &Arc<dyn ReplicaListener>,
        metrics: &Arc<Metrics>,
    ) -> Arc<Self> {
        let failed_count = i64::try_from(dirs.failed.len()).unwrap_or(i64::MAX);
        metrics.offline_log_dirs.set(failed_count);
        let online = dirs.online.iter();
        Arc::new(Self {
            all: online
                .map(|log_dir| Arc::new(DataDir::new(Arc::clone(log_dir))))
                .collect(),
            failed_at_start: dirs.failed.iter().map(|(path, _)| path.clone()).collect(),
            cluster_id: dirs.cluster_id.clone(),
            hosted: Arc::clone(hosted),
            listener: Arc::clone(listener),
            metrics: Arc::clone(metrics),
            on_failure: OnceLock::new(),
            slow_count: AtomicUsize::new(0),
            deleting: Mutex::default(),
            stop_flag: Arc::default(),
            threads: Mutex::default(),
        })
    }

    /// Sets the callback for directories that fail from now on. Only one room may set it.
    pub fn on_failure(&self, act: OnFailure) {
        let is_first = self.on_failure.set(act).is_ok();
        assert!(is_first, "one room is told of failed directories");
    }

    /// Starts the threads that sync, and the one that watches for stalls.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start_threads(self: &Arc<Self>) -> io::Result<()> {
        let mut threads = Vec::new();
        for dir in &self.all {
            threads.extend(sync::start(self, dir)?);
        }
        threads.push(stall::start(self, &self.stop_flag)?);
        *self.threads.lock() = threads;
        Ok(())
    }

    /// Ends the threads after everything in their queues is synced, and waits for them.
    pub fn stop_threads(&self) {
        self.tell_threads_to_end();
        join_others(std::mem::take(&mut *self.threads.lock()));
    }

    fn tell_threads_to_end(&self) {
        self.stop_flag.stop();
        for dir in &self.all {
            dir.syncs.stop();
        }
    }

    /// Whether the directories have threads of their own.
    pub fn has_threads(&self) -> bool {
        !self.threads.lock().is_empty()
    }

    /// Tells the controller something of where a replica lies.
    pub fn tell_placed(&self, placed: ReplicaDirectory) {
        self.listener.replica_placed(placed);
    }

    /// Takes over which directories get no new replicas, by their paths in the config.
    pub fn cordon(&self, cordoned: &[PathBuf]) {
        for dir in &self.all {
            let is_cordoned = cordoned.iter().any(|path| path == dir.path());
            dir.set_cordoned(is_cordoned);
        }
    }

    /// The directories that could be opened at the start.
    pub fn all(&self) -> &[Arc<DataDir>] {
        &self.all
    }

    /// The directories that are online.
    pub fn online(&self) -> impl Iterator<Item = &Arc<DataDir>> + Clone {
        self.all.iter().filter(|dir| !dir.log_dir.is_offline())
    }

    /// The directories that could not be opened at the start.
    pub fn failed_at_start(&self) -> &[PathBuf] {
        &self.failed_at_start
    }

    /// The directory that a partition lies in.
    pub fn of(&self, partition: &Partition) -> Option<&Arc<DataDir>> {
        self.all.iter().find(|dir| partition.is_in(&dir.log_dir))
    }

    /// The directory at `path`, if it is online.
    ///
    /// # Errors
    /// LOG_DIR_NOT_FOUND, or KAFKA_STORAGE_ERROR if it failed.
    pub fn online_at(&self, path: &Path) -> Result<&Arc<DataDir>, ErrorCode> {
        let wanted = absolute(path);
        if self.failed_at_start.iter().any(|it| absolute(it) == wanted) {
            return Err(ErrorCode::KAFKA_STORAGE_ERROR);
        }
        let mut dirs = self.all.iter();
        match dirs.find(|dir| absolute(dir.path()) == wanted) {
            None => Err(ErrorCode::LOG_DIR_NOT_FOUND),
            Some(dir) if dir.log_dir.is_offline() => Err(ErrorCode::KAFKA_STORAGE_ERROR),
            Some(dir) => Ok(dir),
        }
    }

    /// The directory for a new log: the one that the controller names, or else the one with the fewest
    /// partitions whose disk does not hang, and that is cordoned only if all are: the controller may have placed
    /// the replica before it heard of that. `None` if the log may already be in a directory that is offline.
    pub fn choose(&self, assigned: DirectoryId) -> Option<&Arc<DataDir>> {
        self.choose_beside(assigned, |_| 0)
    }

    /// As [`Self::choose`], where directories are about to get so many more partitions.
    pub fn choose_beside(
        &self,
        assigned: DirectoryId,
        planned: impl Fn(&DataDir) -> usize,
    ) -> Option<&Arc<DataDir>> {
        let mut online = self.online();
        if let Some(dir) = online.clone().find(|dir| dir.log_dir.id() == assigned) {
            return Some(dir);
        }
        let is_anywhere = [Uuid::ZERO, Uuid::UNASSIGNED_DIRECTORY].contains(&assigned);
        let all_known = self.failed_at_start.is_empty() && online.clone().count() == self.all.len();
        if !is_anywhere && !all_known {
            return None;
        }
        let first = online.next()?;
        Some(online.fold(first, |best, dir| {
            let count = |dir: &DataDir| dir.partition_count() + planned(dir);
            let rank = |dir: &DataDir| (dir.is_cordoned(), dir.lags(), count(dir));
            if rank(dir) < rank(best) { dir } else { best }
        }))
    }
}

impl Drop for Dirs {
    fn drop(&mut self) {
        // The threads hold no strong reference while they wait.
        self.tell_threads_to_end();
    }
}

/// A directory's path as Kafka shows it: absolute, even if the config has a relative one.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
