//! Makes a partition's log durable: planned under the lock, synced outside it.

use std::sync::atomic::Ordering;

use super::{Moment, Partition, State};
use crate::model::{Offset, Timestamp};
use crate::replication::error::ReplicaError;
use crate::storage::log::FlushScope;

impl Partition {
    /// Syncs the log as far as its settings ask for it. With `flush.messages=1` that moves the high
    /// watermark. It blocks on the disk, without the partition's lock. Returns how many bytes were synced;
    /// `None` if there was nothing to sync.
    pub fn flush_if_due(&self, now: impl Fn() -> Moment) -> Result<Option<u64>, ReplicaError> {
        let _one_at_a_time = self.flushing.lock();
        let mut state = self.state.lock();
        state.check_running()?;
        let started = now().wall;
        let plan = match state.due_flush(started) {
            Some(scope) => state.log.plan_flush(scope, started)?,
            None => None,
        };
        drop(state);
        let Some(plan) = plan else {
            return Ok(None);
        };
        let outcome = plan.run();
        let mut state = self.state.lock();
        let noted = state.log.flushed(&plan, outcome);
        let news = state.advance(now().instant);
        self.finish(state, news);
        noted?;
        Ok(Some(plan.bytes()))
    }

    /// Whether [`Self::flush_if_due`] has something to do by the settings of time.
    pub fn flush_is_due(&self, now: Timestamp) -> bool {
        let state = self.state.lock();
        state.check_running().is_ok() && state.log.flush_is_due(now)
    }

    /// The offset below which everything is durable.
    pub fn flushed_offset(&self) -> Offset {
        self.state.lock().log.flushed_offset()
    }

    /// The offset for the recovery-point checkpoint: below it everything is durable, and no planned cut will
    /// take it away.
    pub fn recovery_point(&self) -> Offset {
        let state = self.state.lock();
        state.bounded_by_cut(state.log.flushed_offset())
    }

    /// The offset for the checkpoint of log starts.
    pub fn log_start_to_checkpoint(&self) -> Offset {
        let state = self.state.lock();
        state.bounded_by_cut(state.log.log_start_offset())
    }

    /// Whether the caller must put the partition into its directory's queue. False if it is in there.
    pub fn begin_flush_wait(&self) -> bool {
        !self.is_flush_queued.swap(true, Ordering::AcqRel)
    }

    /// Notes that the partition has left the queue: later writes need another turn.
    pub fn end_flush_wait(&self) {
        self.is_flush_queued.store(false, Ordering::Release);
    }
}

impl State {
    fn bounded_by_cut(&self, offset: Offset) -> Offset {
        self.cutting_to.map_or(offset, |(_, cut)| cut.min(offset))
    }

    fn due_flush(&self, now: Timestamp) -> Option<FlushScope> {
        if !self.log.flush_is_due(now) {
            return None;
        }
        let config = self.log.config();
        let is_asked_for = config.flush_messages < i64::MAX || config.flush_ms < i64::MAX;
        // Otherwise the end of the active segment is left to the page cache, as in Kafka.
        Some(if is_asked_for || self.log.has_much_unflushed() {
            FlushScope::All
        } else {
            FlushScope::ClosedSegments
        })
    }
}
