//! The typed config of a topic: its own values over the broker's.

use std::collections::BTreeMap;

use super::key::Key;
use super::keys;
use super::layers::Layers;
use super::value::{InvalidValue, Value};
use crate::model::BrokerId;

/// Declares [`TopicConfig`]: a field for every topic key.
macro_rules! topic_config {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $name:literal,)*) => {
        /// The config of one topic. Fields are named as their keys, which the table documents.
        #[derive(Clone, Debug, PartialEq)]
        pub struct TopicConfig {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl TopicConfig {
            /// Builds the config of what `value` says for every key.
            fn build(value: impl Fn(&'static Key) -> Option<Value>) -> Self {
                Self { $($field: <$type>::read(value(key($name)).as_ref()),)* }
            }

            /// Sets the field of `key`, whose value was checked.
            fn set(&mut self, key: &Key, value: &Value) {
                match key.name {
                    $($name => self.$field = <$type>::read(Some(value)),)*
                    other => unreachable!("a test sets every topic key, but {other} has no field"),
                }
            }
        }
    };
}

topic_config! {
    /// What becomes of old segments.
    cleanup_policy: CleanupPolicy = "cleanup.policy",
    /// The codec batches are stored in.
    compression_type: CompressionType = "compression.type",
    /// 1 to 9, or -1 for the codec's default.
    compression_gzip_level: i32 = "compression.gzip.level",
    /// 1 to 17.
    compression_lz4_level: i32 = "compression.lz4.level",
    /// -131072 to 22.
    compression_zstd_level: i32 = "compression.zstd.level",
    /// 0 or above.
    delete_retention_ms: i64 = "delete.retention.ms",
    /// Whether share groups may write given-up records here.
    errors_deadletterqueue_group_enable: bool = "errors.deadletterqueue.group.enable",
    /// 0 or above.
    file_delete_delay_ms: i64 = "file.delete.delay.ms",
    /// 1 or above; 1 means that every acknowledged write is synced.
    flush_messages: i64 = "flush.messages",
    /// 0 or above; `i64::MAX` for never.
    flush_ms: i64 = "flush.ms",
    /// The replicas that are throttled when they follow.
    follower_replication_throttled_replicas: ThrottledReplicas =
        "follower.replication.throttled.replicas",
    /// The replicas that are throttled when they lead.
    leader_replication_throttled_replicas: ThrottledReplicas =
        "leader.replication.throttled.replicas",
    /// 0 or above.
    index_interval_bytes: i32 = "index.interval.bytes",
    /// -2 stands for `retention_bytes`.
    local_retention_bytes: i64 = "local.retention.bytes",
    /// -2 stands for `retention_ms`.
    local_retention_ms: i64 = "local.retention.ms",
    /// 1 or above.
    max_compaction_lag_ms: i64 = "max.compaction.lag.ms",
    /// 0 or above.
    min_compaction_lag_ms: i64 = "min.compaction.lag.ms",
    /// 0 to 1.
    min_cleanable_dirty_ratio: f64 = "min.cleanable.dirty.ratio",
    /// 1 or above.
    max_decompressed_message_bytes: i32 = "max.decompressed.message.bytes",
    /// 0 or above.
    max_message_bytes: i32 = "max.message.bytes",
    /// 0 or above.
    message_timestamp_after_max_ms: i64 = "message.timestamp.after.max.ms",
    /// 0 or above.
    message_timestamp_before_max_ms: i64 = "message.timestamp.before.max.ms",
    /// Whose clock a record's time is.
    message_timestamp_type: TimestampType = "message.timestamp.type",
    /// 1 or above.
    min_insync_replicas: i32 = "min.insync.replicas",
    /// Whether a new segment gets all its blocks at once.
    preallocate: bool = "preallocate",
    /// -1: the tiered copy is made when the segment leaves the local disk.
    remote_copy_lag_bytes: i64 = "remote.copy.lag.bytes",
    /// -1: the tiered copy is made when the segment leaves the local disk.
    remote_copy_lag_ms: i64 = "remote.copy.lag.ms",
    /// Whether the tiered part is read only.
    remote_log_copy_disable: bool = "remote.log.copy.disable",
    /// Whether the tiered part is deleted when tiering ends.
    remote_log_delete_on_disable: bool = "remote.log.delete.on.disable",
    /// Whether the topic is tiered.
    remote_storage_enable: bool = "remote.storage.enable",
    /// Negative stands for no limit.
    retention_bytes: i64 = "retention.bytes",
    /// -1 stands for no limit.
    retention_ms: i64 = "retention.ms",
    /// 1 MiB or above. Use [`Self::segment_size`], which the internal key may override.
    segment_bytes: i32 = "segment.bytes",
    /// 4 or above.
    segment_index_bytes: i32 = "segment.index.bytes",
    /// 0 or above.
    segment_jitter_ms: i64 = "segment.jitter.ms",
    /// 1 or above. Use [`Self::max_segment_ms`], which compaction may shorten.
    segment_ms: i64 = "segment.ms",
    /// Whether a replica that is not in sync may lead.
    unclean_leader_election_enable: bool = "unclean.leader.election.enable",
    /// A key for tests; [`Self::segment_size`] has it in.
    internal_segment_bytes: Option<i32> = "internal.segment.bytes",
}

/// What becomes of old segments: they may be deleted, compacted, both, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Whether they are deleted by age and size.
    pub delete: bool,
    /// Whether they are compacted to the last record of each key.
    pub compact: bool,
}

