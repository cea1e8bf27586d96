//! Makes the indexes of a segment again from its batches, all of which must be good.

use std::io;

use super::super::batch_walk::{BatchWalk, HeaderWalk, LOOKUP_CHUNK, Located, WalkError};
use super::super::disk::{self, OpenMode};
use super::super::error::StorageError;
use super::super::folder::FileKind;
use super::super::index_file::IndexFault;
use super::super::offset_index::OffsetIndex;
use super::super::time_index::TimeIndex;
use super::{Indexes, Segment, TimestampOffset};
use crate::model::{Offset, Timestamp};
use crate::records::{Batch, BatchHeader, HEADER_SIZE, RecordsError, checked_batches};

impl Segment {
    /// Reads every batch and writes both indexes anew.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] at the first bad batch.
    pub(in super::super) fn rebuild(&self) -> Result<(), StorageError> {
        self.rebuild_indexes(&mut self.lock_indexes())
    }

    pub(super) fn rebuild_indexes(&self, indexes: &mut Indexes) -> Result<(), StorageError> {
        disk::about_to_take_long().map_err(self.io("read"))?;
        self.check_in_use()?;
        tracing::warn!(segment = %self.log_path().display(), "making the indexes of a segment again");
        self.start_indexes_anew(indexes)?;
        let mut last_offset = self.base_offset + -1;
        let mut indexed_up_to = 0;
        let end = self.size();
        let mut walk = BatchWalk::new(&*self.log, 0, end);
        loop {
            let position = walk.position();
            let (position, batch) = match walk.next() {
                Ok(Some(next)) => next,
                Ok(None) if position == end => break,
                Ok(None) => return Err(self.cut_off(position, last_offset)),
                Err(error) => return Err(self.walk_error(error, position, last_offset)),
            };
            if let Err(reason) = self.check_batch(&batch, last_offset) {
                return Err(self.corrupt(position, last_offset, reason));
            }
            let header = *batch.header();
            last_offset = header.last_offset();
            let indexed = position - indexed_up_to > u64::from(self.index_interval);
            if indexed {
                indexed_up_to = position;
            }
            self.add_entries(indexes, &header, position, indexed)?;
        }
        let largest = indexes.largest.expect("it was set at the start");
        self.push_time(indexes, largest)?;
        Self::write_out(indexes).map_err(self.io("write"))
    }

    /// Whether a batch is good and may be at its place: behind `after`, and near enough to the base.
    pub(in super::super) fn check_batch(
        &self,
        batch: &Batch<'_>,
        after: Offset,
    ) -> Result<(), RecordsError> {
        if let Some(checked) = checked_batches(batch.bytes(), after).next() {
            checked?;
        }
        self.check_near(batch.header(), after)
    }

    /// Checks that a base offset is near the segment's: its checksum does not cover it, and one far off is
    /// damaged.
    pub(in super::super) fn check_near(
        &self,
        header: &BatchHeader,
        after: Offset,
    ) -> Result<(), RecordsError> {
        match self.relative(header.last_offset()) {
            Some(_) => Ok(()),
            None => Err(RecordsError::OffsetsOutOfOrder {
                base_offset: header.base_offset().0,
                last_offset: header.last_offset().0,
                previous: after.0,
            }),
        }
    }

    /// Empties both index files.
    pub(super) fn start_indexes_anew(&self, indexes: &mut Indexes) -> Result<(), StorageError> {
        let open = |kind| {
            let opened = self.open_file(kind, OpenMode::Truncate);
            opened.map_err(self.io("make"))
        };
        *indexes = Indexes {
            offsets: Some(OffsetIndex::empty(open(FileKind::OffsetIndex)?)),
            times: Some(TimeIndex::empty(open(FileKind::TimeIndex)?)),
            largest: Some(TimestampOffset {
                timestamp: Timestamp::NONE,
                offset: self.base_offset,
            }),
        };
        Ok(())
    }

