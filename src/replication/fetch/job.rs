//! A read that a Fetch has planned, and what became of it; how much all of them may read together.

use std::sync::Arc;

use crate::replication::error::ReplicaError;
use crate::replication::partition::{FetchPlan, FetchedRecords, Partition};

/// What the answer may still hold.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
    /// Nothing is in it yet: the first batch may be larger than all limits.
    is_untouched: bool,
}

impl Budget {
    /// What `max_bytes` leave once `spent` bytes are in the answer.
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
    /// The place of its item.
    pub index: usize,
    /// What is read.
    pub partition: Arc<Partition>,
    /// Where it stands, and what there is to read.
    pub plan: FetchPlan,
    /// The limit for this partition.
    pub max_bytes: u32,
}

/// What became of a [`Job`].
pub struct Done {
    /// The job.
    pub job: Job,
    /// `None`: the limits left no room to look.
    pub read: Option<Result<FetchedRecords, ReplicaError>>,
}

impl Job {
    /// Carries out the read as far as `budget` allows, which it takes its bytes from. May do I/O.
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
