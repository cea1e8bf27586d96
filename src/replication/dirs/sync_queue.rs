//! The queue of syncs of a log directory: logs, and the topic ids of new folders.
//!
//! Each partition is in the queue at most once.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::replication::partition::Partition;

/// Something to sync.
#[derive(Debug)]
pub enum SyncJob {
    /// A log, as far as its settings ask for a sync.
    Log(Arc<Partition>),
    /// The topic ids in these new partition folders.
    TopicIds(Vec<PathBuf>),
}

/// What a disk's threads have to do.
#[derive(Debug, Default)]
pub struct SyncQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    logs: VecDeque<Arc<Partition>>,
    new_folders: Vec<PathBuf>,
    /// Whether a thread syncs folders. Only one does, so that those that come meanwhile gather.
    is_syncing_folders: bool,
    is_stopped: bool,
}

impl QueueState {
    fn take(&mut self) -> Option<SyncJob> {
        if !self.new_folders.is_empty() && !self.is_syncing_folders {
            self.is_syncing_folders = true;
            return Some(SyncJob::TopicIds(std::mem::take(&mut self.new_folders)));
        }
        self.logs.pop_front().map(SyncJob::Log)
    }
}

impl SyncQueue {
    /// Puts a log into the queue, unless it is there already.
    pub fn push_log(&self, partition: &Arc<Partition>) {
        if partition.begin_flush_wait() {
            self.state.lock().logs.push_back(Arc::clone(partition));
            self.changed.notify_one();
        }
    }

    /// Queues a new partition folder, whose topic id must be synced.
    pub fn push_folder(&self, folder: PathBuf) {
        self.state.lock().new_folders.push(folder);
        self.changed.notify_one();
    }

    /// Notes that the folders of the last [`SyncJob::TopicIds`] are synced.
    pub fn folders_synced(&self) {
        self.state.lock().is_syncing_folders = false;
        self.changed.notify_one();
    }

    /// The next job, if there is one.
    pub fn take(&self) -> Option<SyncJob> {
        self.state.lock().take()
    }

    /// Whether no job waits.
    pub fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.logs.is_empty() && state.new_folders.is_empty()
    }

    /// Waits for the next job; `None` if the threads should end.
    pub fn next(&self) -> Option<SyncJob> {
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

    /// Whether the topic ids of all folders are synced, for tests that let the next operation fail.
    #[cfg(test)]
    pub(crate) fn has_synced_folders(&self) -> bool {
        let state = self.state.lock();
        state.new_folders.is_empty() && !state.is_syncing_folders
    }

    /// Lets the threads end once the queue is empty.
    pub fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.changed.notify_all();
    }
}
