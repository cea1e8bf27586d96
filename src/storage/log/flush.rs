//! Makes the log durable: planned under the partition's lock, synced outside it, noted under it.
//!
//! A sync thread of the disk plans for one partition after the other, syncs it, and tells it how far it
//! got. After a failed sync the log is offline: the kernel may have dropped what it could not write.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Log;
use crate::model::{Offset, Timestamp};
use crate::storage::checkpoint::StateFileError;
use crate::storage::error::StorageError;
use crate::storage::folder::Folder;
use crate::storage::inventory::Inventory;
use crate::storage::partition_folder;
use crate::storage::segment::Segment;

/// The most bytes that stay unsynced without anybody asking for a sync. A crash leaves little more than this to
/// be checked, and the disk gets its work in small pieces instead of a segment at a time: a file system keeps
/// whoever needs its journal waiting for the whole piece.
const MOST_UNFLUSHED: u64 = 16 << 20;

/// What must be synced so that everything below [`Self::end_offset`] is on stable storage.
#[derive(Debug)]
pub struct FlushPlan {
    folder: Arc<Folder>,
    /// Whether the list of segments comes first: in a compacted log nothing else tells after a power cut that
    /// a segment lacks what one behind it follows.
    syncs_list: bool,
    /// The segments to sync, and whether nothing is appended to each any more.
    segments: Vec<(Arc<Segment>, bool)>,
    /// The number of the folder's last change of names that a sync of the folder makes durable.
    names: Option<u32>,
    /// Whether the folder's own name must be synced too.
    folder_is_new: bool,
    end_offset: Offset,
    /// The count of [`Log::written`] that is on stable storage afterwards.
    written: u64,
    /// How many bytes become durable.
    bytes: u64,
    /// How often the log had been cut when the plan was made.
    cuts: u32,
}

/// How much a flush makes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushScope {
    /// Everything that is written.
    All,
    /// Everything below the active segment.
    ClosedSegments,
}

impl FlushPlan {
    /// The offset up to which the log is durable once the plan was carried out.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// How many bytes of batches the plan makes durable; bytes that were cut off meanwhile count, too.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Syncs. It must be called without any lock, and only once: an error is final.
    pub fn run(&self) -> Result<(), StorageError> {
        if self.folder_is_new {
            // Whose the records are must not be less durable than they: what belongs to nobody is kept, but
            // not served.
            let path = self.folder.path();
            let synced = partition_folder::sync_topic_id_file(self.folder.disk(), &path);
            synced.map_err(|source| sync_error(&path, source))?;
        }
        if self.syncs_list {
            let path = self.folder.path();
            let synced = Inventory::sync(self.folder.disk(), &path);
            synced.map_err(|source| sync_error(&path, source))?;
            self.sync_names()?;
        }
        for (segment, sealed) in &self.segments {
            segment.sync(*sealed)?;
        }
        if self.syncs_list {
            return Ok(());
        }
        self.sync_names()
    }

    fn sync_names(&self) -> Result<(), StorageError> {
        if self.names.is_none() {
            return Ok(());
        }
        let path = self.folder.path();
        for dir in path.ancestors().take(1 + usize::from(self.folder_is_new)) {
            let synced = self.folder.disk().sync_dir(dir);
            synced.map_err(|source| sync_error(dir, source))?;
        }
        Ok(())
    }
}

impl Log {
    /// Whether a sync is due: by the settings, because a segment was closed, or because much was written.
    /// The recovery point follows each sync, so that a crash leaves little to check.
    pub fn flush_is_due(&self, now: Timestamp) -> bool {
        let unflushed = self.end_offset - self.flushed_offset;
        let is_due = self.has_unsynced_closed_segment()
            || self.has_much_unflushed()
            || unflushed >= self.config.flush_messages
            || (unflushed > 0 && now.0 - self.last_flush.0 >= self.config.flush_ms);
        is_due && !self.is_offline()
    }

    /// Whether so much was written since the last sync that the active segment must be synced too.
    pub fn has_much_unflushed(&self) -> bool {
        self.flushed_offset < self.end_offset && self.written - self.flushed >= MOST_UNFLUSHED
    }

    fn has_unsynced_closed_segment(&self) -> bool {
        let end = self.active().base_offset();
        // The last sync ended right where the segment was rolled afterwards: its batches are synced, but
        // not its indexes.
        let was_synced_while_active = self.flushed_offset == end && self.segments.len() > 1;
        self.flushed_offset < end || (was_synced_while_active && self.names != self.synced_names)
    }

    /// The first segment of which something may not be on stable storage.
    fn first_unsynced(&self) -> usize {
        let first = self.segment_of(self.flushed_offset);
        let is_at_base = self.segments[first].base_offset() == self.flushed_offset;
        first.saturating_sub(usize::from(is_at_base))
    }

