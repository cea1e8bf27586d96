//! Config: one table of keys, Kafka's and ours; reading them from `broker.toml`,
//! `server.properties` and the environment; typed views for the code; answers for DescribeConfigs.
//!
//! What the operator writes is text with a name. [`keys`] knows every name; [`Key::parse`] turns the text
//! into a checked [`Value`]; the rest of the broker reads [`BrokerConfig`] and [`TopicConfig`], whose
//! fields are named as the keys, with dots turned into underscores.

mod admin;
mod advertised;
mod alter;
mod broker;
mod check;
mod client_metrics;
mod cordon;
mod describe;
mod endpoint;
mod environment;
mod group_coordinator;
mod group_overrides;
mod key;
pub mod keys;
mod layers;
mod listeners;
mod load;
mod membership;
mod network;
mod node;
mod notices;
mod password_hash;
mod print;
mod properties_file;
mod protocols;
mod quotas;
mod replication;
mod roles;
mod rule;
mod storage;
mod toml_file;
mod topic;
mod value;
mod view;

pub use admin::{AdminConfig, AdminPassword};
pub use alter::{AlteredBroker, check_broker_alteration};
pub use broker::{BrokerConfig, ClientTelemetryConfig, LoggingConfig, LoggingFormat, TopicsConfig};
pub use check::BROKER_DRAIN;
pub use client_metrics::{
    ClientAttribute, ClientMetricsConfig, InvalidSubscription, check_client_metrics,
};
pub use cordon::{CORDONED_LOG_DIRS, check_cordoned_log_dirs, cordons_more};
pub use describe::{
    Entry, Synonym, describe_broker, describe_client_metrics, describe_cluster_default,
    describe_group, describe_loggers, describe_topic,
};
pub use endpoint::{Endpoint, SecurityProtocol, Voter, host_and_port};
pub use group_coordinator::GroupCoordinatorConfig;
pub use group_overrides::check_group_overrides;
pub use key::{BrokerDefault, Importance, Key, KeyDefault, Kind, Scope, Status, Update};
pub use layers::{Layers, NoOverrides, Overrides, Settings, Source};
pub use listeners::Listeners;
pub use load::{LoadError, Loaded, Problem, load};
pub use network::NetworkConfig;
pub use node::{NodeConfig, QuorumConfig};
pub use password_hash::{PasswordHash, is_same};
pub use print::effective;
pub use properties_file::read as read_properties;
pub use quotas::QuotaConfig;
pub use replication::ReplicationConfig;
pub use roles::Roles;
pub use rule::Rule;
pub use storage::{CleanerConfig, MetadataLogConfig, StorageConfig};
pub use topic::{
    CleanupPolicy, CompressionType, ThrottledReplicas, TimestampType, TopicConfig, check_overrides,
};
pub use value::{InvalidValue, Secret, Value};
