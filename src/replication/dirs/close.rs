//! The clean stop of the directories: all logs closed and durable, and marked so.

use std::sync::Arc;

use super::{CheckpointKind, DataDir, Dirs};
use crate::replication::partition::Partition;
use crate::replication::threads::{now, on_threads};
use crate::storage::clean_shutdown;
use crate::storage::last_use;

impl Dirs {
    /// Closes all logs, on one thread for each directory, and marks each directory in which that worked
    /// with the broker epoch. Nothing may be appended any more. It blocks.
    pub fn close(&self, broker_epoch: i64) {
        let partitions = self.hosted.online();
        on_threads(self.all.len(), &self.all, |dir| {
            let here = partitions.iter();
            let here = here.filter(|partition| partition.is_in(&dir.log_dir));
            let here: Vec<_> = here.collect();
            self.close_dir(dir, &here, broker_epoch);
            None::<()>
        });
    }

    fn close_dir(&self, dir: &DataDir, partitions: &[&Arc<Partition>], broker_epoch: i64) {
        let started = now().instant;
        let mut is_clean = true;
        for partition in partitions {
            if let Err(error) = partition.close_unsynced() {
                tracing::error!(partition = %partition.name(), %error, "cannot close the log");
                self.check_failure(dir, &error);
                is_clean = false;
            }
        }
        if dir.log_dir.is_offline() {
            return;
        }
        if let Err(error) = dir.log_dir.sync_volume() {
            self.fail(dir, &error.to_string());
            return;
        }
        for kind in CheckpointKind::ALL {
            let entries = partitions.iter().filter_map(|partition| {
                let offset = match kind {
                    // Everything that was written is durable now.
                    CheckpointKind::RecoveryPoint if is_clean => Some(partition.end_offset()),
                    _ => kind.offset_of(partition),
                };
                Some((partition.name().clone(), offset?))
            });
            self.write_checkpoint(dir, kind, entries.collect());
        }
        if is_clean && !dir.log_dir.is_offline() {
            let (disk, path) = (&**dir.log_dir.disk(), dir.path());
            let noted = dir.note_use(|generation| {
                last_use::note_stopped(disk, path, generation, broker_epoch)
            });
            if let Err(error) = noted {
                self.fail(dir, &error.to_string());
                return;
            }
            let marked = clean_shutdown::mark(disk, path, broker_epoch);
            if let Err(error) = marked {
                tracing::error!(dir = %dir.path().display(), %error, "cannot mark the clean stop");
            }
        }
        let took_ms = started.elapsed().as_millis();
        tracing::info!(dir = %dir.path().display(), logs = partitions.len(), took_ms, "closed");
    }
}
