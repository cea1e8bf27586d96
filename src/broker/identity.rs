//! The identity of this node towards others: as a broker, and as a controller.

use std::time::Duration;

use super::directories::{Directories, random_id};
use super::endpoints::Advertised;
use crate::config::{BrokerConfig, QuorumConfig, Settings};
use crate::metadata::BrokerIdentity;
use crate::metadata::controller::{ControllerSettings, ElectionIntervals};
use crate::metadata::driver::MetadataConfig;
use crate::metadata::image::SUPPORTED_FEATURES;
use crate::protocol::Str;
use crate::protocol::messages::{broker_registration, controller_registration};
use crate::replication::manager::Started;

/// What the controller is told of this node as a broker.
pub(super) fn of_broker(
    config: &BrokerConfig,
    directories: &Directories,
    advertised: &Advertised,
    replicas: &Started,
) -> BrokerIdentity {
    let listeners = advertised
        .broker
        .iter()
        .map(|endpoint| broker_registration::Listener {
            name: Str::copy_from(&endpoint.listener),
            host: Str::copy_from(&endpoint.host),
            port: endpoint.port,
            security_protocol: endpoint.protocol.id(),
        });
    BrokerIdentity {
        id: config.node.node_id,
        cluster_id: directories.cluster_id().to_owned(),
        incarnation: random_id(),
        listeners: listeners.collect(),
        rack: config.node.broker_rack.clone(),
        log_dirs: replicas.manager.online_dirs(),
        previous_epoch: replicas.previous_broker_epoch.unwrap_or(-1),
        heartbeat_interval: milliseconds(config.quorum.broker_heartbeat_interval_ms),
        registration_timeout: milliseconds(config.quorum.initial_broker_registration_timeout_ms),
    }
}

/// What the metadata threads need, with the registration of this node as a controller.
pub(super) fn metadata_config(
    config: &BrokerConfig,
    settings: &Settings,
    directories: &Directories,
    advertised: &Advertised,
) -> anyhow::Result<MetadataConfig> {
    let log = &config.metadata_log;
    let some = |ms: i64| {
        u64::try_from(ms)
            .ok()
            .filter(|ms| *ms > 0)
            .map(Duration::from_millis)
    };
    Ok(MetadataConfig {
        controller: ControllerSettings {
            node_id: config.node.node_id,
            cluster_id: directories.cluster_id().to_owned(),
            quorum: config
                .node
                .controller_quorum_voters
                .iter()
                .map(|voter| voter.id)
                .collect(),
            num_partitions: config.topics.num_partitions,
            // Beyond these bounds it stands for no more brokers, or no fewer, than within.
            default_replication_factor: config
                .topics
                .default_replication_factor
                .clamp(i16::MIN.into(), i16::MAX.into())
                as i16,
            delete_topic_enable: config.topics.delete_topic_enable,
            broker_session_timeout: milliseconds(config.quorum.broker_session_timeout_ms),
            elections: election_intervals(&config.quorum),
            settings: settings.clone(),
        },
        bootstrap: directories.bootstrap().to_vec(),
        registration: registration(config, advertised),
        max_idle_interval: some(i64::from(log.metadata_max_idle_interval_ms)),
        max_bytes_between_snapshots: u64::try_from(
            log.metadata_log_max_record_bytes_between_snapshots,
        )?,
        max_snapshot_interval: some(log.metadata_log_max_snapshot_interval_ms),
        acted_on: directories.acted_on()?,
    })
}

fn election_intervals(quorum: &QuorumConfig) -> ElectionIntervals {
    let unsigned = |value: i64| u64::try_from(value).unwrap_or(0);
    let seconds = unsigned(quorum.leader_imbalance_check_interval_seconds);
    ElectionIntervals {
        preferred: quorum
            .auto_leader_rebalance_enable
            .then_some(Duration::from_secs(seconds)),
        unclean: Duration::from_millis(unsigned(quorum.unclean_leader_election_interval_ms)),
    }
}

fn registration(
    config: &BrokerConfig,
    advertised: &Advertised,
) -> controller_registration::ControllerRegistrationRequest {
    let listeners = advertised
        .controller
        .iter()
        .map(|it| controller_registration::Listener {
            name: Str::copy_from(&it.listener),
            host: Str::copy_from(&it.host),
            port: it.port,
            security_protocol: it.protocol.id(),
        });
    let features =
        SUPPORTED_FEATURES
            .iter()
            .map(|(name, min, max)| controller_registration::Feature {
                name: Str::from_static(name),
                min_supported_version: *min,
                max_supported_version: *max,
            });
    controller_registration::ControllerRegistrationRequest {
        controller_id: config.node.node_id.0,
        incarnation_id: random_id(),
        zk_migration_ready: false,
        listeners: listeners.collect(),
        features: features.collect(),
    }
}

/// A duration from the config; a negative count of milliseconds means 0.
pub(super) fn milliseconds(count: i32) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}
