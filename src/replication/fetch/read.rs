//! Carrying out the reads of a Fetch within its limits: at once if the places to read can be found
//! in memory, else on a thread that may wait for the disk.

use std::sync::Arc;

use crate::replication::error::ReplicaError;
use crate::replication::partition::{FetchPlan, FetchedRecords, Partition};
use crate::storage::disk::without_waiting;
use crate::storage::error::StorageError;

/// What the answer may still hold.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
    /// Nothing is in it yet: the first batch may be larger than all limits.
    is_untouched: bool,
}

impl Budget {
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
    pub partition: Arc<Partition>,
    pub plan: FetchPlan,
    /// The limit for this partition.
    pub max_bytes: u32,
}

/// What became of a [`Job`].
pub struct Done {
    pub job: Job,
    /// `None`: the limits left no room to look.
    pub read: Option<Result<FetchedRecords, ReplicaError>>,
}

/// Carries out the reads in order: here, as long as what they need is in memory.
pub async fn read_all(jobs: Vec<Job>, mut budget: Budget) -> Vec<Done> {
    let mut done = Vec::with_capacity(jobs.len());
    let mut jobs = jobs.into_iter();
    let must_wait = without_waiting(|| {
        jobs.by_ref()
            .find_map(|job| read_one(job, &mut budget).push_unless_waiting(&mut done))
    });
    let Some(first) = must_wait else {
        return done;
    };
    // Finding its place needs the disk: its index, and batches.
    let rest: Vec<Job> = std::iter::once(first).chain(jobs).collect();
    let read = tokio::task::spawn_blocking(move || {
        let read = rest.into_iter().map(|job| read_one(job, &mut budget));
        read.collect::<Vec<_>>()
    });
    done.extend(
        read.await
            .expect("a read does not panic, and is not cancelled"),
    );
    done
}

impl Done {
    /// Keeps what was read; gives the job back if the read would have to wait.
    fn push_unless_waiting(self, done: &mut Vec<Self>) -> Option<Job> {
        if let Some(Err(ReplicaError::Storage(StorageError::WouldWait))) = self.read {
            return Some(self.job);
        }
        done.push(self);
        None
    }
}

fn read_one(job: Job, budget: &mut Budget) -> Done {
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
}