    /// The plan of a sync; `None` if everything is durable already.
    pub fn plan_flush(
        &mut self,
        scope: FlushScope,
        now: Timestamp,
    ) -> Result<Option<FlushPlan>, StorageError> {
        self.check_online()?;
        let end_offset = match scope {
            FlushScope::All => self.end_offset,
            FlushScope::ClosedSegments => self.active().base_offset().min(self.end_offset),
        };
        let names = (self.names != self.synced_names).then_some(self.names);
        if self.flushed_offset >= end_offset && names.is_none() {
            if matches!(scope, FlushScope::All) {
                self.flushed = self.written;
            }
            return Ok(None);
        }
        let saved = self.save_epochs();
        self.offline_if_failed(saved)?;
        self.last_flush = now;
        let active = self.segments.len() - 1;
        let (end, left) = match scope {
            FlushScope::All => (active + 1, 0),
            FlushScope::ClosedSegments => (active, self.active().size()),
        };
        // The active segment may hold bytes that are durable already, so what is left of it is at most
        // that much.
        let written = self.written.saturating_sub(left).max(self.flushed);
        let first = self.first_unsynced();
        let unflushed = (first..end)
            .map(|index| (Arc::clone(&self.segments[index]), index < active))
            .collect();
        Ok(Some(FlushPlan {
            folder: Arc::clone(&self.folder),
            syncs_list: self.config.compact && first < active,
            segments: unflushed,
            names,
            folder_is_new: self.folder_is_new,
            end_offset,
            written,
            bytes: written - self.flushed,
            cuts: self.segments.cuts(),
        }))
    }

    /// Notes that a plan was carried out, or that it failed: the log is offline then.
    pub fn flushed(
        &mut self,
        plan: &FlushPlan,
        outcome: Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.offline_if_failed(outcome)?;
        // What was cut and written again since was not synced by this plan.
        if plan.cuts == self.segments.cuts() {
            self.flushed_offset = self.flushed_offset.max(plan.end_offset);
        }
        self.flushed = self.flushed.max(plan.written);
        if let Some(names) = plan.names {
            self.synced_names = names;
            self.folder_is_new = false;
        }
        Ok(())
    }

    /// Makes the log durable now, under the lock.
    pub fn flush(&mut self, now: Timestamp) -> Result<(), StorageError> {
        match self.plan_flush(FlushScope::All, now)? {
            Some(plan) => {
                let outcome = plan.run();
                self.flushed(&plan, outcome)
            }
            None => Ok(()),
        }
    }

    /// Closes the log in order, and makes everything durable. After this and the mark of a clean stop, it
    /// is opened without a look at its batches.
    pub fn close(&mut self, now: Timestamp) -> Result<(), StorageError> {
        self.check_online()?;
        let closed = self.complete_files().and_then(|()| {
            self.save_epochs()?;
            // Taking the snapshot made a new name.
            self.names += u32::from(self.take_snapshot(true)?);
            self.seal_inventory()?;
            self.active().sync(true)
        });
        self.offline_if_failed(closed)?;
        self.flush(now)
    }

    /// As [`Self::close`], but syncs nothing: the caller syncs the whole volume once all its logs are
    /// closed. Nothing may be written any more.
    pub fn close_unsynced(&mut self) -> Result<(), StorageError> {
        self.check_online()?;
        let closed = self.complete_files().and_then(|()| {
            self.take_snapshot(false)?;
            self.save_inventory()?;
            // The caller writes the start into its checkpoint.
            self.settle_listed_start()?;
            let path = self.folder.path();
            let saved = self.epochs.save_unsynced(self.folder.disk(), &path);
            saved.map_err(state_file_error)
        });
        self.offline_if_failed(closed)
    }

    /// Makes a log start safe to write into its checkpoint. After a crash the log must not end below that
    /// start, and the first leader epoch must be known to begin there, as the list of segments must say:
    /// above these no start is believed.
    pub fn settle_start(&mut self, now: Timestamp) -> Result<(), StorageError> {
        if self.log_start_offset > self.flushed_offset {
            self.flush(now)?;
        }
        if self.log_start_offset > self.segments[0].base_offset() {
            let saved = self.save_epochs();
            self.offline_if_failed(saved)?;
        }
        let saved = self.settle_listed_start();
        self.offline_if_failed(saved)
    }

    fn complete_files(&self) -> Result<(), StorageError> {
        self.active().seal()?;
        self.give_back_room()
    }

    /// Saves the epochs, before anything becomes durable that recovery will not read again: recovery learns
    /// the epochs above the recovery point from the batches.
    pub(super) fn save_epochs(&mut self) -> Result<(), StorageError> {
        let path = self.folder.path();
        self.epochs
            .save(self.folder.disk(), &path)
            .map_err(state_file_error)
    }
}

pub(super) fn sync_error(path: &Path, source: io::Error) -> StorageError {
    StorageError::Io {
        action: "sync",
        path: path.to_owned(),
        source,
    }
}

/// Makes an error of the log of one of its small files.
pub(super) fn state_file_error(error: StateFileError) -> StorageError {
    match error {
        StateFileError::Io { path, source } => StorageError::io("replace", &path, source),
        StateFileError::Damaged { path, found } => StorageError::Inconsistent {
            path,
            reason: found,
        },
    }
}
