//! The steps of a move. [`super::table`] knows which moves are under way, and [`super::Moves`] has the
//! threads.
//!
//! A move fills a copy in a folder `<topic>-<partition>.<id>-future`. When the copy has caught up, the
//! controller is told of the new directory; once the metadata says so, the copy takes the log's place.
//! After a crash before that, the next start goes on with the folder; a crash within the last step leaves
//! two logs, of which the one that the controller knows is used. Lock order: a move's copy, then the
//! partition.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Moves;
use super::copy::{copy_some, read_for_copy};
use super::table::Move;
use crate::metadata::ReplicaDirectory;
use crate::metadata::image::MetadataImage;
use crate::model::{BrokerId, DirectoryId, TopicIdPartition, TopicPartition};
use crate::replication::dirs::{CheckpointKind, DataDir};
use crate::replication::error::ReplicaError;
use crate::replication::hosted::{HostedPartition, Offline};
use crate::replication::partition::{Partition, Stopped};
use crate::replication::threads::{now, random_bytes};
use crate::replication::throttle::dynamic_rate;
use crate::storage::disk::Disk;
use crate::storage::error::StorageError;
use crate::storage::log::{Log, Opening};
use crate::storage::partition_folder::{self, FolderMark, FolderOwner};
use crate::telemetry::LogGate;

/// The key of the limit on bytes that moves copy in a second, for the cluster or for this broker.
const RATE_KEY: &str = "replica.alter.log.dirs.io.max.bytes.per.second";

/// A client can begin moves and take them back as often as it likes. Those of one command are told.
static BEGUN: LogGate = LogGate::of_many(100);
static FAILED: LogGate = LogGate::of_many(100);
static ENDED: LogGate = LogGate::of_many(100);

impl Moves {
    /// Begins to move a partition to another directory: makes the folder and an empty copy.
    pub fn begin(
        &self,
        partition: &Partition,
        to: &Arc<DataDir>,
    ) -> Result<Arc<Move>, ReplicaError> {
        let name = partition.name();
        let disk = &**to.log_dir.disk();
        check_place_is_free(disk, &to.path().join(partition_folder::folder_name(name)))
            .inspect_err(|error| self.dirs.note_failure_by_path(error))?;
        let folder = partition_folder::marked_folder_name(name, FolderMark::Future, random_bytes());
        let folder = to.path().join(folder);
        let created = disk.create_dir(&folder).and_then(|()| {
            partition_folder::write_topic_id(disk, &folder, partition.id().topic_id)
        });
        let copy = created
            .map_err(|error| StorageError::io("create", &folder, error))
            .and_then(|()| self.open_copy(partition, to, &folder))
            .inspect_err(|error| self.dirs.note_failure_by_path(error))?;
        if let Some(suppressed) = BEGUN.pass() {
            tracing::info!(partition = %name, to = %to.path().display(), suppressed, "moving the log");
        }
        Ok(self.add(partition, to, copy, false))
    }

    /// Goes on with a move that an earlier process has begun.
    pub fn resume(&self, partition: &Partition, to: &Arc<DataDir>, folder: &Path) {
        match self.open_copy(partition, to, folder) {
            Ok(copy) => {
                tracing::info!(
                    partition = %partition.name(),
                    to = %to.path().display(),
                    "going on with moving the log"
                );
                self.add(partition, to, copy, true);
            }
            Err(error) => {
                tracing::error!(partition = %partition.name(), %error, "cannot open a copy");
                self.dirs.note_failure_by_path(&error);
            }
        }
    }

    fn open_copy(
        &self,
        partition: &Partition,
        to: &DataDir,
        folder: &Path,
    ) -> Result<Log, StorageError> {
        let disk = Arc::clone(to.log_dir.disk());
        let config = Arc::clone(&partition.config().log);
        // Nothing of the copy is trusted: what a crash has left is read again.
        let opening = Opening {
            generation: to.log_dir.generation(),
            ..Opening::unknown(now().wall)
        };
        Log::open(disk, folder, config, &opening)
    }

    fn add(
        &self,
        partition: &Partition,
        to: &Arc<DataDir>,
        copy: Log,
        is_resumed: bool,
    ) -> Arc<Move> {
        // The partition is told before a thread sees the move, which may be over when this returns.
        partition.note_copy(Some(copy.log_start_offset()));
        let name = partition.name().clone();
        let moving = Move::new(partition.id(), name, to, copy, is_resumed);
        self.table.insert(&moving);
        moving
    }

