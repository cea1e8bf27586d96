//! The scrub: reading all logs again, slowly, to find damage before a reader does.
//!
//! Each byte is read about once a period (a week by default). A bad batch is an error that says where it
//! is; the caller decides what to do about it.

use super::batch_walk::BatchWalk;
use super::error::StorageError;
use super::log::LogView;
use super::segment::Segment;
use crate::model::{Offset, Timestamp};
use crate::records::RecordsError;

/// Paces the scrub of a disk: how many bytes to read by now.
#[derive(Clone, Debug)]
pub struct ScrubPace {
    period_ms: u64,
    last: Timestamp,
    /// What is due but is less than a byte, in bytes times milliseconds.
    owed: u128,
}

impl ScrubPace {
    /// A pace that reads everything once in `period_ms`, which is above 0, from `now` on.
    pub fn new(period_ms: i64, now: Timestamp) -> Self {
        assert!(period_ms > 0, "a scrub takes time");
        Self {
            period_ms: period_ms.unsigned_abs(),
            last: now,
            owed: 0,
        }
    }

    /// How many of `total_bytes` to read now: what is due since the last call, but no more than for one
    /// minute, so that a pause (or a clock that jumps) is not followed by a storm of reads.
    pub fn bytes_due(&mut self, total_bytes: u64, now: Timestamp) -> u64 {
        let passed_ms = (now.0 - self.last.0).clamp(0, 60_000).unsigned_abs();
        self.last = now;
        self.owed += u128::from(total_bytes) * u128::from(passed_ms);
        let period_ms = u128::from(self.period_ms);
        let due = self.owed / period_ms;
        self.owed %= period_ms;
        u64::try_from(due).unwrap_or(u64::MAX)
    }
}

/// How far a scrub of one log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrubbed {
    /// The count of bytes that were read.
    pub bytes: u64,
    /// The offset to go on at; `None` if everything was read.
    pub next: Option<Offset>,
}

/// Whether offsets may be missing between batches, as compaction leaves them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holes {
    Allowed,
    Refused,
}

impl LogView {
    /// Checks the batches from `from` on: about `max_bytes` of them, and at least one batch.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] at the first bad batch.
    pub fn scrub(&self, from: Offset, max_bytes: u64) -> Result<Scrubbed, StorageError> {
        self.scrub_for(from, max_bytes, Holes::Allowed)
    }

    /// The same, of a log that was never compacted: a segment that does not begin where the one before it
    /// ended is damage, too.
    ///
    /// # Errors
    /// As [`Self::scrub`].
    pub fn scrub_without_holes(
        &self,
        from: Offset,
        max_bytes: u64,
    ) -> Result<Scrubbed, StorageError> {
        self.scrub_for(from, max_bytes, Holes::Refused)
    }

    fn scrub_for(
        &self,
        from: Offset,
        max_bytes: u64,
        holes: Holes,
    ) -> Result<Scrubbed, StorageError> {
        let mut bytes = 0;
        let mut next = from.max(self.log_start_offset());
        for (segment, end) in self.segments_from(next) {
            let left = max_bytes.saturating_sub(bytes);
            match self.judge(scrub_segment(segment, end, &mut next, left, holes)) {
                Ok(read) => bytes += read,
                // The log was cut, or the segment deleted, while it was read.
                Err(StorageError::SegmentDeleted) => break,
                Err(error) => return Err(error),
            }
            if bytes >= max_bytes && next < self.end_offset() {
                return Ok(Scrubbed {
                    bytes,
                    next: Some(next),
                });
            }
        }
        Ok(Scrubbed { bytes, next: None })
    }
}

/// Checks batches of one segment. Returns how many bytes, and in `next` the offset after the last batch.
fn scrub_segment(
    segment: &Segment,
    end: u64,
    next: &mut Offset,
    max_bytes: u64,
    holes: Holes,
) -> Result<u64, StorageError> {
    let Some(first) = segment.find(*next, end)? else {
        return Ok(0);
    };
    let start = first.batch.position;
    let header = &first.batch.header;
    if holes == Holes::Refused && header.base_offset() > *next {
        let previous = *next + -1;
        let hole = RecordsError::OffsetsOutOfOrder {
            base_offset: header.base_offset().0,
            last_offset: header.last_offset().0,
            previous: previous.0,
        };
        return Err(segment.corrupt(start, previous, hole));
    }
    let mut after = first.batch.header.base_offset() + -1;
    let mut walk = BatchWalk::new(&**segment.log(), start, end);
    loop {
        let position = walk.position();
        match walk.next() {
            Ok(Some((_, batch))) => {
                if let Err(reason) = segment.check_batch(&batch, after) {
                    return Err(segment.corrupt(position, after, reason));
                }
                after = batch.last_offset();
                *next = batch.next_offset();
            }
            Ok(None) if position == end => return Ok(end - start),
            Ok(None) => {
                return Err(segment.corrupt(position, after, segment.truncated(position, end)));
            }
            Err(error) => return Err(segment.walk_error(error, position, after)),
        }
        let read = walk.position() - start;
        if read >= max_bytes {
            return Ok(read);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_reads_everything_once() {
        let week = 7 * 24 * 60 * 60 * 1_000;
        let total = 1 << 40;
        let mut pace = ScrubPace::new(week, Timestamp(0));
        let mut read = 0;
        for now in (0..=week).step_by(30_000) {
            read += pace.bytes_due(total, Timestamp(now));
        }

        assert!(total - read < 30_000, "{} missing", total - read);
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let mut pace = ScrubPace::new(1_000_000, Timestamp(0));

        assert_eq!(pace.bytes_due(1_000_000, Timestamp(900_000)), 60_000);
        assert_eq!(pace.bytes_due(1_000_000, Timestamp(0)), 0);
        assert_eq!(pace.bytes_due(1_000_000, Timestamp(10)), 10);
    }

    #[test]
    fn few_bytes_are_read_some_day() {
        let mut pace = ScrubPace::new(1_000_000, Timestamp(0));
        let read: u64 = (1..=1_000)
            .map(|step| pace.bytes_due(10, Timestamp(step * 1_000)))
            .sum();

        assert!((9..=10).contains(&read), "{read}");
    }
}
