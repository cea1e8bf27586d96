//! Finds batches in a segment by offset and by position.
//!
//! An index is a hint that is checked: the batch that it points to must be the one that it names. If it is
//! not, the indexes are made again from the log, once.

use super::super::batch_walk::{
    BatchWalk, HeaderWalk, LOOKUP_CHUNK, Located, SCAN_CHUNK, WalkError,
};
use super::super::error::StorageError;
use super::super::index_file::{Search, Slot};
use super::super::offset_index::OffsetEntry;
use super::Segment;
use crate::model::Offset;
use crate::records::{Batch, BatchHeader, HEADER_SIZE, RecordsError};

/// A batch, and the index entry at or before it.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Found {
    pub(in super::super) batch: Located,
    /// The entry of the offset index at which a search near the batch should begin.
    pub(in super::super) slot: usize,
}

/// A batch that an index entry points to.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Border {
    pub(in super::super) position: u64,
    pub(in super::super) last_offset: Offset,
    /// The index of the entry.
    pub(in super::super) slot: usize,
}

/// Where the last readers of a segment stopped. The next read of each begins there, and needs no search.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    cursors: [Cursor; 4],
    oldest: usize,
}

/// A batch that begins at `position` and holds the relative offsets above `above`, up to `up_to`.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    above: u32,
    up_to: u32,
    position: u32,
    slot: u32,
}

/// How many bytes a batch may lie behind the index entry that leads to it, before the index counts as too
/// short. It is generous, because the interval may have been larger when the segment was written.
fn longest_gap(index_interval: u32) -> u64 {
    (16 * u64::from(index_interval)).max(1 << 20)
}

impl Segment {
    /// The first batch whose last offset is not below `target`; `None` if there is none before `end`. Bytes
    /// from `end` on, which lies between two batches, are not looked at.
    pub(in super::super) fn find(
        &self,
        target: Offset,
        end: u64,
    ) -> Result<Option<Found>, StorageError> {
        if let Some(found) = self.find_by_cursor(target, end)? {
            return Ok(Some(found));
        }
        match self.find_by_index(target, end)? {
            Ok(found) => Ok(found),
            Err(Misled) => {
                self.rebuild()?;
                let again = self.find_by_index(target, end)?;
                // The new index is right. If it misleads, the log was cut meanwhile.
                again.map_err(|Misled| StorageError::SegmentDeleted)
            }
        }
    }

    /// Remembers where the next read of a reader begins that got everything up to `position`: at the batch
    /// there, which is the first above `above` and reaches to `up_to`.
    pub(in super::super) fn remember(
        &self,
        above: Offset,
        up_to: Offset,
        position: u64,
        slot: usize,
    ) {
        let mut cursors = self.cursors.lock();
        let (Some(above), Some(up_to), Ok(position), Ok(slot)) = (
            self.relative(above),
            self.relative(up_to),
            u32::try_from(position),
            u32::try_from(slot),
        ) else {
            return;
        };
        let oldest = cursors.oldest;
        cursors.cursors[oldest] = Cursor {
            above,
            up_to,
            position,
            slot,
        };
        cursors.oldest = (oldest + 1) % cursors.cursors.len();
    }

    fn find_by_cursor(&self, target: Offset, end: u64) -> Result<Option<Found>, StorageError> {
        let Some(relative) = self.relative(target) else {
            return Ok(None);
        };
        let cursors = self.cursors.lock();
        let fits = |cursor: &&Cursor| cursor.above < relative && relative <= cursor.up_to;
        let Some(cursor) = cursors.cursors.iter().find(fits).copied() else {
            return Ok(None);
        };
        drop(cursors);
        let mut walk = HeaderWalk::new(&*self.log, cursor.position.into(), end, LOOKUP_CHUNK);
        match walk.next() {
            Ok(Some(batch)) if holds(&batch, target) => Ok(Some(Found {
                batch,
                slot: cursor.slot as usize,
            })),
            // The log was cut since, or compaction has removed the offsets that the cursor was for.
            Ok(_) | Err(WalkError::Bad(_)) => Ok(None),
            Err(WalkError::Disk(error)) => Err(self.io("read")(error)),
        }
    }

    fn find_by_index(
        &self,
        target: Offset,
        end: u64,
    ) -> Result<Result<Option<Found>, Misled>, StorageError> {
        let entry = match self.relative(target) {
            Some(target) => self.last_entry(usize::MAX, |it| it.relative_offset <= target)?,
            None if target < self.base_offset => None,
            None => self.last_entry(usize::MAX, |_| true)?,
        };
        let start = entry.map_or(0, |slot| u64::from(slot.entry.position));
        let slot = entry.map_or(0, |slot| slot.number);
        let mut walk = HeaderWalk::new(&*self.log, start, end, LOOKUP_CHUNK);
        let mut after = self.base_offset + -1;
        loop {
            let batch = match walk.next() {
                Ok(Some(batch)) => batch,
                Ok(None) if walk.position() == end => return Ok(Ok(None)),
                // No batch begins where the entry points.
                Ok(None) if walk.position() == start && entry.is_some() => return Ok(Err(Misled)),
                Err(WalkError::Bad(_)) if walk.position() == start && entry.is_some() => {
                    return Ok(Err(Misled));
                }
                Ok(None) => return Err(self.cut_off(walk.position(), after)),
                Err(error) => return Err(self.walk_error(error, walk.position(), after)),
            };
            let names = entry.filter(|_| batch.position == start);
            if names.is_some_and(|it| {
                self.absolute(it.entry.relative_offset) != batch.header.last_offset()
            }) {
                return Ok(Err(Misled));
            }
            after = batch.header.last_offset();
            if after >= target {
                return Ok(Ok(Some(Found { batch, slot })));
            }
            // The index should have led nearer: it lacks entries.
            if batch.position - start > longest_gap(self.index_interval) {
                return Ok(Err(Misled));
            }
        }
    }

