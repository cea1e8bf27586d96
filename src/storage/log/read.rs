//! Reads from the log: a plan is made under the partition's lock without I/O, and carried out outside it.
//!
//! A read begins at the batch that holds the offset, and ends between two batches wherever such a place is
//! known. A reader at the tail needs no I/O at all to find its place.

use std::path::PathBuf;

use super::Log;
use super::view::LogView;
use crate::model::Offset;
use crate::protocol::payload::Payload;
use crate::storage::disk::Borrower;
use crate::storage::error::StorageError;
use crate::storage::segment::{Border, Segment};

/// The offset is below the start of the log or above its end: OFFSET_OUT_OF_RANGE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("offset {offset} is not within {log_start_offset} to {end_offset}")]
pub struct OffsetOutOfRange {
    /// The offset that was asked for.
    pub offset: Offset,
    /// The first offset that may be read.
    pub log_start_offset: Offset,
    /// The offset after the last record.
    pub end_offset: Offset,
}

/// What to read, as decided under the lock.
#[derive(Debug)]
pub struct ReadPlan {
    view: LogView,
    offset: Offset,
    /// Nothing at or above this offset is returned.
    up_to: Offset,
    /// The index of the segment that may hold the offset.
    index: usize,
    /// The batch that holds the offset, if it is one of the newest.
    start: Option<Span>,
    /// The position in the active segment of the batch at `up_to`, if that is known.
    up_to_position: Option<u64>,
}

/// A part of a segment's file.
#[derive(Clone, Copy, Debug)]
struct Span {
    position: u64,
    end: u64,
}

/// The outcome of a read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOutcome {
    /// Batches. The last of them may be cut short.
    pub payload: Payload,
    /// No record in the payload is at or above this offset: a reader of committed data must be told the
    /// aborted transactions up to here.
    pub up_to: Offset,
}

impl Log {
    /// Plans a read of the records from `offset` on that are below `up_to`: the high watermark, the
    /// last stable offset, or the end of the log for a follower.
    pub fn locate(&self, offset: Offset, up_to: Offset) -> Result<ReadPlan, OffsetOutOfRange> {
        if offset < self.log_start_offset || offset > self.end_offset {
            return Err(OffsetOutOfRange {
                offset,
                log_start_offset: self.log_start_offset,
                end_offset: self.end_offset,
            });
        }
        let view = self.view();
        let index = view.index_of(offset).unwrap_or(0);
        let mut plan = ReadPlan {
            view,
            offset,
            up_to: up_to.min(self.end_offset),
            index,
            start: None,
            up_to_position: None,
        };
        let end = plan.view.end_position;
        let active = self.active();
        // Most readers are near the end: the last batches are found without a look into an index.
        if index + 1 == self.segments.len() {
            let found = self.tail.find(active, offset, end);
            plan.start = found.map(|(position, end)| Span { position, end });
        }
        plan.up_to_position = if plan.up_to == self.end_offset {
            Some(end)
        } else {
            let found = self.tail.find(active, plan.up_to, end);
            found.map(|(position, _)| position)
        };
        Ok(plan)
    }
}

impl ReadPlan {
    /// The log at the moment when the read was planned.
    pub fn view(&self) -> &LogView {
        &self.view
    }

    /// The path of the file in which the read begins.
    pub fn path(&self) -> PathBuf {
        self.view.segments[self.index].log_path()
    }

    /// Whether there is nothing to read, so that the reader must wait.
    pub fn is_empty(&self) -> bool {
        self.offset >= self.up_to
    }

    /// Whether an answer may have what is read: else too many files are lent to others.
    pub fn may_lend(&self, to: Borrower) -> bool {
        self.view.segments[self.index].may_lend(to)
    }

    /// About how many bytes lie between the offset and the end of the log, without I/O: offsets are taken
    /// to be spread evenly within a segment.
    pub fn bytes_behind(&self) -> u64 {
        if self.start.is_some() {
            return 0;
        }
        let view = &self.view;
        let newer: u64 = (self.index + 1..view.segments.len())
            .map(|index| view.size_of(index))
            .sum();
        let first = view.segments[self.index].base_offset();
        let next = view.segments.get(self.index + 1);
        let end = next.map_or(view.end_offset, |next| next.base_offset());
        let (left, all) = (end - self.offset.max(first), end - first);
        let size = u128::from(view.size_of(self.index));
        let part = size * u128::from(left.unsigned_abs()) / u128::from(all.unsigned_abs().max(1));
        newer + u64::try_from(part).unwrap_or(u64::MAX)
    }

    /// Reads at most `max_bytes`. The first batch is returned whole or not at all; a larger one only with
    /// `at_least_one`.
    ///
    /// # Errors
    /// [`StorageError::SegmentDeleted`] if the log was cut meanwhile: the caller must plan again.
    pub fn read(&self, max_bytes: u32, at_least_one: bool) -> Result<ReadOutcome, StorageError> {
        self.view.judge(self.read_up_to(max_bytes, at_least_one))
    }

