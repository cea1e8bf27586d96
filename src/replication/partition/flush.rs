//! Making a partition's log durable: a plan under the lock, the sync outside it.

use std::sync::atomic::Ordering;

use super::{Moment, Partition, State};
use crate::model::{Offset, Timestamp};
use crate::replication::error::ReplicaError;
use crate::storage::log::FlushScope;

impl Partition {
    /// Makes the log durable as far as it is due by the settings. With `flush.messages=1` the high
    /// watermark moves then. Blocks on the disk, without the partition's lock. How many bytes were
    /// synced; `None`: there was nothing to sync.
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

    /// Whether [`Self::flush_if_due`] has something to do: for the time-based settings.
    pub fn flush_is_due(&self, now: Timestamp) -> bool {
        let state = self.state.lock();
        state.check_running().is_ok() && state.log.flush_is_due(now)
    }

    /// Below this offset all is durable: for the recovery-point checkpoint.
    pub fn flushed_offset(&self) -> Offset {
        self.state.lock().log.flushed_offset()
    }

    /// Whether the caller is to put the partition into its disk's queue. False: it is in there.
    pub fn begin_flush_wait(&self) -> bool {
        !self.is_flush_queued.swap(true, Ordering::AcqRel)
    }

    /// The partition left the queue: what is written from now on needs another turn.
    pub fn end_flush_wait(&self) {
        self.is_flush_queued.store(false, Ordering::Release);
    }
}

impl State {
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
