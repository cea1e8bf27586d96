//! What a producer tells of records that it has sent.

use super::accumulator::{Batch, RecordSizes};
use crate::protocol::Str;

/// Records that have not arrived, and will not.
#[derive(Debug)]
pub struct Lost {
    /// The topic they were for.
    pub topic: Str,
    /// The sizes of each.
    pub records: Vec<RecordSizes>,
    /// Why, in words.
    pub reason: String,
}

/// What a producer has done since it began.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProducerCounts {
    /// Requests that were sent.
    pub requests: u64,
    /// Batches that have arrived.
    pub batches: u64,
    /// Bytes of these, before compression.
    pub batch_bytes: u64,
    /// Bytes of the largest of these, before compression.
    pub max_batch_bytes: u64,
    /// Records that have arrived.
    pub records: u64,
    /// Records that were sent again.
    pub retried_records: u64,
    /// Records that were lost.
    pub lost_records: u64,
}

impl ProducerCounts {
    pub(super) fn note_arrival(&mut self, batch: &Batch) {
        let bytes = batch.size() as u64;
        self.batches += 1;
        self.batch_bytes += bytes;
        self.max_batch_bytes = self.max_batch_bytes.max(bytes);
        self.records += batch.records.len() as u64;
    }
}