    /// Carries a move one step further, unless another thread does. Returns how many bytes were copied.
    pub fn advance(&self, moving: &Arc<Move>) -> u64 {
        let Some(mut copy) = moving.copy.try_lock() else {
            return 0;
        };
        if !self.table.is_current(moving) {
            return 0;
        }
        let Some(HostedPartition::Online(partition)) = self.hosted.get(&moving.id) else {
            // The folder stays: if only the log's disk has failed, it is all that is left of the log.
            self.table.forget(moving);
            return 0;
        };
        let advanced = self.try_advance(moving, &partition, &mut copy);
        if !self.table.is_current(moving) {
            partition.note_copy(None);
        }
        match advanced {
            Ok(copied) => copied,
            // A segment was deleted meanwhile: the next step plans again.
            Err(ReplicaError::Storage(StorageError::SegmentDeleted)) => 0,
            Err(error) => {
                if let Some(suppressed) = FAILED.pass() {
                    tracing::error!(partition = %moving.name, %error, suppressed, "cannot move the log");
                }
                self.note_failed_move(&partition, &error);
                self.give_up(moving, &mut copy);
                0
            }
        }
    }

    fn try_advance(
        &self,
        moving: &Arc<Move>,
        partition: &Arc<Partition>,
        copy: &mut Option<Log>,
    ) -> Result<u64, ReplicaError> {
        let Some(filled) = copy.as_mut() else {
            return Ok(0);
        };
        if !moving.is_alone.load(Ordering::Relaxed) {
            // No compaction begins from here on, because it looks for moves first.
            let Some(_upkeep) = partition.begin_upkeep() else {
                return Ok(0);
            };
            moving.is_alone.store(true, Ordering::Relaxed);
        }
        // The copy would use up what is reserved there. It goes on when there is room again.
        if moving.to.log_dir.is_full() {
            return Ok(0);
        }
        filled.set_config(Arc::clone(&partition.config().log));
        let (copied, has_all) = copy_some(partition, filled)?;
        moving.note(filled);
        partition.note_copy(Some(filled.log_start_offset()));
        if has_all && self.controller_agrees(moving, filled)? {
            filled.flush(now().wall)?;
            self.change_places(moving, partition, copy)?;
        }
        Ok(copied)
    }

    /// Whether the metadata says that the replica is in the copy's directory. The controller is told once:
    /// from then on the copy stands for the log if the log's directory is lost.
    fn controller_agrees(&self, moving: &Move, copy: &mut Log) -> Result<bool, StorageError> {
        let image = self.hosted.image();
        if !image.metadata_version().assigns_directories()
            || assigned(&image, &moving.id, self.node_id) == Some(moving.to.log_dir.id())
        {
            return Ok(true);
        }
        if !moving.is_told.load(Ordering::Acquire) {
            copy.flush(now().wall)?;
            moving.is_told.store(true, Ordering::Release);
            self.listener.replica_placed(ReplicaDirectory {
                partition: moving.id,
                directory: moving.to.log_dir.id(),
            });
        }
        Ok(false)
    }

    fn change_places(
        &self,
        moving: &Arc<Move>,
        partition: &Arc<Partition>,
        copy: &mut Option<Log>,
    ) -> Result<(), ReplicaError> {
        let to = &moving.to;
        let Some(from) = self.dirs.of(partition) else {
            return Ok(());
        };
        // Compaction puts its output in place in several steps, all of which must go to one log.
        let Some(_upkeep) = partition.begin_upkeep() else {
            return Ok(());
        };
        let is_clean = !moving.is_resumed;
        // After a crash right behind this, records that were deleted from the front must not come back.
        if let Some(filled) = copy.as_ref() {
            to.keep_entries_of_copy(partition, filled.flushed_offset(), is_clean);
            self.dirs.write_checkpoints_of(to, &CheckpointKind::ALL);
        }
        let folder = to.path().join(partition_folder::folder_name(&moving.name));
        let replaced =
            partition.relocate(copy, &to.log_dir, &folder, &read_for_copy, is_clean, now());
        to.drop_entries(&moving.name);
        let Some(replaced) = replaced? else {
            return Ok(());
        };
        from.partition_removed();
        to.partition_added();
        if let Some(suppressed) = ENDED.pass() {
            tracing::info!(partition = %moving.name, to = %to.path().display(), suppressed, "moved the log");
        }
        if to.log_dir.is_offline() {
            self.hosted.take_offline(partition, |_| Offline::Directory);
            partition.stop(Stopped::Offline);
        }
        self.dirs.queue_sync_if_due(partition);
        self.dirs.queue_removal(partition);
        self.dirs.write_checkpoints(&CheckpointKind::ALL);
        self.discard(replaced, &moving.name, from);
        // Only now: a move back would find the log that was replaced in its place. It waits for this step.
        self.table.forget(moving);
        Ok(())
    }

