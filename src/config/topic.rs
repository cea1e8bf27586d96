//! What holds for one topic: its own values over the broker's, each with its type.

use std::collections::BTreeMap;

use super::key::Key;
use super::keys;
use super::layers::Layers;
use super::value::{InvalidValue, Value};
use crate::model::BrokerId;

/// Declares [`TopicConfig`]: a field for every topic key.
macro_rules! topic_config {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $name:literal,)*) => {
        /// What holds for one topic. Fields are named as the keys, which are documented in the
        /// table.
        #[derive(Clone, Debug, PartialEq)]
        pub struct TopicConfig {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl TopicConfig {
            /// Asks `value` for every key.
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
    /// Throttled on the follower's side.
    follower_replication_throttled_replicas: ThrottledReplicas =
        "follower.replication.throttled.replicas",
    /// Throttled on the leader's side.
    leader_replication_throttled_replicas: ThrottledReplicas =
        "leader.replication.throttled.replicas",
    /// 0 or above.
    index_interval_bytes: i32 = "index.interval.bytes",
    /// -2 for `retention_bytes`.
    local_retention_bytes: i64 = "local.retention.bytes",
    /// -2 for `retention_ms`.
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
    /// -1 for when it leaves local disk.
    remote_copy_lag_bytes: i64 = "remote.copy.lag.bytes",
    /// -1 for when it leaves local disk.
    remote_copy_lag_ms: i64 = "remote.copy.lag.ms",
    /// Whether the tiered part is read only.
    remote_log_copy_disable: bool = "remote.log.copy.disable",
    /// Whether the tiered part is deleted when tiering ends.
    remote_log_delete_on_disable: bool = "remote.log.delete.on.disable",
    /// Whether the topic is tiered.
    remote_storage_enable: bool = "remote.storage.enable",
    /// Negative for no limit.
    retention_bytes: i64 = "retention.bytes",
    /// -1 for ever.
    retention_ms: i64 = "retention.ms",
    /// 1 MiB or above; what counts is [`Self::segment_size`].
    segment_bytes: i32 = "segment.bytes",
    /// 4 or above.
    segment_index_bytes: i32 = "segment.index.bytes",
    /// 0 or above.
    segment_jitter_ms: i64 = "segment.jitter.ms",
    /// 1 or above; what counts is [`Self::max_segment_ms`].
    segment_ms: i64 = "segment.ms",
    /// Whether a replica that is not in sync may lead.
    unclean_leader_election_enable: bool = "unclean.leader.election.enable",
    /// For tests; what counts is [`Self::segment_size`].
    internal_segment_bytes: Option<i32> = "internal.segment.bytes",
}

/// What becomes of old segments: they may be deleted, compacted, both, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// By age and size.
    pub delete: bool,
    /// To the last record of each key.
    pub compact: bool,
}

/// The codec batches are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionType {
    /// Whatever the producer chose.
    Producer,
    /// None.
    Uncompressed,
    /// With `compression.gzip.level`.
    Gzip,
    /// Without a level.
    Snappy,
    /// With `compression.lz4.level`.
    Lz4,
    /// With `compression.zstd.level`.
    Zstd,
}

/// Whose clock a record's time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, when it appends.
    LogAppendTime,
}

/// Replicas whose replication is throttled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThrottledReplicas {
    /// All of the topic.
    All,
    /// These, as partition and broker; none if empty.
    Only(Vec<(i32, BrokerId)>),
}

impl Default for TopicConfig {
    /// What holds if nobody sets anything.
    fn default() -> Self {
        Self::build(Key::default_value)
    }
}

impl TopicConfig {
    /// What holds for topics without values of their own.
    pub fn of_broker(layers: &Layers<'_>) -> Self {
        Self::build(|key| layers.resource_default(key))
    }

    /// What holds for a topic with these values of its own, where `self` holds for the others.
    ///
    /// A value that is unknown or not allowed is passed over and returned: the metadata log may
    /// have been written by another version. Alterations are refused earlier, by
    /// [`check_overrides`].
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

    /// Bytes after which a new segment is begun.
    pub fn segment_size(&self) -> i32 {
        self.internal_segment_bytes.unwrap_or(self.segment_bytes)
    }

    /// Age in milliseconds at which a new segment is begun: a compacted log also has to hand its
    /// records to the cleaner in time.
    pub fn max_segment_ms(&self) -> i64 {
        if self.cleanup_policy.compact {
            self.segment_ms.min(self.max_compaction_lag_ms)
        } else {
            self.segment_ms
        }
    }
}

/// Checks all of a topic's own values together, as they would be after an alteration; `broker` is
/// what holds for topics without.
///
/// # Errors
/// A key is unknown, a value is not allowed, or two values contradict each other. The code for all
/// of them is `INVALID_CONFIG`.
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

/// A field's type, read from a value that its key's rule has let pass.
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
            // A number too large for a partition or a broker names none.
            Some((partition.parse().ok()?, BrokerId(broker.parse().ok()?)))
        };
        Self::Only(entries.iter().filter_map(replica).collect())
    }
}
