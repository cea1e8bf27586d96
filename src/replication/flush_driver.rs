//! The threads that sync a disk's logs, so that no request waits for a sync on its own thread.
//!
//! Group commit: while a sync runs, all that is appended meanwhile shares the next one. A partition
//! is in the queue once; several threads sync several partitions at a time, which a journalling file
//! system commits together.

use std::collections::VecDeque;
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

/// Something to sync.
#[derive(Debug)]
pub(super) enum FlushJob {
    /// A log, as far as its settings ask for it.
    Log(Arc<Partition>),
    /// The topic id in a new partition folder.
    TopicId(PathBuf),
}

/// What a disk's threads have to do.
#[derive(Debug, Default)]
pub(super) struct FlushQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    jobs: VecDeque<FlushJob>,
    is_stopped: bool,
}

impl FlushQueue {
    /// Puts a log into the queue, unless it is there already.
    pub(super) fn push_log(&self, partition: &Arc<Partition>) {
        if partition.begin_flush_wait() {
            self.push(FlushJob::Log(Arc::clone(partition)));
        }
    }

    pub(super) fn push(&self, job: FlushJob) {
        self.state.lock().jobs.push_back(job);
        self.changed.notify_one();
    }

    /// The next job; waits for one. `None`: the threads are to end.
    fn next(&self) -> Option<FlushJob> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
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
pub(super) fn start(
    shared: &Arc<Shared>,
    dir: &Arc<DataDir>,
) -> std::io::Result<Vec<JoinHandle<()>>> {
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
            FlushJob::Log(partition) => sync_log(&shared, dir, &partition),
            FlushJob::TopicId(folder) => {
                let synced = partition_folder::sync_topic_id(&**dir.log_dir.disk(), &folder);
                // A folder that was deleted meanwhile needs no id.
                if let Err(error) = synced
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    shared.fail_dir(dir, &error.to_string());
                }
            }
        }
    }
}

fn sync_log(shared: &Shared, dir: &DataDir, partition: &Arc<Partition>) {
    if let Err(error) = partition.flush_if_due(now) {
        shared.check_failure(dir, &error);
    }
    partition.end_flush_wait();
    // What was appended during the sync found the partition in the queue.
    if partition.flush_is_due(now().wall) && !dir.log_dir.is_offline() {
        dir.flushes.push_log(partition);
    }
}
