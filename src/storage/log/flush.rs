//! Making the log durable: planned under the partition's lock, done outside it, noted under it.
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
use crate::storage::segment::Segment;

/// How much may be written before it is synced without being asked for. A crash leaves no more than
/// this to check, and a disk gets its work in small pieces instead of a segment at a time.
const MOST_UNFLUSHED: u64 = 128 << 20;

/// What must be synced so that everything below [`Self::end_offset`] is on stable storage.
#[derive(Debug)]
pub struct FlushPlan {
    folder: Arc<Folder>,
    /// And whether nothing is appended to it any more.
    segments: Vec<(Arc<Segment>, bool)>,
    /// The state of the folder's names that a sync of it makes durable.
    names: Option<u32>,
    /// The folder's own name must be synced too.
    folder_is_new: bool,
    end_offset: Offset,
    /// What [`Log::written`] is then on stable storage.
    written: u64,
    /// Bytes that were not before.
    bytes: u64,
    /// How often the log had been cut.
    cuts: u32,
}

/// How much a flush makes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushScope {
    /// All that is written.
    All,
    /// What is below the active segment.
    ClosedSegments,
}

impl FlushPlan {
    /// Up to where the log is durable when the plan was carried out.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// How many bytes of batches become durable by it; what was cut meanwhile counts too.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Syncs. To be called without any lock, once: an error is for good.
    pub fn run(&self) -> Result<(), StorageError> {
        for (segment, sealed) in &self.segments {
            segment.sync(*sealed)?;
        }
        if self.names.is_some() {
            let path = self.folder.path();
            for dir in path.ancestors().take(1 + usize::from(self.folder_is_new)) {
                let synced = self.folder.disk().sync_dir(dir);
                synced.map_err(|source| sync_error(dir, source))?;
            }
        }
        Ok(())
    }
}

impl Log {
    /// Whether a sync is due by the settings, because a segment was closed, or because much was
    /// written: the recovery point follows, so that a crash leaves little to check.
    pub fn flush_is_due(&self, now: Timestamp) -> bool {
        let unflushed = self.end_offset - self.flushed_offset;
        self.has_unsynced_closed_segment()
            || self.has_much_unflushed()
            || unflushed >= self.config.flush_messages
            || (unflushed > 0 && now.0 - self.last_flush.0 >= self.config.flush_ms)
    }

    /// Whether so much was written since the last sync that the active segment is to be synced too.
    pub fn has_much_unflushed(&self) -> bool {
        self.flushed_offset < self.end_offset && self.written - self.flushed >= MOST_UNFLUSHED
    }

    fn has_unsynced_closed_segment(&self) -> bool {
        let end = self.active().base_offset();
        // Rolled right where a sync of the active segment had ended, it lacks that of its indexes.
        let was_synced_while_active = self.flushed_offset == end && self.segments.len() > 1;
        self.flushed_offset < end || (was_synced_while_active && self.names != self.synced_names)
    }

    /// The first segment of which something may not be on stable storage.
    fn first_unsynced(&self) -> usize {
        let first = self.segment_of(self.flushed_offset);
        let is_at_base = self.segments[first].base_offset() == self.flushed_offset;
        first.saturating_sub(usize::from(is_at_base))
    }

    /// What to sync; `None`: it is durable already.
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
        let written = self.written.saturating_sub(left).max(self.flushed);
        let unflushed = (self.first_unsynced()..end)
            .map(|index| (Arc::clone(&self.segments[index]), index < active))
            .collect();
        Ok(Some(FlushPlan {
            folder: Arc::clone(&self.folder),
            segments: unflushed,
            names,
            folder_is_new: self.folder_is_new,
            end_offset,
            written,
            bytes: written - self.flushed,
            cuts: self.segments.cuts(),
        }))
    }

    /// Notes that a plan was carried out, or that it failed: then the log is offline.
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

    /// Ends the use of the log in order: after this, and the mark of a clean stop, it is opened
    /// without a look at its batches. Everything is durable.
    pub fn close(&mut self, now: Timestamp) -> Result<(), StorageError> {
        self.check_online()?;
        let closed = self.complete_files().and_then(|()| {
            self.save_epochs()?;
            // A snapshot is a new name.
            self.names += u32::from(self.take_snapshot(true)?);
            self.active().sync(true)
        });
        self.offline_if_failed(closed)?;
        self.flush(now)
    }

    /// As [`Self::close`], but nothing is synced: that is for the caller, who makes the whole volume
    /// durable once all its logs are closed. Nothing is to be written any more.
    pub fn close_unsynced(&mut self) -> Result<(), StorageError> {
        self.check_online()?;
        let closed = self.complete_files().and_then(|()| {
            self.take_snapshot(false)?;
            let path = self.folder.path();
            let saved = self.epochs.save_unsynced(self.folder.disk(), &path);
            saved.map_err(state_file_error)
        });
        self.offline_if_failed(closed)
    }

    /// Makes sure that the log start can be told to the checkpoint: neither is the end of the log below
    /// it after a crash, nor the first leader epoch above which it would not be believed.
    pub fn settle_start(&mut self, now: Timestamp) -> Result<(), StorageError> {
        if self.log_start_offset > self.flushed_offset {
            self.flush(now)?;
        }
        if self.log_start_offset > self.segments[0].base_offset() {
            let saved = self.save_epochs();
            self.offline_if_failed(saved)?;
        }
        Ok(())
    }

    fn complete_files(&self) -> Result<(), StorageError> {
        self.active().seal()?;
        self.give_back_room()
    }

    /// The epochs are durable before anything that recovery will not read again: it learns those
    /// above the recovery point from the batches.
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

/// Sorts an error of one of the small files.
pub(super) fn state_file_error(error: StateFileError) -> StorageError {
    match error {
        StateFileError::Io { path, source } => StorageError::io("replace", &path, source),
        StateFileError::Damaged { path, found } => StorageError::Inconsistent {
            path,
            reason: found,
        },
    }
}