/// The codec batches are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionType {
    /// The codec of the producer.
    Producer,
    /// No codec.
    Uncompressed,
    /// gzip, at `compression.gzip.level`.
    Gzip,
    /// snappy, which has no level.
    Snappy,
    /// lz4, at `compression.lz4.level`.
    Lz4,
    /// zstd, at `compression.zstd.level`.
    Zstd,
}

/// Whose clock gives a record its timestamp (`message.timestamp.type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's clock.
    #[default]
    CreateTime,
    /// The leader's clock at the append: all records of a batch have one timestamp.
    LogAppendTime,
}

/// Replicas whose replication is throttled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThrottledReplicas {
    /// All replicas of the topic.
    All,
    /// These replicas, as partition and broker; none if empty.
    Only(Vec<(i32, BrokerId)>),
}

impl Default for TopicConfig {
    /// The config if nobody sets anything.
    fn default() -> Self {
        Self::build(Key::default_value)
    }
}

impl TopicConfig {
    /// The config of topics without values of their own.
    pub fn of_broker(layers: &Layers<'_>) -> Self {
        Self::build(|key| layers.resource_default(key))
    }

    /// The config of a topic with these values of its own; `self` gives the others.
    ///
    /// A value that is unknown or not allowed is passed over, and returned: another version may have
    /// written it to the metadata log. Alterations are refused earlier, by [`check_overrides`].
    pub fn with_overrides<'a>(
        &self,
        overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> (Self, Vec<InvalidValue>) {
        let mut config = self.clone();
        let mut passed_over = Vec::new();
        for (name, text) in overrides {
            match parse_override(name, text) {
                Ok((key, value)) => config.set(key, &value),
                Err(invalid) => passed_over.push(invalid),
            }
        }
        (config, passed_over)
    }

    /// After how many bytes a new segment begins.
    pub fn segment_size(&self) -> i32 {
        self.internal_segment_bytes.unwrap_or(self.segment_bytes)
    }

    /// The age in milliseconds at which a new segment begins. A compacted log must begin one early enough
    /// to hand its records to the cleaner in time.
    pub fn max_segment_ms(&self) -> i64 {
        if self.cleanup_policy.compact {
            self.segment_ms.min(self.max_compaction_lag_ms)
        } else {
            self.segment_ms
        }
    }
}

