//! The threads that sync a directory's logs, so that no request waits for a sync on its own thread.
//!
//! Group commit: everything that is appended while a sync runs shares the next one. Several threads sync
//! several partitions at a time, which a journalling file system commits together.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use super::Dirs;
use super::data_dir::DataDir;
use super::sync_queue::{FOLDERS_WORTH_A_VOLUME, SyncJob};
use crate::replication::partition::Partition;
use crate::replication::threads::now;
use crate::storage::partition_folder;

/// Threads for each log directory.
const THREADS_PER_DIR: usize = 4;

/// Starts the threads of one log directory.
pub fn start(dirs: &Arc<Dirs>, dir: &Arc<DataDir>) -> io::Result<Vec<JoinHandle<()>>> {
    let start_one = |number| {
        let (dirs, dir) = (Arc::downgrade(dirs), Arc::clone(dir));
        let builder = thread::Builder::new().name(format!("sync-{number}"));
        builder.spawn(move || run(&dirs, &dir))
    };
    (0..THREADS_PER_DIR).map(start_one).collect()
}

fn run(dirs: &Weak<Dirs>, dir: &DataDir) {
    while let Some(job) = dir.syncs.next() {
        let Some(dirs) = dirs.upgrade() else {
            return;
        };
        let path = dir.path().display();
        dirs.outlive_bugs("what follows a sync", &path, || dirs.carry_out(dir, job));
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

impl Dirs {
    /// Carries out what was queued for a directory.
    pub fn carry_out(&self, dir: &DataDir, job: SyncJob) {
        match job {
            SyncJob::Log(partition) => self.sync_log(&partition),
            SyncJob::TopicIds(folders) => {
                // A directory that has failed is not touched again.
                let synced = if dir.log_dir.is_offline() {
                    Some(Ok(()))
                } else {
                    let path = dir.path().display();
                    self.outlive_bugs("a sync of topic ids", &path, || {
                        sync_topic_ids(dir, &folders)
                    })
                };
                dir.syncs.folders_synced();
                match synced {
                    Some(Ok(())) => {}
                    Some(Err(error)) => self.fail(dir, &error.to_string()),
                    None => self.fail(dir, "a bug has left topic ids without a sync"),
                }
            }
        }
    }

    /// Queues the logs whose sync has ended by a bug: they have their turn again.
    pub fn queue_late_syncs(&self) {
        self.online().for_each(|dir| dir.syncs.queue_late_logs());
    }

    /// Queues the log for the threads of its directory.
    pub fn queue_sync(&self, partition: &Arc<Partition>) {
        if let Some(dir) = self.of(partition) {
            dir.syncs.push_log(partition);
        }
    }

    /// As [`Self::queue_sync`], but only if the settings of the log ask for a sync now.
    pub fn queue_sync_if_due(&self, partition: &Arc<Partition>) {
        if partition.flush_is_due(now().wall) {
            self.queue_sync(partition);
        }
    }

    fn sync_log(&self, partition: &Arc<Partition>) {
        let name = partition.name();
        let synced = self.outlive_bugs("a sync", &name, || partition.flush_if_due(now));
        partition.end_flush_wait();
        match synced {
            Some(Ok(Some(bytes))) => self.note_synced(partition, bytes),
            Some(Ok(None)) => {}
            Some(Err(error)) => self.note_failure(partition, &error),
            None => {
                if let Some(dir) = self.of(partition) {
                    dir.syncs.push_late_log(partition);
                }
                return;
            }
        }
        // An append during the sync found the partition in the queue, and did not queue it again. The
        // partition may have moved to another directory meanwhile.
        let dir = self.of(partition);
        if dir.is_some_and(|dir| !dir.log_dir.is_offline()) {
            self.queue_sync_if_due(partition);
        }
    }

    fn note_synced(&self, partition: &Partition, bytes: u64) {
        self.metrics.syncs.inc();
        if let Some(dir) = self.of(partition)
            && dir.is_checkpoint_due(bytes)
        {
            self.checkpoint_recovery_points(dir);
        }
    }
}
