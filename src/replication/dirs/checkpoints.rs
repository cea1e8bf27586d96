//! Writes the checkpoints of directories, with the entries of their open partitions.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::{CheckpointKind, DataDir, Dirs};
use crate::model::{Offset, TopicIdPartition};
use crate::replication::error::ReplicaError;
use crate::replication::partition::Partition;
use crate::replication::threads::now;
use crate::storage::checkpoint::{Offsets, StateFileError};
use crate::storage::error::StorageError;

/// What a checkpoint of high watermarks says, in short: of the partitions in the order of the table.
#[derive(Default)]
struct Digest(DefaultHasher);

impl Digest {
    fn add(&mut self, partition: TopicIdPartition, high_watermark: Offset) {
        (partition, high_watermark).hash(&mut self.0);
    }

    /// With the entries of logs that could not be opened, which the directory adds.
    fn with_unopened(mut self, dir: &DataDir) -> u64 {
        dir.unopened_checksum(CheckpointKind::HighWatermark)
            .hash(&mut self.0);
        self.0.finish()
    }
}

impl Dirs {
    /// Writes checkpoints of all directories, but for those that hang.
    pub fn write_checkpoints(&self, kinds: &[CheckpointKind]) {
        for dir in self.online().filter(|dir| !dir.hangs()) {
            self.write_checkpoints_of(dir, kinds);
        }
    }

    /// Writes checkpoints of one directory.
    pub fn write_checkpoints_of(&self, dir: &DataDir, kinds: &[CheckpointKind]) {
        // A failed disk is dealt with; on a full one the older checkpoint stays, which is right as well.
        let _ = self.try_checkpoints_of(dir, kinds);
    }

    /// Writes what checkpoints may say at most of logs that are about to be cut
    /// ([`Partition::plan_cut`]).
    ///
    /// # Errors
    /// It is not on disk: these logs must stay as they are.
    pub fn lower_checkpoints(&self, dir: &DataDir) -> Result<(), ReplicaError> {
        let kinds = [CheckpointKind::RecoveryPoint, CheckpointKind::LogStart];
        let written = self.try_checkpoints_of(dir, &kinds);
        written.map_err(|_| {
            let path = dir.path().to_owned();
            let is_offline = dir.log_dir.is_offline();
            ReplicaError::Storage(if is_offline {
                StorageError::Offline
            } else {
                StorageError::Full { path }
            })
        })
    }

    fn try_checkpoints_of(
        &self,
        dir: &DataDir,
        kinds: &[CheckpointKind],
    ) -> Result<(), StateFileError> {
        // Offsets that were gathered earlier must not be written later: over newer ones, or with those of a
        // partition that is gone and whose name belongs to another by now.
        let mut last_written = dir.checkpointing.lock();
        if kinds == [CheckpointKind::HighWatermark]
            && last_written.is_some_and(|last| last == self.digest_of_high_watermarks(dir))
        {
            return Ok(());
        }
        let partitions = self.hosted.online();
        if kinds.contains(&CheckpointKind::LogStart) {
            self.settle_log_starts(dir, &partitions);
        }
        let mut outcome = Ok(());
        for &kind in kinds {
            let is_high_watermark = kind == CheckpointKind::HighWatermark;
            let (mut entries, mut digest) = (Offsets::new(), Digest::default());
            for partition in partitions.iter().filter(|it| it.is_in(&dir.log_dir)) {
                let Some(offset) = kind.offset_of(partition) else {
                    continue;
                };
                entries.insert(partition.name().clone(), offset);
                if is_high_watermark {
                    digest.add(partition.id(), offset);
                }
            }
            // Before they are written: an entry that is added meanwhile is written the next time, too.
            let digest = is_high_watermark.then(|| digest.with_unopened(dir));
            let written = self.try_checkpoint(dir, kind, entries);
            if is_high_watermark {
                *last_written = digest.filter(|_| written.is_ok());
            }
            outcome = outcome.and(written);
        }
        outcome
    }

    /// The digest of what the checkpoint of high watermarks would say now. It is written every five seconds:
    /// where nothing has moved, 20,000 entries would be gathered and sorted for nothing.
    fn digest_of_high_watermarks(&self, dir: &DataDir) -> u64 {
        let mut digest = Digest::default();
        self.hosted.look_at_online(|partition| {
            if partition.is_in(&dir.log_dir) {
                digest.add(partition.id(), partition.high_watermark());
            }
        });
        digest.with_unopened(dir)
    }

    /// Makes the log starts of a directory's partitions safe to be written to the checkpoint.
    fn settle_log_starts(&self, dir: &DataDir, partitions: &[Arc<Partition>]) {
        let wall = now().wall;
        for partition in partitions.iter().filter(|it| it.is_in(&dir.log_dir)) {
            if let Err(error) = partition.with_log(|log| log.settle_start(wall)) {
                self.note_failure(partition, &error);
            }
        }
    }

    /// Writes the recovery points of one directory before their usual time.
    pub fn checkpoint_recovery_points(&self, dir: &DataDir) {
        if !dir.log_dir.is_offline() {
            self.write_checkpoints_of(dir, &[CheckpointKind::RecoveryPoint]);
        }
    }

    /// Writes a checkpoint with these entries.
    pub fn write_checkpoint(&self, dir: &DataDir, kind: CheckpointKind, entries: Offsets) {
        let _ = self.try_checkpoint(dir, kind, entries);
    }

    fn try_checkpoint(
        &self,
        dir: &DataDir,
        kind: CheckpointKind,
        entries: Offsets,
    ) -> Result<(), StateFileError> {
        let written = dir.write_checkpoint(kind, entries);
        if let Err(error) = &written {
            // On a full disk the older checkpoint stays, which is right as well.
            if error.is_disk_failure() {
                self.fail(dir, &error.to_string());
            } else {
                tracing::warn!(%error, "cannot write a checkpoint");
            }
        }
        written
    }
}