/// Checks all of a topic's own values together, as they would be after an alteration. `broker` is the
/// config of topics without values.
///
/// # Errors
/// A key is unknown, a value is not allowed, or two values contradict each other. The error code is
/// `INVALID_CONFIG` for all of them.
pub fn check_overrides<Name: AsRef<str>, Text: AsRef<str>>(
    overrides: &BTreeMap<Name, Text>,
    broker: &TopicConfig,
) -> Result<(), InvalidValue> {
    let overrides = || {
        overrides
            .iter()
            .map(|(name, text)| (name.as_ref(), text.as_ref()))
    };
    for (name, _) in overrides() {
        known(name)?;
    }
    let (config, invalid) = broker.with_overrides(overrides());
    invalid.into_iter().next().map_or(Ok(()), Err)?;
    check_together(&config)
}

fn check_together(config: &TopicConfig) -> Result<(), InvalidValue> {
    let (min, max) = (config.min_compaction_lag_ms, config.max_compaction_lag_ms);
    if min > max {
        let message = format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > \
             max.compaction.lag.ms ({max})"
        );
        return Err(InvalidValue::in_full("min.compaction.lag.ms", message));
    }
    if config.remote_storage_enable {
        let message = "Tiered Storage functionality is disabled in the broker. \
                       Topic cannot be configured with remote log storage.";
        return Err(InvalidValue::in_full(
            "remote.storage.enable",
            message.to_owned(),
        ));
    }
    Ok(())
}

fn parse_override(name: &str, text: &str) -> Result<(&'static Key, Value), InvalidValue> {
    let key = known(name)?;
    Ok((key, key.parse(text)?))
}

fn known(name: &str) -> Result<&'static Key, InvalidValue> {
    keys::topic_key(name)
        .ok_or_else(|| InvalidValue::in_full(name, format!("Unknown topic config name: {name}")))
}

fn key(name: &str) -> &'static Key {
    keys::topic_key(name).expect("a test builds a TopicConfig, which asks for every key")
}

/// The type of a field, read from a value that has passed its key's rule.
trait Field: Sized {
    fn read(value: Option<&Value>) -> Self;
}

const FITS: &str = "the key has a default, and its kind and rule fit the field";

impl Field for bool {
    fn read(value: Option<&Value>) -> Self {
        value.and_then(Value::as_bool).expect(FITS)
    }
}

impl Field for i64 {
    fn read(value: Option<&Value>) -> Self {
        value.and_then(Value::as_i64).expect(FITS)
    }
}

impl Field for i32 {
    fn read(value: Option<&Value>) -> Self {
        i64::read(value).try_into().expect(FITS)
    }
}

impl Field for Option<i32> {
    fn read(value: Option<&Value>) -> Self {
        value.map(|value| i32::read(Some(value)))
    }
}

impl Field for f64 {
    fn read(value: Option<&Value>) -> Self {
        value.and_then(Value::as_f64).expect(FITS)
    }
}

impl Field for CleanupPolicy {
    fn read(value: Option<&Value>) -> Self {
        let entries = value.and_then(Value::as_list).expect(FITS);
        let has = |name: &str| entries.iter().any(|entry| entry == name);
        Self {
            delete: has("delete"),
            compact: has("compact"),
        }
    }
}

impl Field for CompressionType {
    fn read(value: Option<&Value>) -> Self {
        match value.and_then(Value::as_str).expect(FITS) {
            "uncompressed" => Self::Uncompressed,
            "gzip" => Self::Gzip,
            "snappy" => Self::Snappy,
            "lz4" => Self::Lz4,
            "zstd" => Self::Zstd,
            _ => Self::Producer,
        }
    }
}

impl Field for TimestampType {
    fn read(value: Option<&Value>) -> Self {
        match value.and_then(Value::as_str).expect(FITS) {
            "LogAppendTime" => Self::LogAppendTime,
            _ => Self::CreateTime,
        }
    }
}

impl Field for ThrottledReplicas {
    fn read(value: Option<&Value>) -> Self {
        let entries = value.and_then(Value::as_list).expect(FITS);
        if entries.concat() == "*" {
            return Self::All;
        }
        let replica = |entry: &String| {
            let (partition, broker) = entry.split_once(':')?;
            // A number that is too large for a partition or a broker names none.
            Some((partition.parse().ok()?, BrokerId(broker.parse().ok()?)))
        };
        Self::Only(entries.iter().filter_map(replica).collect())
    }
}
