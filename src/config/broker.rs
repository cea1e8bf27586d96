//! The typed config of a broker: a struct for each part of it that reads config.
//!
//! There is a field only for a key on which something acts. It is named as its key, with dots turned into
//! underscores, and the table documents it. To change a key while the broker runs, another view is built
//! from the changed layers.

use super::admin::AdminConfig;
use super::check;
use super::cordon;
use super::group_coordinator::GroupCoordinatorConfig;
use super::layers::Layers;
use super::listeners::Listeners;
use super::membership::Membership;
use super::network::NetworkConfig;
use super::node::{NodeConfig, QuorumConfig};
use super::quotas::QuotaConfig;
use super::replication::ReplicationConfig;
use super::storage::{MetadataLogConfig, StorageConfig};
use super::topic::TopicConfig;
use super::value::InvalidValue;
use super::view::View;

/// The config of this broker, as all layers together give it.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerConfig {
    /// The identity of this node.
    pub node: NodeConfig,
    /// The time-outs of the quorum and of brokers' sessions.
    pub quorum: QuorumConfig,
    /// Listeners, connections, memory for requests.
    pub network: NetworkConfig,
    /// Metrics and health by HTTP.
    pub admin: AdminConfig,
    /// How quotas are measured.
    pub quotas: QuotaConfig,
    /// Directories and housekeeping of logs.
    pub storage: StorageConfig,
    /// The metadata log.
    pub metadata_log: MetadataLogConfig,
    /// Topics in general, and the requests that read them.
    pub topics: TopicsConfig,
    /// How followers fetch.
    pub replication: ReplicationConfig,
    /// The group coordinator.
    pub groups: GroupCoordinatorConfig,
    /// Log lines.
    pub logging: LoggingConfig,
    /// The metrics that clients push.
    pub client_metrics: ClientTelemetryConfig,
    /// The config of topics without values of their own.
    pub topic_defaults: TopicConfig,
}

/// Topics in general, and the requests that read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicsConfig {
    /// Whether a Metadata request creates the topics that it names.
    pub auto_create_topics_enable: bool,
    /// How many topics one such request may create: 1 or above.
    pub auto_create_topics_per_request_max: i32,
    /// Whether topics can be deleted.
    pub delete_topic_enable: bool,
    /// 1 or above.
    pub num_partitions: i32,
    /// The replicas of topics that are created without a number.
    pub default_replication_factor: i32,
    /// 1024 or above.
    pub fetch_max_bytes: i32,
    /// 0 or above.
    pub max_incremental_fetch_session_cache_slots: i32,
    /// 1 or above.
    pub max_request_partition_size_limit: i32,
}

/// Log lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggingConfig {
    /// Whether lines are for people or for machines.
    pub logging_format: LoggingFormat,
    /// The least severe level to write, for all lines or for those of single modules.
    pub logging_level: String,
}

/// The metrics that clients push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientTelemetryConfig {
    /// The most bytes of one push, compressed: 1 or above.
    pub telemetry_max_bytes: i32,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggingFormat {
    /// Text for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl BrokerConfig {
    /// Reads the config from the layers, and checks its values against each other.
    ///
    /// # Errors
    /// Two values contradict each other, or ask for something that is not built yet.
    pub fn read(layers: &Layers<'_>) -> Result<Self, InvalidValue> {
        let view = View { layers: *layers };
        let topic_defaults = TopicConfig::of_broker(layers);
        check::together(&view, &topic_defaults)?;
        let membership = Membership::read(&view)?;
        let listeners = Listeners::read(&view, &membership)?;
        let storage = StorageConfig::read(&view);
        cordon::check(&view, &storage.log_dirs)?;
        Ok(Self {
            node: NodeConfig::read(&view, membership, &listeners)?,
            quorum: QuorumConfig::read(&view),
            network: NetworkConfig::read(&view, listeners)?,
            admin: AdminConfig::read(&view)?,
            quotas: QuotaConfig::read(&view),
            metadata_log: MetadataLogConfig::read(&view, &storage),
            storage,
            topics: TopicsConfig::read(&view),
            replication: ReplicationConfig::read(&view),
            groups: GroupCoordinatorConfig::read(&view),
            logging: LoggingConfig::read(&view)?,
            client_metrics: ClientTelemetryConfig {
                telemetry_max_bytes: view.int("telemetry.max.bytes"),
            },
            topic_defaults,
        })
    }
}

impl TopicsConfig {
    fn read(view: &View<'_>) -> Self {
        Self {
            auto_create_topics_enable: view.bool("auto.create.topics.enable"),
            auto_create_topics_per_request_max: view.int("auto.create.topics.per.request.max"),
            delete_topic_enable: view.bool("delete.topic.enable"),
            num_partitions: view.int("num.partitions"),
            default_replication_factor: view.int("default.replication.factor"),
            fetch_max_bytes: view.int("fetch.max.bytes"),
            max_incremental_fetch_session_cache_slots: view
                .int("max.incremental.fetch.session.cache.slots"),
            max_request_partition_size_limit: view.int("max.request.partition.size.limit"),
        }
    }
}

impl LoggingConfig {
    fn read(view: &View<'_>) -> Result<Self, InvalidValue> {
        let logging_format = match view.text("logging.format").as_str() {
            "json" => LoggingFormat::Json,
            _ => LoggingFormat::Text,
        };
        let logging_level = view.text("logging.level");
        if !logging_level.split(',').all(is_level) {
            let reason = "It should be error, warn, info, debug or trace, also for parts, as in \
                          info,broker::storage=debug";
            return Err(view.invalid("logging.level", reason));
        }
        Ok(Self {
            logging_format,
            logging_level,
        })
    }
}

/// Whether the text is a level, or one for a module. The logger itself would take any other word for a
/// module, and then write nothing else.
fn is_level(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let level = match text.split_once('=') {
        Some((part, level)) if !part.trim().is_empty() => level,
        Some(_) => return false,
        None => text,
    };
    LEVELS.contains(&level.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Settings, Voter};
    use crate::model::BrokerId;

    fn read(pairs: &[(&str, &str)]) -> Result<BrokerConfig, InvalidValue> {
        let settings: Settings = pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        BrokerConfig::read(&Layers::of(&settings))
    }

    #[test]
    fn one_node_needs_no_settings() {
        let config = read(&[]).unwrap();

        assert_eq!(config.node.node_id, BrokerId(1));
        assert_eq!(
            config.network.listeners.broker[0].to_string(),
            "PLAINTEXT://:9092"
        );
        assert_eq!(
            config.network.listeners.controller[0].to_string(),
            "CONTROLLER://:9093"
        );
        let voter = Voter {
            id: BrokerId(1),
            host: "localhost".to_owned(),
            port: 9093,
        };
        assert_eq!(config.node.controller_quorum_voters, [voter]);
        assert_eq!(
            config.metadata_log.metadata_log_dir,
            config.storage.log_dirs[0]
        );
        assert_eq!(config.topic_defaults, TopicConfig::default());
    }

    #[test]
    fn a_level_is_for_all_or_for_a_part() {
        for text in [
            "info",
            "WARN",
            "off",
            "broker::storage=debug",
            "broker = trace",
        ] {
            assert!(is_level(text), "{text}");
        }
        for text in ["", "loud", "loud=", "=info", "broker=loud", "broker"] {
            assert!(!is_level(text), "{text}");
        }
    }
}
