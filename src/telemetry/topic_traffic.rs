//! What clients and coordinators write to the replicas of one topic that are here, and what consumers read of
//! them. The partitions of a topic share it; it begins at zero when the first of them comes.

use std::sync::atomic::{AtomicU64, Ordering};

/// The traffic of a topic on this broker. Aligned so that two topics share no line of a cache.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct TopicTraffic {
    records_in: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    bytes_rejected: AtomicU64,
    produces: AtomicU64,
    failed_produces: AtomicU64,
    fetches: AtomicU64,
    failed_fetches: AtomicU64,
}

/// The numbers of a topic's traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficCounts {
    /// Records that were appended (`MessagesInPerSec`).
    pub records_in: u64,
    /// Bytes of batches that were appended (`BytesInPerSec`).
    pub bytes_in: u64,
    /// Bytes of records that consumers were sent (`BytesOutPerSec`).
    pub bytes_out: u64,
    /// Bytes of batches that are too large (`BytesRejectedPerSec`).
    pub bytes_rejected: u64,
    /// Batches that were to be appended (`TotalProduceRequestsPerSec`).
    pub produces: u64,
    /// Of those, batches that were refused (`FailedProduceRequestsPerSec`).
    pub failed_produces: u64,
    /// Reads of partitions, by consumers and followers (`TotalFetchRequestsPerSec`).
    pub fetches: u64,
    /// Of those, reads that were refused (`FailedFetchRequestsPerSec`).
    pub failed_fetches: u64,
}

impl TopicTraffic {
    /// Notes a batch that was appended.
    pub fn appended(&self, records: u64, bytes: u64) {
        add(&self.records_in, records);
        add(&self.bytes_in, bytes);
        add(&self.produces, 1);
    }

    /// Notes a batch that is in the log already.
    pub fn repeated(&self) {
        add(&self.produces, 1);
    }

    /// Notes a batch that was refused; `too_large` are its bytes, if that was the reason.
    pub fn refused(&self, too_large: u64) {
        add(&self.produces, 1);
        add(&self.failed_produces, 1);
        add(&self.bytes_rejected, too_large);
    }

    /// Notes a read; `bytes` are those that a consumer is sent.
    pub fn fetched(&self, bytes: u64) {
        add(&self.fetches, 1);
        add(&self.bytes_out, bytes);
    }

    /// Notes a read that was refused.
    pub fn fetch_refused(&self) {
        add(&self.fetches, 1);
        add(&self.failed_fetches, 1);
    }

    /// The numbers so far.
    pub fn counts(&self) -> TrafficCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TrafficCounts {
            records_in: read(&self.records_in),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            bytes_rejected: read(&self.bytes_rejected),
            produces: read(&self.produces),
            failed_produces: read(&self.failed_produces),
            fetches: read(&self.fetches),
            failed_fetches: read(&self.failed_fetches),
        }
    }
}

/// What is zero costs nothing.
fn add(count: &AtomicU64, more: u64) {
    if more > 0 {
        count.fetch_add(more, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_and_repeated_counts_as_produced() {
        let traffic = TopicTraffic::default();

        traffic.appended(3, 100);
        traffic.repeated();
        traffic.refused(0);
        traffic.refused(70);
        traffic.fetched(40);
        traffic.fetched(0);
        traffic.fetch_refused();

        let expected = TrafficCounts {
            records_in: 3,
            bytes_in: 100,
            bytes_out: 40,
            bytes_rejected: 70,
            produces: 4,
            failed_produces: 2,
            fetches: 3,
            failed_fetches: 1,
        };
        assert_eq!(traffic.counts(), expected);
    }
}
