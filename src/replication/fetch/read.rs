//! Carries out the reads of a Fetch within its limits: at once if the places to read can be found in
//! memory, otherwise on a thread that may wait for the disk.

use super::job::{Budget, Done, Job, Read};
use crate::replication::error::ReplicaError;
use crate::storage::disk::without_waiting;
use crate::storage::error::StorageError;

/// Carries out the reads in order: on this thread, as long as what they need is in memory.
pub async fn read_all(jobs: Vec<Job>, mut budget: Budget) -> Vec<Done> {
    let mut done = Vec::with_capacity(jobs.len());
    let mut jobs = jobs.into_iter();
    let must_wait = without_waiting(|| {
        jobs.by_ref()
            .find_map(|job| push_unless_waiting(job.run(&mut budget), &mut done))
    });
    let Some(first) = must_wait else {
        return done;
    };
    // Finding the place to read needs the disk, for its index or for batches.
    let rest: Vec<Job> = std::iter::once(first).chain(jobs).collect();
    let read = tokio::task::spawn_blocking(move || {
        let read = rest.into_iter().map(|job| job.run(&mut budget));
        read.collect::<Vec<_>>()
    });
    done.extend(
        read.await
            .expect("a read does not panic, and is not cancelled"),
    );
    done
}

/// Keeps what was read. Gives the job back if the read would have to wait.
fn push_unless_waiting(one: Done, done: &mut Vec<Done>) -> Option<Job> {
    if let Read::Made(Err(ReplicaError::Storage(StorageError::WouldWait))) = one.read {
        return Some(one.job);
    }
    done.push(one);
    None
}
