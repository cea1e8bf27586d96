//! What of a partition is to be compacted, and who is at work on its log.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Partition, PartitionConfig, State};
use crate::model::{Offset, Timestamp};
use crate::replication::error::ReplicaError;
use crate::storage::compaction::Cleanable;

/// What compaction would do to a log.
#[derive(Clone, Debug)]
pub struct CleanTarget {
    /// The part to be cleaned.
    pub part: Cleanable,
    /// The settings it was told by.
    pub config: Arc<PartitionConfig>,
}

/// The right to delete or compact segments: one at a time has it, until it is dropped.
#[derive(Debug)]
pub struct Upkeep<'p> {
    partition: &'p Partition,
}

impl Drop for Upkeep<'_> {
    fn drop(&mut self) {
        self.partition.is_in_upkeep.store(false, Ordering::Release);
    }
}

impl Partition {
    /// Begins retention or compaction. `None`: one of them is at work.
    pub fn begin_upkeep(&self) -> Option<Upkeep<'_>> {
        let was = self.is_in_upkeep.swap(true, Ordering::AcqRel);
        (!was).then_some(Upkeep { partition: self })
    }

    /// Whether `cleanup.policy` has `compact`.
    pub fn is_compacted(&self) -> bool {
        self.state.lock().config.log.compact
    }

    /// Whether the log is in use.
    pub fn is_running(&self) -> bool {
        self.state.lock().check_running().is_ok()
    }

    /// Everything below is compacted; `None`: nothing is, as far as is known.
    pub fn cleaned_offset(&self) -> Option<Offset> {
        self.state.lock().log.cleaned_offset()
    }

    /// What is to be compacted: only what is stable, so that all of its transactions have ended. A
    /// cleaned offset that is none of this log's is forgotten. May read the time indexes.
    pub fn clean_target(&self, now: Timestamp) -> Result<CleanTarget, ReplicaError> {
        let (view, cleaned, stable, config) = {
            let state: &State = &self.state.lock();
            state.check_running()?;
            let config = Arc::clone(&state.config);
            let cleaned = state.log.cleaned_offset();
            (state.log.view(), cleaned, state.last_stable_offset, config)
        };
        let part = view.cleanable(cleaned, stable, &config.log, now)?;
        if part.is_reset {
            let start = view.log_start_offset();
            if cleaned.is_some_and(|cleaned| cleaned > start) {
                tracing::warn!(partition = %self.name, ?cleaned, "the cleaned offset is above the end of the log");
            }
            self.state.lock().log.set_cleaned_offset(Some(start));
        }
        Ok(CleanTarget { part, config })
    }
}
