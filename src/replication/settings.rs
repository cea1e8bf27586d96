//! The settings of a broker's replicas, and of a topic's partitions, from the config.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{BrokerConfig, StorageConfig, TopicConfig};
use crate::model::BrokerId;
use crate::records::validate::AppendPolicy;
use crate::replication::partition::{PartitionConfig, ThrottledPartitions};
use crate::storage::log_config::LogConfig;
use crate::telemetry::LogGate;

/// Told of at every look at such a topic's settings.
static PASSED_OVER: LogGate = LogGate::new();

/// The settings of a broker's replicas.
#[derive(Clone, Debug)]
pub struct ReplicaSettings {
    /// `node.id`.
    pub node_id: BrokerId,
    /// Log directories and housekeeping.
    pub storage: StorageConfig,
    /// The config of topics without values of their own.
    pub topic_defaults: TopicConfig,
    /// `replica.lag.time.max.ms`.
    pub max_lag: Duration,
    /// `transaction.partition.verification.enable`: whether a transaction opens in a partition only after
    /// its coordinator has confirmed it.
    pub verifies_transactions: bool,
    /// `max.incremental.fetch.session.cache.slots`.
    pub max_fetch_sessions: usize,
    /// How this broker's followers fetch.
    pub follower: FollowerSettings,
}

/// How followers fetch from their leaders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowerSettings {
    /// The listener over which brokers speak to each other.
    pub listener: Arc<str>,
    /// `num.replica.fetchers`: for each leader, 1 or above.
    pub num_replica_fetchers: usize,
    /// `replica.fetch.wait.max.ms`.
    pub max_wait_ms: i32,
    /// `replica.fetch.min.bytes`.
    pub min_bytes: i32,
    /// `replica.fetch.max.bytes`.
    pub partition_max_bytes: i32,
    /// `replica.fetch.response.max.bytes`.
    pub response_max_bytes: i32,
    /// `replica.fetch.backoff.ms`.
    pub backoff: Duration,
    /// `replica.socket.timeout.ms`.
    pub socket_timeout: Duration,
}

impl FollowerSettings {
    fn of(config: &BrokerConfig) -> Self {
        let replication = &config.replication;
        let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        Self {
            listener: Arc::from(&*config.network.listeners.to_brokers),
            num_replica_fetchers: usize::try_from(replication.num_replica_fetchers).unwrap_or(1),
            max_wait_ms: replication.replica_fetch_wait_max_ms,
            min_bytes: replication.replica_fetch_min_bytes,
            partition_max_bytes: replication.replica_fetch_max_bytes,
            response_max_bytes: replication.replica_fetch_response_max_bytes,
            backoff: millis(replication.replica_fetch_backoff_ms),
            socket_timeout: millis(replication.replica_socket_timeout_ms),
        }
    }
}

impl ReplicaSettings {
    /// The settings in the broker's config.
    pub fn of(config: &BrokerConfig) -> Self {
        let sessions = config.topics.max_incremental_fetch_session_cache_slots;
        Self {
            node_id: config.node.node_id,
            storage: config.storage.clone(),
            topic_defaults: config.topic_defaults.clone(),
            // Nobody lags by less than nothing.
            max_lag: Duration::from_millis(
                u64::try_from(config.storage.replica_lag_time_max_ms).unwrap_or(0),
            ),
            // The key will act once transactions are served.
            verifies_transactions: false,
            max_fetch_sessions: usize::try_from(sessions).unwrap_or(0),
            follower: FollowerSettings::of(config),
        }
    }

    /// The settings of a topic's partitions, with the topic's own values. Values that are not allowed are
    /// passed over: they were refused when they were set, unless another version set them.
    pub fn of_topic<'a>(
        &self,
        overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Arc<PartitionConfig> {
        let (topic, passed_over) = self.topic_defaults.with_overrides(overrides);
        for invalid in passed_over {
            if let Some(suppressed) = PASSED_OVER.pass() {
                tracing::warn!(%invalid, suppressed, "passing over a topic's setting");
            }
        }
        Arc::new(PartitionConfig {
            log: Arc::new(self.log_config(&topic)),
            append: AppendPolicy::of(&topic),
            min_insync_replicas: topic.min_insync_replicas,
            max_lag: self.max_lag,
            verifies_transactions: self.verifies_transactions,
            throttled_as_leader: ThrottledPartitions::of(
                &topic.leader_replication_throttled_replicas,
                self.node_id,
            ),
            throttled_as_follower: ThrottledPartitions::of(
                &topic.follower_replication_throttled_replicas,
                self.node_id,
            ),
        })
    }

    fn log_config(&self, topic: &TopicConfig) -> LogConfig {
        LogConfig {
            segment_bytes: unsigned(topic.segment_size()),
            segment_ms: topic.max_segment_ms(),
            segment_jitter_ms: topic.segment_jitter_ms,
            segment_index_bytes: unsigned(topic.segment_index_bytes),
            index_interval_bytes: unsigned(topic.index_interval_bytes),
            compact: topic.cleanup_policy.compact,
            delete_retention_ms: topic.delete_retention_ms,
            min_compaction_lag_ms: topic.min_compaction_lag_ms,
            max_compaction_lag_ms: topic.max_compaction_lag_ms,
            // The key's rule keeps it between 0 and 1.
            min_cleanable_ppm: (topic.min_cleanable_dirty_ratio * 1e6) as u32,
            delete: topic.cleanup_policy.delete,
            retention_ms: topic.retention_ms,
            retention_bytes: topic.retention_bytes,
            file_delete_delay_ms: topic.file_delete_delay_ms,
            flush_messages: topic.flush_messages,
            flush_ms: topic.flush_ms,
            preallocate: topic.preallocate,
            producer_id_expiration_ms: i64::from(self.storage.producer_id_expiration_ms),
        }
    }
}

/// A number whose key allows no negative values.
fn unsigned(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, Settings};

    fn settings() -> ReplicaSettings {
        let nothing = Settings::default();
        ReplicaSettings::of(&BrokerConfig::read(&Layers::of(&nothing)).unwrap())
    }

    #[test]
    fn a_topics_values_are_laid_over_the_brokers() {
        let config = settings().of_topic([("retention.ms", "1000"), ("min.insync.replicas", "2")]);

        assert_eq!(config.log.retention_ms, 1_000);
        assert_eq!(config.min_insync_replicas, 2);
        assert_eq!(config.log.segment_bytes, 1 << 30);
        assert!(!config.syncs_writes());
    }

    #[test]
    fn records_of_a_topic_that_is_only_compacted_are_not_deleted_from_the_front() {
        let deletes = |policy| {
            settings()
                .of_topic([("cleanup.policy", policy)])
                .deletes_records()
        };

        assert!(deletes("delete") && deletes("compact,delete"));
        assert!(!deletes("compact"));
    }

    #[test]
    fn a_value_that_is_not_allowed_is_passed_over() {
        let config = settings().of_topic([("flush.messages", "never"), ("flush.ms", "5")]);

        assert_eq!(
            (config.log.flush_messages, config.log.flush_ms),
            (i64::MAX, 5)
        );
    }
}