    /// Prepares the segment for a scan from the last indexed batch that ends below `offset`, or from its
    /// beginning. The indexes keep the entries before it. They are checked, as a crash may have lost any
    /// part of them.
    pub(in super::super) fn resume_before(&self, offset: Offset) -> Result<Resumed, StorageError> {
        let found = self.last_indexed_below(offset)?;
        let resumed = match found {
            Some(batch) => Resumed {
                position: batch.end(),
                offset: batch.header.next_offset(),
                since_entry: batch.header.size() as u64,
            },
            None => Resumed {
                position: 0,
                offset: self.base_offset,
                since_entry: 0,
            },
        };
        // Until the scan, the segment is what lies before it.
        self.set_size(resumed.position);
        self.clear_aborted(resumed.offset)?;
        if found.is_none() {
            self.start_indexes_anew(&mut self.lock_indexes())?;
            return Ok(resumed);
        }
        self.truncate_indexes(resumed.offset)?;
        let largest = self.largest_before(resumed.position)?;
        self.lock_indexes().largest = Some(largest);
        Ok(resumed)
    }

    /// The batch of the last index entry below `offset`, if both indexes are in order and the entry is
    /// right.
    fn last_indexed_below(&self, offset: Offset) -> Result<Option<Located>, StorageError> {
        let Some(below) = self.relative(offset) else {
            return Ok(None);
        };
        if below == 0 || !self.indexes_are_whole()? {
            return Ok(None);
        }
        let Some(slot) = self.last_entry(usize::MAX, |entry| entry.relative_offset < below)? else {
            return Ok(None);
        };
        let position = u64::from(slot.entry.position);
        let mut walk = HeaderWalk::new(&*self.log, position, self.size(), LOOKUP_CHUNK);
        match walk.next() {
            Ok(Some(batch)) => {
                let named = self.absolute(slot.entry.relative_offset);
                Ok((batch.header.last_offset() == named).then_some(batch))
            }
            Ok(None) | Err(WalkError::Bad(_)) => Ok(None),
            Err(WalkError::Disk(error)) => Err(self.io("read")(error)),
        }
    }

    /// Reads both indexes. Returns false if one is missing or damaged.
    fn indexes_are_whole(&self) -> Result<bool, StorageError> {
        let mut indexes = self.lock_indexes();
        *indexes = Indexes::default();
        let open = |kind| {
            let opened = self.open_file(kind, OpenMode::Existing);
            opened.map_err(IndexFault::from)
        };
        let loaded = open(FileKind::OffsetIndex)
            .and_then(OffsetIndex::load)
            .and_then(|offsets| {
                indexes.offsets = Some(offsets);
                indexes.times = Some(open(FileKind::TimeIndex).and_then(TimeIndex::load)?);
                Ok(())
            });
        match loaded {
            Ok(()) => Ok(true),
            Err(IndexFault::Damaged) => Ok(false),
            Err(IndexFault::Disk(error)) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(IndexFault::Disk(error)) => Err(self.io("read")(error)),
        }
    }

    /// Takes over indexes that were completed when the log was closed in order: only their last entries are
    /// read.
    pub(in super::super) fn trust_indexes(&self) -> Result<(), StorageError> {
        let mut indexes = self.lock_indexes();
        let open = |kind| self.open_file(kind, OpenMode::Existing);
        if let Ok(offsets) = open(FileKind::OffsetIndex).and_then(OffsetIndex::trust) {
            indexes.offsets = offsets;
        }
        if let Ok(times) = open(FileKind::TimeIndex).and_then(TimeIndex::trust) {
            indexes.times = times;
        }
        Ok(())
    }

    /// The error of a segment whose batches are cut off before its end.
    pub(super) fn cut_off(&self, position: u64, after: Offset) -> StorageError {
        self.corrupt(position, after, self.truncated(position, self.size()))
    }

    /// The error of bytes from `position` to `end` that are not a whole batch.
    pub(in super::super) fn truncated(&self, position: u64, end: u64) -> RecordsError {
        let available = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
        let mut head = [0; HEADER_SIZE];
        let read = self.log.read_at(&mut head, position).unwrap_or(0);
        let header = BatchHeader::parse(&head[..read.min(available)]);
        let size = header
            .ok()
            .flatten()
            .map_or(HEADER_SIZE, |header| header.size());
        RecordsError::Truncated { size, available }
    }
}

/// Where the scan of a segment begins.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Resumed {
    pub(in super::super) position: u64,
    /// No batch before the position reaches this offset.
    pub(in super::super) offset: Offset,
    /// Bytes from the batch of the last index entry up to the position.
    pub(in super::super) since_entry: u64,
}
