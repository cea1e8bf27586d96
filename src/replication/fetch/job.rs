//! A read that a Fetch has planned, and its outcome; and the limit on all of its reads together.

use std::sync::Arc;

use crate::replication::error::ReplicaError;
use crate::replication::partition::{FetchPlan, FetchedRecords, Partition};

/// How many partitions have records in one answer. Each such partition takes a descriptor until its records
/// are sent, and one answer must not take many of those that there are for all. The others have their turn
/// in the next.
pub const MOST_WITH_RECORDS: usize = 256;

/// What is in an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filled {
    /// The bytes of records.
    pub bytes: u64,
    /// The partitions with records.
    pub partitions: usize,
}

impl Filled {
    /// Whether no more records can be added.
    pub fn is_full(&self, max_bytes: u32) -> bool {
        self.bytes >= u64::from(max_bytes) || self.partitions >= MOST_WITH_RECORDS
    }
}

/// How much the answer may still hold.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    bytes_left: u64,
    partitions_left: usize,
    /// Whether the answer is empty so far: its first batch may exceed the limits on bytes.
    is_untouched: bool,
}

impl Budget {
    /// What is left of `max_bytes`, and of the partitions, for an answer that is filled so far.
    pub fn after(filled: Filled, max_bytes: u32) -> Self {
        Self {
            bytes_left: u64::from(max_bytes).saturating_sub(filled.bytes),
            partitions_left: MOST_WITH_RECORDS.saturating_sub(filled.partitions),
            is_untouched: filled.bytes == 0,
        }
    }

    fn is_spent(&self) -> bool {
        self.partitions_left == 0 || (self.bytes_left == 0 && !self.is_untouched)
    }

    fn spend(&mut self, bytes: usize) {
        if bytes > 0 {
            self.bytes_left = self.bytes_left.saturating_sub(bytes as u64);
            self.partitions_left -= 1;
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
    /// What became of it.
    pub read: Read,
}

/// What became of a read.
pub enum Read {
    /// It was carried out.
    Made(Result<FetchedRecords, ReplicaError>),
    /// The limits of the answer left no room for it.
    NoRoom,
    /// Too many files are lent to answers.
    NoDescriptor,
}

impl Job {
    /// Carries the read out as far as `budget` allows, and takes its records from that. It may do I/O.
    pub fn run(self, budget: &mut Budget) -> Done {
        let read = self.read(budget);
        Done { job: self, read }
    }

    fn read(&self, budget: &mut Budget) -> Read {
        if budget.is_spent() {
            return Read::NoRoom;
        }
        if !self.plan.may_lend() {
            return Read::NoDescriptor;
        }
        let left = u32::try_from(budget.bytes_left).unwrap_or(u32::MAX);
        let limit = left.min(self.max_bytes);
        let read = self.plan.read(limit, budget.is_untouched);
        if let Ok(fetched) = &read {
            budget.spend(fetched.payload.len());
        }
        Read::Made(read.map_err(ReplicaError::from))
    }
}
