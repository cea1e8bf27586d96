//! Carrying out the reads of a Fetch within its limits, on a thread that may block if a place far
//! behind the end of a log must be looked for.

use std::sync::Arc;

use super::error::ReplicaError;
use super::partition::{FetchPlan, FetchedRecords, Partition};

/// What the answer may still hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    left: u64,
    /// Nothing is in it yet: the first batch may be larger than all limits.
    is_untouched: bool,
}

impl Budget {
    pub(super) fn after(spent: u64, max_bytes: u32) -> Self {
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
pub(super) struct Job {
    /// The place of its item.
    pub(super) index: usize,
    pub(super) partition: Arc<Partition>,
    pub(super) plan: FetchPlan,
    /// The limit for this partition.
    pub(super) max_bytes: u32,
}

/// What became of a [`Job`].
pub(super) struct Done {
    pub(super) job: Job,
    /// `None`: the limits left no room to look.
    pub(super) read: Option<Result<FetchedRecords, ReplicaError>>,
}

/// Carries out the reads in order.
pub(super) async fn read_all(jobs: Vec<Job>, budget: Budget) -> Vec<Done> {
    if jobs.iter().all(|job| job.plan.is_near_end()) {
        return read_here(jobs, budget);
    }
    // Finding the place may need the disk: its index, and batches.
    let read = tokio::task::spawn_blocking(move || read_here(jobs, budget)).await;
    read.expect("a read does not panic, and is not cancelled")
}

fn read_here(jobs: Vec<Job>, mut budget: Budget) -> Vec<Done> {
    let read_one = |job: Job| {
        if budget.left == 0 && !budget.is_untouched {
            return Done { job, read: None };
        }
        let limit = u32::try_from(budget.left)
            .unwrap_or(u32::MAX)
            .min(job.max_bytes);
        let read = job.plan.read(limit, budget.is_untouched);
        if let Ok(fetched) = &read {
            budget.spend(fetched.payload.len());
        }
        Done {
            read: Some(read.map_err(ReplicaError::from)),
            job,
        }
    };
    jobs.into_iter().map(read_one).collect()
}
