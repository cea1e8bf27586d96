//! The threads that sync a disk's logs, so that no request waits for a sync on its own thread.
//!
//! Group commit: while a sync runs, all that is appended meanwhile shares the next one. A partition
//! is in the queue once; several threads sync several partitions at a time, which a journalling file
//! system commits together.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use super::data_dir_driver::DataDir;
use super::driver::{Shared, now};
use super::partition::Partition;
use crate::storage::partition_folder;

/// Threads for each log directory.
pub(super) const THREADS_PER_DIR: usize = 4;

/// From so many on, new partition folders are synced by one sync of their volume.
const FOLDERS_WORTH_A_VOLUME: usize = 64;

/// Something to sync.
#[derive(Debug)]
enum FlushJob {
    /// A log, as far as its settings ask for it.
    Log(Arc<Partition>),
    /// The topic ids in new partition folders.
    TopicIds(Vec<PathBuf>),
}

/// What a disk's threads have to do.
#[derive(Debug, Default)]
pub(super) struct FlushQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    logs: VecDeque<Arc<Partition>>,
    new_folders: Vec<PathBuf>,
    /// One thread at a time, so that the folders that come meanwhile gather.
    is_syncing_folders: bool,
    is_stopped: bool,
}

impl QueueState {
    fn take(&mut self) -> Option<FlushJob> {
        if !self.new_folders.is_empty() && !self.is_syncing_folders {
            self.is_syncing_folders = true;
            return Some(FlushJob::TopicIds(std::mem::take(&mut self.new_folders)));
        }
        self.logs.pop_front().map(FlushJob::Log)
    }
}

impl FlushQueue {
    /// Puts a log into the queue, unless it is there already.
    pub(super) fn push_log(&self, partition: &Arc<Partition>) {
        if partition.begin_flush_wait() {
            self.state.lock().logs.push_back(Arc::clone(partition));
            self.changed.notify_one();
        }
    }

    /// Has the topic id in a new partition folder synced.
    pub(super) fn push_folder(&self, folder: PathBuf) {
        self.state.lock().new_folders.push(folder);
        self.changed.notify_one();
    }

    fn folders_synced(&self) {
        self.state.lock().is_syncing_folders = false;
        self.changed.notify_one();
    }

    /// The next job; waits for one. `None`: the threads are to end.
    fn next(&self) -> Option<FlushJob> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.take() {
                return Some(job);
            }
            if state.is_stopped {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    /// Lets the threads end once the queue is empty.
    pub(super) fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.changed.notify_all();
    }
}

/// Starts the threads of one log directory.
pub(super) fn start(shared: &Arc<Shared>, dir: &Arc<DataDir>) -> io::Result<Vec<JoinHandle<()>>> {
    let start_one = |number| {
        let (shared, dir) = (Arc::downgrade(shared), Arc::clone(dir));
        let builder = thread::Builder::new().name(format!("sync-{number}"));
        builder.spawn(move || run(&shared, &dir))
    };
    (0..THREADS_PER_DIR).map(start_one).collect()
}

fn run(shared: &Weak<Shared>, dir: &DataDir) {
    while let Some(job) = dir.flushes.next() {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        match job {
            FlushJob::Log(partition) => sync_log(&shared, &partition),
            FlushJob::TopicIds(folders) => {
                if let Err(error) = sync_topic_ids(dir, &folders) {
                    shared.fail_dir(dir, &error.to_string());
                }
                dir.flushes.folders_synced();
            }
        }
    }
}

fn sync_topic_ids(dir: &DataDir, folders: &[PathBuf]) -> io::Result<()> {
    if folders.len() >= FOLDERS_WORTH_A_VOLUME {
        return dir.log_dir.sync_volume();
    }
    for folder in folders {
        match partition_folder::sync_topic_id(&**dir.log_dir.disk(), folder) {
            // A folder that was deleted meanwhile needs no id.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            synced => synced?,
        }
    }
    Ok(())
}

fn sync_log(shared: &Shared, partition: &Arc<Partition>) {
    match partition.flush_if_due(now) {
        Ok(Some(bytes)) => shared.note_synced(partition, bytes),
        Ok(None) => {}
        Err(error) => shared.check_partition_failure(partition, &error),
    }
    partition.end_flush_wait();
    // What was appended during the sync found the partition in the queue. It may have moved.
    let dir = shared.dir_of(partition);
    if let Some(dir) = dir.filter(|dir| !dir.log_dir.is_offline())
        && partition.flush_is_due(now().wall)
    {
        dir.flushes.push_log(partition);
    }
}

impl Shared {
    fn note_synced(&self, partition: &Partition, bytes: u64) {
        self.metrics.syncs.inc();
        if let Some(dir) = self.dir_of(partition)
            && dir.is_checkpoint_due(bytes)
        {
            self.checkpoint_recovery_points(dir);
        }
    }
}
