//! How a producer works.

use std::time::Duration;

use super::accumulator::BatchLimits;

/// How a producer works, by the names of Kafka's configs.
#[derive(Clone, Debug)]
pub struct ProducerSettings {
    /// `acks`: 0, 1, or -1 for all.
    pub acks: i16,
    /// `enable.idempotence`. It needs `acks` of all.
    pub is_idempotent: bool,
    /// `batch.size`, `linger.ms`, `compression.type`.
    pub limits: BatchLimits,
    /// `buffer.memory`.
    pub buffer_memory: usize,
    /// `max.request.size`.
    pub max_request_size: usize,
    /// `max.block.ms`.
    pub max_block: Duration,
    /// `retries`.
    pub retries: u32,
    /// `retry.backoff.ms`.
    pub retry_backoff: Duration,
    /// `delivery.timeout.ms`.
    pub delivery_timeout: Duration,
    /// Whether [`super::Producer::take_arrived`] is asked for what has arrived.
    pub tells_arrivals: bool,
}
