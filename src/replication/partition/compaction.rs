//! What of a partition should be compacted, and the right to work on its log.

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
    /// The settings by which that was decided.
    pub config: Arc<PartitionConfig>,
}

/// The right to delete or compact segments of a log. One thread at a time has it, until it is dropped.
#[derive(Debug)]
pub struct UpkeepRight<'p> {
    partition: &'p Partition,
}

impl Drop for UpkeepRight<'_> {
    fn drop(&mut self) {
        self.partition.is_in_upkeep.store(false, Ordering::Release);
    }
}

impl Partition {
    /// Takes the right to delete or compact segments; `None` if another has it.
    pub fn begin_upkeep(&self) -> Option<UpkeepRight<'_>> {
        let was = self.is_in_upkeep.swap(true, Ordering::AcqRel);
        (!was).then_some(UpkeepRight { partition: self })
    }

    /// Whether `cleanup.policy` contains `compact`.
    pub fn is_compacted(&self) -> bool {
        self.state.lock().config.log.compact
    }

    /// Whether the log is in use.
    pub fn is_running(&self) -> bool {
        self.state.lock().check_running().is_ok()
    }

    /// The offset below which the log is compacted; `None` if that is not known.
    pub fn cleaned_offset(&self) -> Option<Offset> {
        self.state.lock().log.cleaned_offset()
    }

    /// What should be compacted: only what is stable, so that all of its transactions have ended. A cleaned
    /// offset that does not fit this log is forgotten. It may read the time indexes.
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