    fn read_up_to(&self, max_bytes: u32, at_least_one: bool) -> Result<ReadOutcome, StorageError> {
        let nothing = ReadOutcome {
            payload: Payload::EMPTY,
            up_to: self.up_to,
        };
        if self.is_empty() {
            return Ok(nothing);
        }
        for index in self.index..self.view.segments.len() {
            let segment = &self.view.segments[index];
            if segment.base_offset() >= self.up_to {
                break;
            }
            let found = self.find_start(segment, index)?;
            if let Some((first, near)) = found {
                let limit = Limit {
                    max_bytes: u64::from(max_bytes),
                    at_least_one,
                };
                return self.read_segment(index, first, near, &limit);
            }
            // Compaction left nothing of the offset's segment: the next segment has the next record.
        }
        Ok(nothing)
    }

    /// The first batch that reaches the offset, and an index entry near it.
    fn find_start(
        &self,
        segment: &Segment,
        index: usize,
    ) -> Result<Option<(Span, Option<usize>)>, StorageError> {
        if let Some(start) = self.start {
            return Ok(Some((start, None)));
        }
        let found = segment.find(self.offset, self.view.size_of(index))?;
        Ok(found.map(|found| {
            let span = Span {
                position: found.batch.position,
                end: found.batch.end(),
            };
            (span, Some(found.slot))
        }))
    }

    fn read_segment(
        &self,
        index: usize,
        first: Span,
        near: Option<usize>,
        limit: &Limit,
    ) -> Result<ReadOutcome, StorageError> {
        let segment = &self.view.segments[index];
        let mut outcome = ReadOutcome {
            payload: Payload::EMPTY,
            up_to: self.up_to,
        };
        let Some(wanted) = limit.end(first) else {
            return Ok(outcome);
        };
        let mut end = wanted;
        match self.end_within(index, first, wanted, near)? {
            End::Readable(readable) => {
                end = end.min(readable);
                if let Some(near) = near.filter(|_| index + 1 == self.view.segments.len()) {
                    segment.remember(self.offset, self.up_to, end, near);
                }
            }
            // The bytes behind the border are not sent: the reader would have to ask for that batch again
            // anyway.
            End::Border(border) => {
                end = border.position;
                outcome.up_to = border.last_offset.min(self.up_to);
                segment.remember(self.offset, border.last_offset, end, border.slot);
            }
            End::Anywhere => {}
        }
        if let Some(length) = end.checked_sub(first.position).filter(|length| *length > 0) {
            let length = u32::try_from(length).expect("a segment is smaller than 4 GiB");
            outcome.payload = segment.region(first.position, length)?;
        }
        Ok(outcome)
    }

    /// Where a read of the batches from `first` on ends, if it may go on to `wanted`: where the records
    /// that may be read end, or else at the last batch that an index knows.
    fn end_within(
        &self,
        index: usize,
        first: Span,
        wanted: u64,
        near: Option<usize>,
    ) -> Result<End, StorageError> {
        let segment = &self.view.segments[index];
        let size = self.view.size_of(index);
        let readable_end = match self.view.segments.get(index + 1) {
            Some(next) if next.base_offset() <= self.up_to => Some(size),
            None => self.up_to_position,
            Some(_) => None,
        };
        if let Some(end) = readable_end.filter(|end| wanted >= *end) {
            return Ok(End::Readable(end));
        }
        let border = segment.border(wanted.min(size), near.unwrap_or(usize::MAX))?;
        if let Some(border) = border.filter(|border| border.position >= first.end)
            && (readable_end.is_some() || border.last_offset < self.up_to)
        {
            return Ok(End::Border(border));
        }
        if readable_end.is_some() {
            return Ok(End::Anywhere);
        }
        // The records that may be read end near by.
        let found = segment.find(self.up_to, size)?;
        Ok(End::Readable(
            found.map_or(size, |found| found.batch.position),
        ))
    }
}

/// How many bytes may be read.
struct Limit {
    max_bytes: u64,
    at_least_one: bool,
}

impl Limit {
    /// Where a read that begins with the batch `first` ends at the latest; `None` if nothing may be read.
    fn end(&self, first: Span) -> Option<u64> {
        let size = first.end - first.position;
        if size <= self.max_bytes {
            Some(first.position + self.max_bytes)
        } else {
            self.at_least_one.then_some(first.end)
        }
    }
}

/// Where a read ends.
enum End {
    /// At this position, as the rest may not be read.
    Readable(u64),
    /// Before this batch.
    Border(Border),
    /// In the middle of a batch, as none is known to begin near by.
    Anywhere,
}
