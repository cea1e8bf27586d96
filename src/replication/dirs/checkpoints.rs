//! Writing the checkpoints: of all directories, of the partitions that are open.

use std::sync::Arc;

use super::{CheckpointKind, DataDir, Dirs};
use crate::clock::wall_clock;
use crate::replication::partition::Partition;
use crate::storage::checkpoint::Offsets;

impl Dirs {
    /// Writes checkpoints of all directories.
    pub fn write_checkpoints(&self, kinds: &[CheckpointKind]) {
        for dir in self.online() {
            self.write_checkpoints_of(dir, kinds);
        }
    }

    /// Writes checkpoints of one directory.
    pub fn write_checkpoints_of(&self, dir: &DataDir, kinds: &[CheckpointKind]) {
        // What was gathered earlier is not written later: over newer offsets, or with those of a
        // partition that is gone, and whose name another has by now.
        let _one_at_a_time = dir.checkpointing.lock();
        let partitions = self.hosted.online();
        if kinds.contains(&CheckpointKind::LogStart) {
            self.settle_log_starts(dir, &partitions);
        }
        for &kind in kinds {
            let here = partitions.iter().filter(|it| it.is_in(&dir.log_dir));
            let entries = here.filter_map(|partition| {
                let offset = kind.offset_of(partition)?;
                Some((partition.name().clone(), offset))
            });
            self.write_checkpoint(dir, kind, entries.collect());
        }
    }

    /// Has the logs of a directory ready for their starts to be written down.
    fn settle_log_starts(&self, dir: &DataDir, partitions: &[Arc<Partition>]) {
        let wall = wall_clock();
        for partition in partitions.iter().filter(|it| it.is_in(&dir.log_dir)) {
            if let Err(error) = partition.with_log(|log| log.settle_start(wall)) {
                self.note_failure(partition, &error);
            }
        }
    }

    /// Writes the recovery points of one directory, ahead of their time.
    pub fn checkpoint_recovery_points(&self, dir: &DataDir) {
        if !dir.log_dir.is_offline() {
            self.write_checkpoints_of(dir, &[CheckpointKind::RecoveryPoint]);
        }
    }

    /// Writes one checkpoint with these entries.
    pub fn write_checkpoint(&self, dir: &DataDir, kind: CheckpointKind, entries: Offsets) {
        if let Err(error) = dir.write_checkpoint(kind, entries) {
            // A full disk keeps the older checkpoint, which is as good.
            if error.is_disk_failure() {
                self.fail(dir, &error.to_string());
            } else {
                tracing::warn!(%error, "cannot write a checkpoint");
            }
        }
    }
}
