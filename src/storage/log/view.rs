//! A reader's view of a log: taken under the partition's lock, read outside it.

use std::path::PathBuf;
use std::sync::Arc;

use super::produced::Produced;
use super::{Log, Segments};
use crate::model::{Offset, Timestamp};
use crate::records::Scratch;
use crate::storage::disk;
use crate::storage::error::StorageError;
use crate::storage::log_config::LogConfig;
use crate::storage::producer_state::ProducerState;
use crate::storage::retention::{self, LogFacts, SegmentFacts};
use crate::storage::segment::{Segment, TimedOffset};
use crate::storage::transaction_index::AbortedTransaction;

/// A log as it was at one moment. It is cheap to take; looking something up in it does I/O.
#[derive(Clone, Debug)]
pub struct LogView {
    pub(super) segments: Segments,
    pub(super) log_start_offset: Offset,
    pub(super) end_offset: Offset,
    /// Everything below this offset was on stable storage.
    flushed_offset: Offset,
    /// The size of the active segment at that moment.
    pub(super) end_position: u64,
    /// How often the log had been cut by then.
    cuts: u32,
}

/// One segment, for DescribeLogDirs and the admin page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentDescription {
    /// The segment's base offset: no offset in it is lower.
    pub base_offset: Offset,
    /// The size of the segment's batches in bytes.
    pub size: u64,
    /// The path of the segment's file.
    pub path: PathBuf,
}

impl Log {
    /// A view of the log at this moment.
    pub fn view(&self) -> LogView {
        LogView {
            segments: Arc::clone(&self.segments),
            log_start_offset: self.log_start_offset,
            end_offset: self.end_offset,
            flushed_offset: self.flushed_offset,
            end_position: self.active().size(),
            cuts: self.segments.cuts(),
        }
    }
}

impl LogView {
    /// The first offset that may be read.
    pub fn log_start_offset(&self) -> Offset {
        self.log_start_offset
    }

    /// The offset after the last record.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// The segments in order.
    pub fn segments(&self) -> Vec<SegmentDescription> {
        let described =
            self.segments
                .iter()
                .enumerate()
                .map(|(index, segment)| SegmentDescription {
                    base_offset: segment.base_offset(),
                    size: self.size_of(index),
                    path: segment.log_path(),
                });
        described.collect()
    }

    /// Everything below this offset was on stable storage when the view was taken.
    pub(in super::super) fn flushed_offset(&self) -> Offset {
        self.flushed_offset
    }

    /// Whether batches were taken away from the end of the log since the view was taken.
    pub(in super::super) fn is_cut(&self) -> bool {
        self.segments.cuts() != self.cuts
    }