    /// The last index entry for which `holds`. `holds` must be true for entries at the front only.
    pub(super) fn last_entry(
        &self,
        near: usize,
        holds: impl Fn(&OffsetEntry) -> bool,
    ) -> Result<Option<Slot<OffsetEntry>>, StorageError> {
        let search = self
            .loaded_offsets(&mut self.lock_indexes())?
            .search(&holds);
        match search {
            Search::Found(slot) => Ok(Some(slot)),
            Search::InFile(written) => written.last_where(near, holds).map_err(self.io("read")),
        }
    }

    /// The last batch with an index entry that begins at `position` or before: its position, its last
    /// offset, and the index of its entry, which is near `near`.
    pub(in super::super) fn border(
        &self,
        position: u64,
        near: usize,
    ) -> Result<Option<Border>, StorageError> {
        for _ in 0..2 {
            let entry = self.last_entry(near, |it| u64::from(it.position) <= position)?;
            let Some(Slot { number, entry }) = entry else {
                return Ok(None);
            };
            let border = Border {
                position: u64::from(entry.position),
                last_offset: self.absolute(entry.relative_offset),
                slot: number,
            };
            if self.names(&border)? {
                return Ok(Some(border));
            }
            self.rebuild()?;
        }
        // The log was cut meanwhile.
        Err(StorageError::SegmentDeleted)
    }

    /// Whether the batch at a border is the one that its index entry names.
    fn names(&self, border: &Border) -> Result<bool, StorageError> {
        let mut head = [0; HEADER_SIZE];
        let read = self.log.read_at(&mut head, border.position);
        let read = read.map_err(self.io("read"))?;
        let header = BatchHeader::parse(&head[..read]).ok().flatten();
        Ok(header.is_some_and(|header| header.last_offset() == border.last_offset))
    }

    /// Reads a whole batch for `look`.
    pub(in super::super) fn with_whole<T>(
        &self,
        at: &Located,
        look: impl FnOnce(&Batch<'_>) -> T,
    ) -> Result<T, StorageError> {
        let before = at.header.base_offset() + -1;
        let mut walk = BatchWalk::new(&*self.log, at.position, at.end());
        match walk.next() {
            Ok(Some((_, batch))) => Ok(look(&batch)),
            Ok(None) => Err(self.cut_off(at.position, before)),
            Err(error) => Err(self.walk_error(error, at.position, before)),
        }
    }

    /// Calls `each` for the batches that reach `from` or lie above it, until it returns false.
    pub(in super::super) fn each_header(
        &self,
        from: Offset,
        mut each: impl FnMut(&Located) -> Result<bool, StorageError>,
    ) -> Result<(), StorageError> {
        let end = self.size();
        let Some(first) = self.find(from, end)? else {
            return Ok(());
        };
        let mut after = from + -1;
        let mut walk = HeaderWalk::new(&*self.log, first.batch.position, end, SCAN_CHUNK);
        loop {
            let batch = match walk.next() {
                Ok(Some(batch)) => batch,
                Ok(None) if walk.position() == end => return Ok(()),
                Ok(None) => return Err(self.cut_off(walk.position(), after)),
                Err(error) => return Err(self.walk_error(error, walk.position(), after)),
            };
            after = batch.header.last_offset();
            if !each(&batch)? {
                return Ok(());
            }
        }
    }

    /// The last batch of the segment.
    pub(in super::super) fn last_batch(&self) -> Result<Option<Located>, StorageError> {
        let mut last = None;
        let newest = self.border(self.size(), usize::MAX)?;
        let from = newest.map_or(self.base_offset, |border| border.last_offset);
        self.each_header(from, |batch| {
            last = Some(*batch);
            Ok(true)
        })?;
        Ok(last)
    }

    pub(in super::super) fn walk_error(
        &self,
        error: WalkError,
        position: u64,
        after: Offset,
    ) -> StorageError {
        match error {
            WalkError::Disk(error) => self.io("read")(error),
            WalkError::Bad(reason) => self.corrupt(position, after, reason),
        }
    }

    pub(in super::super) fn corrupt(
        &self,
        position: u64,
        after: Offset,
        reason: RecordsError,
    ) -> StorageError {
        StorageError::Corrupt {
            path: self.log_path(),
            position,
            after,
            reason,
        }
    }
}

/// The offset index pointed to a batch that is not there.
struct Misled;

fn holds(batch: &Located, target: Offset) -> bool {
    batch.header.base_offset() <= target && target <= batch.header.last_offset()
}