    /// Schedules the removal of a log that is not used any more, after its readers have finished.
    fn discard(&self, mut log: Log, name: &TopicPartition, dir: &DataDir) {
        let delay = u64::try_from(log.config().file_delete_delay_ms).unwrap_or(0);
        let marked = partition_folder::marked_folder_name(name, FolderMark::Delete, random_bytes());
        match log.mark_folder_deleted(&marked) {
            Ok(folder) => {
                dir.remove_later(folder, now().instant, Duration::from_millis(delay));
            }
            Err(error) => self.dirs.fail(dir, &error.to_string()),
        }
    }

    /// Ends the move of a partition, if it has one, and removes the copy.
    pub fn cancel(&self, id: &TopicIdPartition) {
        let Some(moving) = self.table.of(id) else {
            return;
        };
        // A step that is under way ends first.
        let mut copy = moving.copy.lock();
        self.give_up(&moving, &mut copy);
    }

    /// Ends all moves to or from a directory that has failed. No disk is touched.
    pub fn drop_those_of(&self, dir: &DataDir) {
        for moving in self.table.all() {
            let is_from = match self.hosted.get(&moving.id) {
                Some(HostedPartition::Online(partition)) => partition.is_in(&dir.log_dir),
                _ => true,
            };
            if is_from || Arc::ptr_eq(&moving.to.log_dir, &dir.log_dir) {
                self.table.forget(&moving);
                self.tell_where_it_stays(&moving);
            }
        }
    }

    fn give_up(&self, moving: &Arc<Move>, copy: &mut Option<Log>) {
        if self.table.forget(moving) {
            self.tell_where_it_stays(moving);
        }
        let Some(copy) = copy.take() else {
            return;
        };
        if !moving.to.log_dir.is_offline() {
            self.discard(copy, &moving.name, &moving.to);
        }
    }

    /// Tells the controller that the replica stays where it is: it may know of the other directory, in
    /// which there is no copy any more.
    fn tell_where_it_stays(&self, moving: &Move) {
        let Some(HostedPartition::Online(partition)) = self.hosted.get(&moving.id) else {
            return;
        };
        partition.note_copy(None);
        let directory = partition.dir().id();
        let known = assigned(&self.hosted.image(), &moving.id, self.node_id);
        if moving.is_told.load(Ordering::Acquire) || known != Some(directory) {
            self.listener.replica_placed(ReplicaDirectory {
                partition: moving.id,
                directory,
            });
        }
    }

    /// Notes the failure of a move: a disk may have failed, or the log may be damaged.
    fn note_failed_move(&self, partition: &Partition, error: &ReplicaError) {
        match error {
            ReplicaError::Storage(StorageError::Corrupt { path, .. })
                if path.starts_with(partition.dir().path()) =>
            {
                self.dirs.note_failure(partition, error);
            }
            ReplicaError::Storage(error) => self.dirs.note_failure_by_path(error),
            _ => {}
        }
    }

    /// How many bytes may be copied in a second: 1 or above.
    pub fn copy_rate(&self) -> u64 {
        dynamic_rate(&self.hosted.image(), self.node_id, RATE_KEY).max(1)
    }
}

/// Refuses to put a copy in the place of any other log.
fn check_place_is_free(disk: &dyn Disk, folder: &Path) -> Result<(), StorageError> {
    match partition_folder::owner_of(disk, folder, None) {
        Ok(FolderOwner::Nobody) => Ok(()),
        Ok(FolderOwner::Topic(_) | FolderOwner::Unknown(_)) => Err(StorageError::Inconsistent {
            path: folder.to_owned(),
            reason: "there is a log already where the copy is to go".to_owned(),
        }),
        Err(source) => Err(StorageError::io("read", folder, source)),
    }
}

/// The directory that the metadata has for a replica.
fn assigned(
    image: &MetadataImage,
    id: &TopicIdPartition,
    node_id: BrokerId,
) -> Option<DirectoryId> {
    let partition = image.topics().partition(&id.topic_id, id.partition)?;
    partition.directory_of(node_id)
}