    /// The segments in order; the last one was active.
    pub(in super::super) fn segment_list(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// The base offset of the active segment.
    pub(in super::super) fn base_of_active(&self) -> Offset {
        self.segments[self.segments.len() - 1].base_offset()
    }

    /// The base offset of the segment that may hold `offset`; that of the first if all begin above.
    pub(in super::super) fn base_at(&self, offset: Offset) -> Offset {
        self.segments[self.index_of(offset).unwrap_or(0)].base_offset()
    }

    /// The segments from the one that may hold `offset` on, without the active one.
    pub(in super::super) fn closed_segments_from(
        &self,
        offset: Offset,
    ) -> impl Iterator<Item = (&Segment, u64)> {
        let active = self.base_of_active();
        self.segments_from(offset)
            .take_while(move |(segment, _)| segment.base_offset() < active)
    }

    /// Passes an outcome on, except for damage in a log that was cut meanwhile: that is none.
    pub(in super::super) fn judge<T>(
        &self,
        outcome: Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        match outcome {
            Err(StorageError::Corrupt { .. }) if self.is_cut() => Err(StorageError::SegmentDeleted),
            outcome => outcome,
        }
    }

    /// The first record at or after `timestamp`, by offset, and not below the log start. `scratch` is the
    /// buffer in which its batch is decompressed.
    pub fn offset_for_timestamp(
        &self,
        timestamp: Timestamp,
        scratch: &mut Scratch,
    ) -> Result<Option<TimedOffset>, StorageError> {
        self.judge(self.find_timestamp(timestamp, scratch))
    }

    fn find_timestamp(
        &self,
        timestamp: Timestamp,
        scratch: &mut Scratch,
    ) -> Result<Option<TimedOffset>, StorageError> {
        let from = self.log_start_offset;
        for (index, segment) in self.from(from) {
            if segment.largest()?.timestamp < timestamp {
                continue;
            }
            let end = self.size_of(index);
            let found = segment.find_timestamp(timestamp, from, end, scratch)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp of all; `None` if there is no record.
    pub fn max_timestamp(
        &self,
        scratch: &mut Scratch,
    ) -> Result<Option<TimedOffset>, StorageError> {
        self.judge(self.find_max_timestamp(scratch))
    }

    fn find_max_timestamp(
        &self,
        scratch: &mut Scratch,
    ) -> Result<Option<TimedOffset>, StorageError> {
        let mut newest = None;
        for (index, segment) in self.from(self.log_start_offset) {
            let largest = segment.largest()?;
            if newest.is_none_or(|(_, known)| largest.timestamp > known) {
                newest = Some((index, largest.timestamp));
            }
        }
        let Some((index, _)) = newest else {
            return Ok(None);
        };
        let segment = &self.segments[index];
        let offset = segment.largest()?.offset;
        match segment.find(offset, self.size_of(index))? {
            Some(found) => segment.record_of_largest(found.batch, scratch),
            None => Ok(None),
        }
    }

    /// The aborted transactions that a reader of `[from, up_to)` must skip.
    pub fn aborted_transactions(
        &self,
        from: Offset,
        up_to: Offset,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        let mut aborted = Vec::new();
        for (index, segment) in self.from(from) {
            if !segment.aborts_are_checked() {
                self.judge(self.check_aborts(index))?;
            }
            let collected = segment.aborted(from, up_to)?;
            aborted.extend(collected.aborted);
            if collected.is_complete {
                break;
            }
        }
        Ok(aborted)
    }

    /// Compares a segment's index of aborted transactions with its batches, before its first use.
    fn check_aborts(&self, index: usize) -> Result<(), StorageError> {
        disk::about_to_take_long().map_err(|_| StorageError::WouldWait)?;
        let mut first = index;
        let mut producers = loop {
            match self.segments[first].producers_at_base()? {
                Some(producers) => break producers,
                // The nearest snapshot of the producers says which transactions were open at its offset.
                None if first == 0 => break ProducerState::default(),
                None => first -= 1,
            }
        };
        let mut aborted = Vec::new();
        for segment in &self.segments[first..=index] {
            aborted.clear();
            segment.each_header(segment.base_offset(), |batch| {
                if batch.header.base_offset() >= self.end_offset {
                    return Ok(false);
                }
                let completed = Produced::of_located(segment, batch)?.apply(&mut producers);
                let ended = completed.filter(|it| it.aborted);
                aborted.extend(ended.map(AbortedTransaction::from));
                Ok(true)
            })?;
        }
        let next = self.segments.get(index + 1);
        let end = next.map_or(self.end_offset, |next| next.base_offset());
        self.segments[index].check_aborts(aborted, end)
    }

    /// The offset below which retention deletes; `None` if nothing is to go. It does I/O for segments whose
    /// largest timestamp is not known yet.
    pub fn expired_below(
        &self,
        config: &LogConfig,
        high_watermark: Offset,
        now: Timestamp,
    ) -> Result<Option<Offset>, StorageError> {
        let next = self.segments.iter().skip(1).map(|next| next.base_offset());
        let end_offsets = next.chain([self.end_offset]);
        let facts: Vec<_> = end_offsets
            .enumerate()
            .map(|(index, end_offset)| SegmentFacts {
                end_offset,
                size: self.size_of(index),
            })
            .collect();
        let log = LogFacts {
            segments: &facts,
            log_start_offset: self.log_start_offset,
            high_watermark,
        };
        let count = retention::choose(&log, config, now, |index| {
            let segment = &self.segments[index];
            match self.judge(segment.largest())?.timestamp {
                // Without any timestamp the age of the file counts, as in Kafka.
                Timestamp::NONE => segment.modified(),
                largest => Ok(largest),
            }
        })?;
        Ok(count.checked_sub(1).map(|last| facts[last].end_offset))
    }

    /// The segments from the one that may hold `offset` on, and how many bytes each had.
    pub(in super::super) fn segments_from(
        &self,
        offset: Offset,
    ) -> impl Iterator<Item = (&Segment, u64)> {
        self.from(offset)
            .map(|(index, segment)| (&**segment, self.size_of(index)))
    }

    /// The segments from the one that may hold `offset` on, with their indexes.
    fn from(&self, offset: Offset) -> impl Iterator<Item = (usize, &Arc<Segment>)> {
        let first = self.index_of(offset).unwrap_or(0);
        self.segments.iter().enumerate().skip(first)
    }

    /// The index of the segment that may hold `offset`; `None` if all begin above it.
    pub(in super::super) fn index_of(&self, offset: Offset) -> Option<usize> {
        let active = self.segments.len() - 1;
        // Almost all readers are in the active segment.
        if self.segments[active].base_offset() <= offset {
            return Some(active);
        }
        self.segments
            .partition_point(|segment| segment.base_offset() <= offset)
            .checked_sub(1)
    }

    /// How many bytes a segment had when the view was taken.
    pub(super) fn size_of(&self, index: usize) -> u64 {
        if index + 1 == self.segments.len() {
            self.end_position
        } else {
            self.segments[index].size()
        }
    }
}
