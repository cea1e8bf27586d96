//! A read that a Fetch has planned, and its outcome; and the limit on all of its reads together.

use std::sync::Arc;

use crate::replication::error::ReplicaError;
use crate::replication::partition::{FetchPlan, FetchedRecords, Partition};

/// How many bytes the answer may still hold.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
    /// Whether the answer is empty so far: its first batch may exceed all limits.
    is_untouched: bool,
}

impl Budget {
    /// The rest of `max_bytes` when `spent` bytes are in the answer.
    pub fn after(spent: u64, max_bytes: u32) -> Self {
        Self {
            left: u64::from(max_bytes).saturating_sub(spent),
            is_untouched: spent == 0,
        }
    }

    fn spend(&mut self, bytes: usize) {
        if bytes > 0 {
            self.left = self.left.saturating_sub(bytes as u64);
            self.is_untouched = false;
        }
    }
}

/// A read that was planned.
pub struct Job {
    /// The index of its item.
    pub index: usize,
    /// The partition to read.
    pub partition: Arc<Partition>,
    /// The partition's offsets, and what to read.
    pub plan: FetchPlan,
    /// The limit on bytes for this partition.
    pub max_bytes: u32,
}

/// The outcome of a [`Job`].
pub struct Done {
    /// The job that was run.
    pub job: Job,
    /// What was read; `None` if the limits left no room to read.
    pub read: Option<Result<FetchedRecords, ReplicaError>>,
}

impl Job {
    /// Carries the read out as far as `budget` allows, and takes its bytes from that. It may do I/O.
    pub fn run(self, budget: &mut Budget) -> Done {
        if budget.left == 0 && !budget.is_untouched {
            return Done {
                job: self,
                read: None,
            };
        }
        let left = u32::try_from(budget.left).unwrap_or(u32::MAX);
        let limit = left.min(self.max_bytes);
        let read = self.plan.read(limit, budget.is_untouched);
        if let Ok(fetched) = &read {
            budget.spend(fetched.payload.len());
        }
        Done {
            job: self,
            read: Some(read.map_err(ReplicaError::from)),
        }
    }
}
