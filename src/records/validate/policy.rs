//! What a topic asks of the batches that clients append to it.

use crate::records::attributes::TimestampType;
use crate::records::compression::CompressionSetting;

/// The configs of a topic, or the broker's defaults, that validation obeys.
#[derive(Clone, Debug)]
pub struct AppendPolicy {
    /// `compression.type`: `None` keeps the producer's codec.
    pub compression: Option<CompressionSetting>,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a `CreateTime` may lie in the past.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far it may lie in the future.
    pub timestamp_after_max_ms: i64,
    /// `max.message.bytes`: the largest batch, as sent and as stored.
    pub max_message_bytes: usize,
    /// `segment.bytes`: no batch is larger than a segment.
    pub segment_bytes: usize,
    /// `max.decompressed.message.bytes`: the largest record in a compressed batch.
    pub max_decompressed_message_bytes: usize,
    /// The largest compressed batch after decompression. Kafka has no such limit; without one a
    /// few kilobytes may ask for gigabytes of memory and seconds of CPU.
    pub max_decompressed_batch_bytes: usize,
    /// `cleanup.policy` contains `compact`: every record needs a key.
    pub compacted: bool,
}

impl AppendPolicy {
    /// What a compressed batch may grow to when nothing else is said: a hundred times the
    /// default `max.message.bytes`.
    pub const DEFAULT_MAX_DECOMPRESSED_BATCH_BYTES: usize = 100 << 20;
}

impl Default for AppendPolicy {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            compression: None,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 60 * 60 * 1000,
            max_message_bytes: (1 << 20) + 12,
            segment_bytes: 1 << 30,
            max_decompressed_message_bytes: i32::MAX as usize - 8,
            max_decompressed_batch_bytes: Self::DEFAULT_MAX_DECOMPRESSED_BATCH_BYTES,
            compacted: false,
        }
    }
}
