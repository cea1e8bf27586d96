//! What is read of a partition without its lock: by metrics, checkpoints and requests that describe it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::{Partition, Role, State};
use crate::model::Offset;

/// The offsets, as the last change has left them.
#[derive(Debug, Default)]
pub(super) struct Published {
    high_watermark: AtomicI64,
    end_offset: AtomicI64,
    log_start_offset: AtomicI64,
    last_stable_offset: AtomicI64,
    lag: AtomicI64,
    /// The size of the log and its number of segments, as they were last seen.
    size: AtomicU64,
    segment_count: AtomicU64,
}

impl Partition {
    /// The high watermark, read without the lock.
    pub fn high_watermark(&self) -> Offset {
        Offset(self.published.high_watermark.load(Ordering::Acquire))
    }

    /// The log end offset, read without the lock.
    pub fn end_offset(&self) -> Offset {
        Offset(self.published.end_offset.load(Ordering::Acquire))
    }

    /// The log start offset, read without the lock.
    pub fn log_start_offset(&self) -> Offset {
        Offset(self.published.log_start_offset.load(Ordering::Acquire))
    }

    /// How many committed offsets are not stable yet, because of open transactions.
    pub fn unstable_records(&self) -> i64 {
        let stable = self.published.last_stable_offset.load(Ordering::Acquire);
        (self.high_watermark().0 - stable).max(0)
    }

    /// The size of the log in bytes, and its number of segments: now, or if the partition is locked as they were
    /// last seen here.
    pub fn size_without_waiting(&self) -> (u64, u64) {
        let (size, segment_count) = (&self.published.size, &self.published.segment_count);
        if let Some(state) = self.state.try_lock() {
            size.store(state.log.size(), Ordering::Relaxed);
            segment_count.store(state.log.segment_count() as u64, Ordering::Relaxed);
        }
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(size), read(segment_count))
    }

    /// How many records that the leader has committed are not in this log, which follows it; 0 for a leader.
    pub fn lag(&self) -> i64 {
        self.published.lag.load(Ordering::Relaxed)
    }

    /// Publishes the offsets, and asserts the invariants of what others are about to see.
    pub(super) fn publish(&self, state: &State) {
        state.assert_order();
        let (published, log) = (&self.published, &state.log);
        let (start, end) = (log.log_start_offset(), log.end_offset());
        published.log_start_offset.store(start.0, Ordering::Release);
        published.end_offset.store(end.0, Ordering::Release);
        let high_watermark = state.high_watermark;
        published
            .high_watermark
            .store(high_watermark.0, Ordering::Release);
        let stable = state.last_stable_offset;
        published
            .last_stable_offset
            .store(stable.0, Ordering::Release);
        let lag = match state.role {
            Role::Follower => state.leader_high_watermark.0 - end.0,
            Role::Leader(_) | Role::Stopped(_) => 0,
        };
        published.lag.store(lag.max(0), Ordering::Relaxed);
    }
}
