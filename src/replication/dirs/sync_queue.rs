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

/// With so many new partition folders, one sync of their volume takes the place of one for each.
pub const FOLDERS_WORTH_A_VOLUME: usize = 64;

/// While many folders are made they gather until there are so many: each batch of them is worth a sync of the
/// volume, and a disk that hangs meanwhile leaves no more without one.
const GATHERED_AT_MOST: usize = 1024;

/// What a disk's threads have to do.
#[derive(Debug, Default)]
pub struct SyncQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    logs: VecDeque<Arc<Partition>>,
    /// Logs whose sync has ended by a bug: at once it would only come to the same end.
    late_logs: Vec<Arc<Partition>>,
    new_folders: Vec<PathBuf>,
    /// How many makers of many folders are at work.
    makers: usize,
    /// Whether a thread syncs folders. Only one does, so that those that come meanwhile gather.
    is_syncing_folders: bool,
    is_stopped: bool,
}

impl QueueState {
    fn has_folders_to_sync(&self) -> bool {
        let have_gathered =
            self.makers == 0 || self.new_folders.len() >= GATHERED_AT_MOST || self.is_stopped;
        have_gathered && !self.new_folders.is_empty() && !self.is_syncing_folders
    }

    fn take(&mut self) -> Option<SyncJob> {
        if self.has_folders_to_sync() {
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

    /// Keeps a log for [`Self::queue_late_logs`].
    pub fn push_late_log(&self, partition: &Arc<Partition>) {
        self.state.lock().late_logs.push(Arc::clone(partition));
    }

    /// Puts the logs into the queue that were kept for later.
    pub fn queue_late_logs(&self) {
        let late = std::mem::take(&mut self.state.lock().late_logs);
        late.iter().for_each(|partition| self.push_log(partition));
    }

    /// Queues a new partition folder, whose topic id must be synced.
    pub fn push_folder(&self, folder: PathBuf) {
        let mut state = self.state.lock();
        state.new_folders.push(folder);
        if state.has_folders_to_sync() {
            self.changed.notify_one();
        }
    }

    /// Lets the folders that come gather until the value that is returned goes, if those that are about to come
    /// are many. One by one they would be synced as quickly as they are made, and slow that down.
    pub fn gather_folders(&self, coming: usize) -> Option<Gathering<'_>> {
        if coming < FOLDERS_WORTH_A_VOLUME {
            return None;
        }
        self.state.lock().makers += 1;
        Some(Gathering(self))
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

/// Somebody who makes many folders, see [`SyncQueue::gather_folders`].
#[derive(Debug)]
pub struct Gathering<'q>(&'q SyncQueue);

impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        self.0.state.lock().makers -= 1;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(queue: &SyncQueue) -> Option<usize> {
        match queue.take()? {
            SyncJob::TopicIds(folders) => Some(folders.len()),
            SyncJob::Log(_) => None,
        }
    }

    fn push(queue: &SyncQueue, count: usize) {
        (0..count).for_each(|index| queue.push_folder(PathBuf::from(index.to_string())));
    }

    #[test]
    fn a_folder_is_synced_at_once_unless_others_are() {
        let queue = SyncQueue::default();
        let _few = queue.gather_folders(FOLDERS_WORTH_A_VOLUME - 1);
        push(&queue, 1);
        assert_eq!(folders(&queue), Some(1));
        push(&queue, 3);
        assert_eq!(folders(&queue), None, "one thread syncs folders at a time");
        queue.folders_synced();
        assert_eq!(folders(&queue), Some(3));
    }

    #[test]
    fn folders_gather_while_many_are_made() {
        let queue = SyncQueue::default();
        let (one, other) = (
            queue.gather_folders(FOLDERS_WORTH_A_VOLUME),
            queue.gather_folders(FOLDERS_WORTH_A_VOLUME),
        );
        push(&queue, GATHERED_AT_MOST - 1);
        assert_eq!(folders(&queue), None);
        drop(one);
        assert_eq!(folders(&queue), None, "the other is still at work");
        drop(other);
        assert_eq!(folders(&queue), Some(GATHERED_AT_MOST - 1));
    }

    #[test]
    fn folders_that_have_gathered_are_synced_beside_the_making() {
        let queue = SyncQueue::default();
        let _gathering = queue.gather_folders(FOLDERS_WORTH_A_VOLUME);
        push(&queue, GATHERED_AT_MOST);
        assert_eq!(folders(&queue), Some(GATHERED_AT_MOST));
    }

    #[test]
    fn a_stop_syncs_what_has_gathered() {
        let queue = SyncQueue::default();
        let _gathering = queue.gather_folders(FOLDERS_WORTH_A_VOLUME);
        push(&queue, 2);
        queue.stop();
        assert!(matches!(queue.next(), Some(SyncJob::TopicIds(folders)) if folders.len() == 2));
        queue.folders_synced();
        assert!(queue.next().is_none());
    }
}
