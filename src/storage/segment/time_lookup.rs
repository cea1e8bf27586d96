//! Finds records in a segment by their time, and the largest time in it.
//!
//! The time index names batches that had the largest timestamp so far. It is a hint that is checked, as the
//! offset index is.

use super::super::batch_walk::{HeaderWalk, LOOKUP_CHUNK, Located, SCAN_CHUNK};
use super::super::error::StorageError;
use super::super::index_file::Search;
use super::super::time_index::TimeEntry;
use super::{Segment, TimestampOffset};
use crate::model::{LeaderEpoch, Offset, Timestamp};
use crate::records::{Batch, CURRENT_MAGIC, RecordsError, Scratch};
use crate::telemetry::LogGate;

/// A client may ask for the time of such a batch as often as it likes.
static UNREADABLE: LogGate = LogGate::new();

/// A record found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOffset {
    /// The record's offset.
    pub offset: Offset,
    /// The record's timestamp.
    pub timestamp: Timestamp,
    /// The leader epoch of its batch; [`LeaderEpoch::NONE`] if it has none.
    pub leader_epoch: LeaderEpoch,
}

impl Segment {
    /// The largest timestamp in the segment, and the first batch that has it; a timestamp of -1 if there is
    /// none.
    pub(in super::super) fn largest(&self) -> Result<TimestampOffset, StorageError> {
        if let Some(largest) = self.lock_indexes().largest {
            return Ok(largest);
        }
        let largest = self.largest_before(self.size())?;
        let mut indexes = self.lock_indexes();
        Ok(*indexes.largest.get_or_insert(largest))
    }

    /// The largest timestamp of the batches before `end`. The time index may lack its last entries, so the
    /// headers behind its last one are read.
    pub(in super::super) fn largest_before(
        &self,
        end: u64,
    ) -> Result<TimestampOffset, StorageError> {
        let last = self.loaded_times(&mut self.lock_indexes())?.last();
        let (mut largest, start) = match last {
            None => (self.no_timestamp(), 0),
            Some(last) => match self.find_named(last, end)? {
                Some(batch) => (self.named(last), batch.end()),
                None => {
                    self.rebuild()?;
                    (self.no_timestamp(), 0)
                }
            },
        };
        let mut walk = HeaderWalk::new(&*self.log, start, end, SCAN_CHUNK);
        loop {
            let batch = match walk.next() {
                Ok(Some(batch)) => batch.header,
                Ok(None) if walk.position() == end => return Ok(largest),
                Ok(None) => return Err(self.cut_off(walk.position(), largest.offset)),
                Err(error) => return Err(self.walk_error(error, walk.position(), largest.offset)),
            };
            if batch.max_timestamp() > largest.timestamp {
                largest = TimestampOffset {
                    timestamp: batch.max_timestamp(),
                    offset: batch.last_offset(),
                };
            }
        }
    }

    /// The batch that an entry of the time index names; `None` if there is no such batch.
    fn find_named(&self, entry: TimeEntry, end: u64) -> Result<Option<Located>, StorageError> {
        let offset = self.absolute(entry.relative_offset);
        let found = self.find(offset, end)?.map(|found| found.batch);
        Ok(found.filter(|batch| {
            batch.header.last_offset() == offset && batch.header.max_timestamp() == entry.timestamp
        }))
    }

    fn named(&self, entry: TimeEntry) -> TimestampOffset {
        TimestampOffset {
            timestamp: entry.timestamp,
            offset: self.absolute(entry.relative_offset),
        }
    }

    fn no_timestamp(&self) -> TimestampOffset {
        TimestampOffset {
            timestamp: Timestamp::NONE,
            offset: self.base_offset,
        }
    }

