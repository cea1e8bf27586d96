//! Truncates the log: what a follower does when its leader's log differs.
//!
//! The caller must first lower the log's entry in the recovery-point checkpoint to the offset of the cut.
//! Otherwise a crash would leave a recovery point above the end of the log, and the cut would look like
//! lost data.

use std::sync::Arc;

use super::Log;
use super::flush::sync_error;
use super::roll::Tail;
use crate::model::{Offset, Timestamp};
use crate::storage::error::StorageError;
use crate::storage::segment::Segment;

impl Log {
    /// Removes all batches that reach `offset` or lie above it. Batches are removed whole, so the new end
    /// of the log, which is returned, may be below `offset`.
    pub fn truncate_to(&mut self, offset: Offset, now: Timestamp) -> Result<Offset, StorageError> {
        self.check_online()?;
        if offset >= self.end_offset {
            // An epoch that began here and wrote nothing may have been another leader's.
            self.epochs.truncate_from_end(self.end_offset);
            return Ok(self.end_offset);
        }
        tracing::info!(log = %self.path().display(), %offset, end = %self.end_offset, "truncating");
        if offset < self.segments[0].base_offset() {
            self.truncate_fully(offset, offset, now)?;
            return Ok(offset);
        }
        self.change(|log| log.cut_at(offset, now))?;
        Ok(self.end_offset)
    }

    /// The recovery point, and the highest log start, that must be on disk before a cut at `offset`. Batches
    /// are removed whole, so the log may end below the offset, but not below the base of its segment; a cut
    /// below the first segment removes all of them before there is another.
    pub fn recovery_point_of_cut(&self, offset: Offset) -> Offset {
        let base = self.segments[self.segment_of(offset)].base_offset();
        if offset < base { Offset::ZERO } else { base }
    }

    /// Removes all batches, so that the next record gets `offset`. The log start offset is usually the
    /// same; it is lower when a follower fetches what its leader no longer has on its own disk.
    pub fn truncate_fully(
        &mut self,
        offset: Offset,
        log_start_offset: Offset,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        self.check_online()?;
        assert!(
            log_start_offset <= offset,
            "a log starts at or below its end"
        );
        let emptied = self.change(|log| log.start_again_at(offset, now));
        // Also if the disk is full: there is no segment left then.
        self.offline |= emptied.is_err();
        emptied?;
        self.log_start_offset = log_start_offset;
        Ok(())
    }

    fn cut_at(&mut self, offset: Offset, now: Timestamp) -> Result<(), StorageError> {
        self.drop_inventory()?;
        self.drop_pending_swap()?;
        self.segments.note_cut();
        let keep = self
            .segments
            .partition_point(|segment| segment.base_offset() <= offset);
        if keep < self.segments.len() {
            let removed = self.remove_segments(keep..self.segments.len(), now);
            // Also if the disk is full: the log ends neither where it did nor where it should.
            self.offline |= removed.is_err();
            removed?;
            self.sync_names()?;
        }
        let active = Arc::clone(self.active());
        let found = active.find(offset, active.size())?;
        let (position, end_offset) = match found {
            Some(found) => {
                let base_offset = found.batch.header.base_offset();
                (found.batch.position, base_offset.min(offset))
            }
            None => (active.size(), offset),
        };
        active.truncate(position, end_offset)?;
        // Appends go on from the largest timestamp of what is left.
        active.largest()?;
        self.tail = Tail::new(now);
        self.end_offset = end_offset;
        self.log_start_offset = self.log_start_offset.min(end_offset);
        self.flushed_offset = self.flushed_offset.min(end_offset);
        self.cleaned_offset = self.cleaned_offset.map(|offset| offset.min(end_offset));
        self.epochs.truncate_from_end(end_offset);
        self.reload_producers(now)?;
        self.save_inventory()
    }

    fn start_again_at(&mut self, offset: Offset, now: Timestamp) -> Result<(), StorageError> {
        self.drop_inventory()?;
        self.drop_pending_swap()?;
        self.segments.note_cut();
        self.cleaned_offset = None;
        self.remove_segments(0..self.segments.len(), now)?;
        self.begin_empty(offset, now)?;
        self.sync_names()?;
        self.flushed_offset = offset;
        Ok(())
    }

    /// Makes it durable that segments are gone. A segment that a power cut brought back could fit exactly
    /// behind what is appended until then.
    pub(super) fn sync_names(&mut self) -> Result<(), StorageError> {
        let path = self.folder.path();
        let synced = self.folder.disk().sync_dir(&path);
        synced.map_err(|error| sync_error(&path, error))
    }

    /// Makes the log one empty segment at `offset`. No other segment may be left.
    pub(super) fn begin_empty(
        &mut self,
        offset: Offset,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let created = Segment::create(&self.folder, offset, &self.config);
        let created = created.map_err(|error| self.folder_error("make", error))?;
        let segments = Arc::make_mut(&mut self.segments);
        segments.clear();
        segments.push(Arc::new(created));
        self.names += 1;
        self.tail = Tail::new(now);
        self.end_offset = offset;
        self.log_start_offset = offset;
        self.epochs.clear();
        let path = self.folder.path();
        let deleted = self.snapshots.delete_all(self.folder.disk(), &path);
        deleted.map_err(|error| self.folder_error("delete", error))?;
        self.reload_producers(now)
    }
}
