//! Metrics of what is appended to the partitions that this broker leads, and fetched from them.

use super::metrics::{bytes, count};
use super::registry::Registry;
use super::striped::Count;
use super::waits::Waits;

/// What is appended and fetched.
#[derive(Debug)]
pub struct TrafficMetrics {
    /// Batches appended.
    pub appended_batches: Count,
    /// Records appended.
    pub appended_records: Count,
    /// Bytes appended.
    pub appended_bytes: Count,
    /// Batches that were sent again, and are in their log already.
    pub repeated_batches: Count,
    /// Batches that were refused.
    pub refused_batches: Count,
    /// Bytes of batches that were refused as too large.
    pub oversized_bytes: Count,
    /// Reads of partitions that were answered, for consumers and followers.
    pub fetched_partitions: Count,
    /// Of those, reads that were refused.
    pub refused_fetches: Count,
    /// Bytes of records that consumers were sent.
    pub fetched_bytes: Count,
    /// Produce requests that wait for replicas or for a sync.
    pub waiting_produces: Waits,
    /// Fetches that wait for records.
    pub waiting_fetches: Waits,
}

impl TrafficMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        Self {
            appended_batches: count(registry, "appended_batches", "Batches appended"),
            appended_records: count(registry, "appended_records", "Records appended"),
            appended_bytes: bytes(registry, "appended", "Bytes appended"),
            repeated_batches: count(
                registry,
                "repeated_batches",
                "Batches that were in their log already",
            ),
            refused_batches: count(registry, "refused_batches", "Batches refused"),
            oversized_bytes: bytes(registry, "oversized", "Bytes of batches that are too large"),
            fetched_partitions: count(
                registry,
                "fetched_partitions",
                "Reads of partitions, by consumers and followers",
            ),
            refused_fetches: count(registry, "refused_fetches", "Reads of partitions refused"),
            fetched_bytes: bytes(registry, "fetched", "Bytes of records sent to consumers"),
            waiting_produces: Waits::default(),
            waiting_fetches: Waits::default(),
        }
    }
}