    /// The first record at or after `timestamp` whose offset is at least `from`, in the batches
    /// before `end`.
    pub(in super::super) fn find_timestamp(
        &self,
        timestamp: Timestamp,
        from: Offset,
        end: u64,
        scratch: &mut Scratch,
    ) -> Result<Option<TimedOffset>, StorageError> {
        let start = self.last_before(timestamp, end)?.max(from);
        let Some(first) = self.find(start, end)? else {
            return Ok(None);
        };
        let mut walk = HeaderWalk::new(&*self.log, first.batch.position, end, LOOKUP_CHUNK);
        loop {
            let position = walk.position();
            let next = walk.find(|it| it.max_timestamp() >= timestamp && it.last_offset() >= from);
            let next = next.map_err(|error| self.walk_error(error, position, start))?;
            let batch = match next {
                Some(batch) => batch,
                None if walk.position() == end => return Ok(None),
                None => return Err(self.cut_off(walk.position(), start)),
            };
            let found = self.with_batch(batch, |batch| {
                batch.find_timestamp(timestamp, from, scratch)
            })?;
            if let Some(found) = found {
                // The offset that stands for records which cannot be read may be below `from`.
                let offset = found.offset.max(from);
                return Ok(Some(TimedOffset { offset, ..found }));
            }
        }
    }

    /// The first record with the batch's largest timestamp; `None` if its records have no time, as with
    /// magic 0.
    pub(in super::super) fn record_of_largest(
        &self,
        batch: Located,
        scratch: &mut Scratch,
    ) -> Result<Option<TimedOffset>, StorageError> {
        if batch.header.magic() == 0 {
            return Ok(None);
        }
        self.with_batch(batch, |batch| {
            let offset = batch.offset_of_max_timestamp(scratch)?;
            Ok(offset.map(|offset| (offset, batch.max_timestamp())))
        })
    }

    /// The offset of the last batch that the index knows to be the first of its timestamp, where that is
    /// not above `timestamp`; the segment's base if there is none.
    fn last_before(&self, timestamp: Timestamp, end: u64) -> Result<Offset, StorageError> {
        let holds = |entry: &TimeEntry| entry.timestamp <= timestamp;
        for _ in 0..2 {
            let search = self.loaded_times(&mut self.lock_indexes())?.search(holds);
            let slot = match search {
                Search::Found(slot) => Some(slot),
                Search::InFile(written) => written
                    .last_where(usize::MAX, holds)
                    .map_err(self.io("read"))?,
            };
            let Some(entry) = slot.map(|slot| slot.entry) else {
                break;
            };
            if self.find_named(entry, end)?.is_some() {
                return Ok(self.absolute(entry.relative_offset));
            }
            self.rebuild()?;
        }
        Ok(self.base_offset)
    }

    /// Reads a batch and looks into its records. If they cannot be read, the answer is the first offset
    /// that they may have: a reader that begins there misses none.
    fn with_batch(
        &self,
        at: Located,
        look: impl FnOnce(&Batch<'_>) -> Result<Option<(Offset, Timestamp)>, RecordsError>,
    ) -> Result<Option<TimedOffset>, StorageError> {
        let leader_epoch = at.header.partition_leader_epoch();
        let timed = |(offset, timestamp)| TimedOffset {
            offset,
            timestamp,
            leader_epoch,
        };
        let before = at.header.base_offset() + -1;
        let looked = self.with_whole(&at, |batch| {
            look(batch).map_err(|reason| (reason, batch.crc_is_valid()))
        })?;
        match looked {
            Ok(found) => Ok(found.map(timed)),
            Err((reason, false)) => Err(self.corrupt(at.position, before, reason)),
            // The batch is as it was written, but too large, or unreadable for anybody.
            Err((reason, true)) => {
                if let Some(suppressed) = UNREADABLE.pass() {
                    let segment = self.log_path();
                    tracing::warn!(segment = %segment.display(), position = at.position, %reason, suppressed, "a batch cannot be read");
                }
                Ok(Some(timed((
                    self.first_offset(&at)?,
                    at.header.max_timestamp(),
                ))))
            }
        }
    }

    /// The first offset that a batch may have. With magic 0 and 1 only the batch before it tells.
    fn first_offset(&self, at: &Located) -> Result<Offset, StorageError> {
        if at.header.magic() == CURRENT_MAGIC {
            return Ok(at.header.base_offset());
        }
        let mut first = self.base_offset;
        let mut walk = HeaderWalk::new(&*self.log, 0, at.position, SCAN_CHUNK);
        loop {
            match walk.next() {
                Ok(Some(batch)) => first = batch.header.next_offset(),
                Ok(None) => return Ok(first),
                Err(error) => return Err(self.walk_error(error, walk.position(), first)),
            }
        }
    }
}
