//! What a topic demands of batches that clients append to it.

use crate::config::{CompressionType, TopicConfig};
use crate::records::attributes::TimestampType;
use crate::records::compression::{Compression, CompressionSetting};

/// The configs of a topic, or the broker's defaults, that validation obeys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendPolicy {
    /// `compression.type`; `None` keeps the producer's codec.
    pub compression: Option<CompressionSetting>,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a `CreateTime` may lie in the past, in milliseconds.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far a `CreateTime` may lie in the future, in milliseconds.
    pub timestamp_after_max_ms: i64,
    /// `max.message.bytes`: the largest batch, both as sent and as stored, in bytes.
    pub max_message_bytes: usize,
    /// `segment.bytes`: no batch is larger than a segment.
    pub segment_bytes: usize,
    /// `max.decompressed.message.bytes`: the largest record in a compressed batch.
    pub max_decompressed_message_bytes: usize,
    /// The most bytes that a compressed batch may decompress to: as many as one record may have, or
    /// [`Self::LEAST_MAX_DECOMPRESSED_BATCH_BYTES`] if that is more. Kafka has no such limit; without one,
    /// a few kilobytes may ask for gigabytes of memory and seconds of CPU.
    pub max_decompressed_batch_bytes: usize,
    /// `cleanup.policy` contains `compact`: every record needs a key.
    pub compacted: bool,
}

impl AppendPolicy {
    /// A compressed batch may always decompress to this: a hundred times the default `max.message.bytes`.
    pub const LEAST_MAX_DECOMPRESSED_BATCH_BYTES: usize = 100 << 20;

    /// The policy of a topic with these configs.
    pub fn of(config: &TopicConfig) -> Self {
        let bytes = |value: i32| usize::try_from(value).expect("sizes are checked to be positive");
        let record_limit = bytes(config.max_decompressed_message_bytes);
        Self {
            compression: stored_compression(config),
            timestamp_type: config.message_timestamp_type,
            timestamp_before_max_ms: config.message_timestamp_before_max_ms,
            timestamp_after_max_ms: config.message_timestamp_after_max_ms,
            max_message_bytes: bytes(config.max_message_bytes),
            segment_bytes: bytes(config.segment_size()),
            max_decompressed_message_bytes: record_limit,
            max_decompressed_batch_bytes: record_limit
                .max(Self::LEAST_MAX_DECOMPRESSED_BATCH_BYTES),
            compacted: config.cleanup_policy.compact,
        }
    }
}

impl Default for AppendPolicy {
    /// The policy of a topic without configs of its own, on a broker without any.
    fn default() -> Self {
        Self::of(&TopicConfig::default())
    }
}

fn stored_compression(config: &TopicConfig) -> Option<CompressionSetting> {
    let (codec, level) = match config.compression_type {
        CompressionType::Producer => return None,
        CompressionType::Uncompressed => return Some(CompressionSetting::NONE),
        CompressionType::Snappy => return Some(CompressionSetting::new(Compression::Snappy)),
        CompressionType::Gzip => (Compression::Gzip, config.compression_gzip_level),
        CompressionType::Lz4 => (Compression::Lz4, config.compression_lz4_level),
        CompressionType::Zstd => (Compression::Zstd, config.compression_zstd_level),
    };
    Some(CompressionSetting { codec, level })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_is_kafkas_but_for_the_size_of_what_is_decompressed() {
        let policy = AppendPolicy::default();

        assert_eq!(policy.compression, None);
        assert_eq!(policy.timestamp_type, TimestampType::CreateTime);
        assert_eq!(policy.timestamp_before_max_ms, i64::MAX);
        assert_eq!(policy.timestamp_after_max_ms, 3_600_000);
        assert_eq!(policy.max_message_bytes, (1 << 20) + 12);
        assert_eq!(policy.segment_bytes, 1 << 30);
        assert_eq!(policy.max_decompressed_message_bytes, 100 << 20);
        assert_eq!(policy.max_decompressed_batch_bytes, 100 << 20);
        assert!(!policy.compacted);
    }

    #[test]
    fn codec_of_a_topic_has_the_level_of_its_own_key() {
        let config = TopicConfig {
            compression_type: CompressionType::Zstd,
            compression_zstd_level: -5,
            max_decompressed_message_bytes: 1000,
            ..TopicConfig::default()
        };
        let policy = AppendPolicy::of(&config);

        let setting = CompressionSetting {
            codec: Compression::Zstd,
            level: -5,
        };
        assert_eq!(policy.compression, Some(setting));
        assert_eq!(policy.max_decompressed_message_bytes, 1000);
        assert_eq!(policy.max_decompressed_batch_bytes, 100 << 20);
    }
}
