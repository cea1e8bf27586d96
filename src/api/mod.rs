//! The APIs: a route table, and one thin file for each API key that does more than ask the controller.
//!
//! A handler translates: it takes a decoded request, asks the part that owns the matter, and makes the
//! answer. It holds no state. Versions and error codes stop here and in `protocol/`, except for codes that
//! a domain's own answers carry.

/// AlterClientQuotas.
pub mod alter_client_quotas;
/// AlterConfigs.
mod alter_configs;
/// AlterReplicaLogDirs.
pub mod alter_replica_log_dirs;
/// What both forms of AlterConfigs share.
mod alter_resources;
/// ApiVersions.
pub mod api_versions;
/// Topics that are created without CreateTopics.
mod automatic_topics;
/// BrokerHeartbeat.
mod broker_heartbeat;
/// Loggers as a resource with configs.
mod broker_loggers;
/// What a handler knows of the request besides its body.
pub mod context;
/// Requests that the controller decides.
mod controller_requests;
/// DeleteGroups.
pub mod delete_groups;
/// DeleteRecords.
pub mod delete_records;
/// DescribeClientQuotas.
pub mod describe_client_quotas;
/// DescribeCluster.
pub mod describe_cluster;
/// DescribeConfigs.
pub mod describe_configs;
/// DescribeGroups.
pub mod describe_groups;
/// DescribeLogDirs.
pub mod describe_log_dirs;
/// DescribeProducers.
pub mod describe_producers;
/// DescribeQuorum.
pub mod describe_quorum;
/// DescribeTopicPartitions.
pub mod describe_topic_partitions;
/// Envelope.
mod envelope;
/// Fetch.
pub mod fetch;
/// FindCoordinator.
pub mod find_coordinator;
/// Who may ask as a follower.
mod followers;
/// GetTelemetrySubscriptions.
pub mod get_telemetry_subscriptions;
/// What the APIs of groups share.
mod group;
/// Heartbeat.
mod heartbeat;
/// Requests that take much work or memory.
mod heavy;
/// IncrementalAlterConfigs.
pub mod incremental_alter_configs;
/// InitProducerId.
pub mod init_producer_id;
/// Topics that clients may not write.
mod internal_topics;
/// JoinGroup.
mod join_group;
/// LeaveGroup.
mod leave_group;
/// ListConfigResources.
pub mod list_config_resources;
/// ListGroups.
pub mod list_groups;
/// ListOffsets.
pub mod list_offsets;
/// ListPartitionReassignments.
pub mod list_partition_reassignments;
/// Metadata.
pub mod metadata;
/// Brokers as clients of one listener see them.
mod nodes;
/// OffsetCommit.
pub mod offset_commit;
/// OffsetDelete.
pub mod offset_delete;
/// OffsetFetch.
pub mod offset_fetch;
/// OffsetForLeaderEpoch.
pub mod offset_for_leader_epoch;
/// Authorized operations as bit fields.
mod operations;
/// Produce.
pub mod produce;
/// Blocks of producer ids.
mod producer_ids;
/// PushTelemetry.
pub mod push_telemetry;
/// Vote, BeginQuorumEpoch, EndQuorumEpoch, FetchSnapshot, and Fetch of the metadata log.
mod quorum;
/// The route table.
pub mod route;
/// SyncGroup.
mod sync_group;
/// Who pushes telemetry.
mod telemetry_client;
/// Quotas at the edge.
mod throttle;
/// UpdateRaftVoter.
mod update_raft_voter;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
use bytes::Bytes;

use crate::config::{BrokerConfig, Settings};
use crate::coordinator::GroupCoordinator;
use crate::metadata::driver::Published;
use crate::metadata::image::MetadataImage;
use crate::metadata::{BrokenConnections, BrokerLifecycle, ControllerHandle};
use crate::model::BrokerId;
use crate::network::{CloseReason, Connection, Handling, RequestFrame, RequestHandler, Treatment};
use crate::protocol::{ApiKey, DecodeError, Reader, RequestHeader, Str, frame};
use crate::quota::ClientQuotas;
use crate::raft::wire::QuorumAddresses;
use crate::raft::{QuorumInfo, Raft};
use crate::replication::manager::ReplicaManager;
use crate::telemetry::{ClientMetrics, Loggers, Metrics};
use context::{RequestContext, RequestLimits};
use heavy::Lane;
use produce::RefusedForNow;
use producer_ids::ProducerIds;
use route::{ListenerKind, Route};

/// The parts that handlers reach.
#[derive(Clone)]
pub struct Parts {
    /// The static configuration.
    pub config: Arc<BrokerConfig>,
    /// What the broker was started with: the static layer of configs.
    pub settings: Settings,
    /// The cluster's id.
    pub cluster_id: String,
    /// What this broker knows of the cluster.
    pub metadata: Arc<Published>,
    /// The way to the active controller.
    pub controller: ControllerHandle,
    /// The levels of log lines.
    pub loggers: Arc<Loggers>,
    /// The quotas of clients.
    pub quotas: Arc<ClientQuotas>,
    /// The broker's metrics.
    pub metrics: Arc<Metrics>,
    /// The metadata quorum.
    pub raft: Raft,
    /// Where the quorum's members are found.
    pub quorum: Arc<QuorumAddresses>,
    /// Who is told of connections of brokers that break.
    pub broken_connections: BrokenConnections,
    /// What only brokers have; `None` for the listeners of controllers.
    pub broker: Option<BrokerParts>,
}

/// The parts that only a broker has, and that only routes of its own listeners reach.
#[derive(Clone)]
pub struct BrokerParts {
    /// This broker's place in the cluster.
    pub lifecycle: Arc<BrokerLifecycle>,
    /// The partitions on this broker.
    pub replicas: ReplicaManager,
    /// The groups that this broker coordinates.
    pub groups: GroupCoordinator,
    /// The metrics that clients push.
    pub client_metrics: Arc<ClientMetrics>,
}

/// All that handlers reach.
pub struct Api {
    parts: Parts,
    cluster_id: Str,
    producer_ids: ProducerIds,
    heavy: Lane,
    /// Where heavy requests of brokers and controllers are begun.
    heavy_of_brokers: Lane,
    large_batches: Lane,
    refused_for_now: RefusedForNow,
    creating_offsets_topic: tokio::sync::Mutex<()>,
}

impl Api {
    /// The APIs over these parts.
    pub fn new(parts: Parts) -> Self {
        let cluster_id = Str::copy_from(&parts.cluster_id);
        Self {
            parts,
            cluster_id,
            producer_ids: ProducerIds::default(),
            heavy: Lane::of(1),
            heavy_of_brokers: Lane::of(1),
            large_batches: Lane::of_all_cores(),
            refused_for_now: RefusedForNow::default(),
            creating_offsets_topic: tokio::sync::Mutex::default(),
        }
    }

    fn broker(&self) -> &BrokerParts {
        let broker = self.parts.broker.as_ref();
        broker.expect("only listeners of brokers have routes to the parts of a broker")
    }

    /// The newest metadata. Read it once per request: two reads may see two images.
    pub fn image(&self) -> Guard<Arc<MetadataImage>> {
        self.parts.metadata.image()
    }

    /// How long a request may wait that asks for `asked_ms` milliseconds: no longer than a connection may
    /// be idle (`connections.max.idle.ms`). Kafka closes the connection then; here the client gets the
    /// answer of a wait that is over.
    pub fn longest_wait(&self, asked_ms: i32) -> Duration {
        let asked = Duration::from_millis(u64::try_from(asked_ms).unwrap_or(0));
        let idle_ms = u64::try_from(self.config().network.connections_max_idle_ms);
        idle_ms.map_or(asked, |idle_ms| asked.min(Duration::from_millis(idle_ms)))
    }

    /// The static configuration.
    pub fn config(&self) -> &BrokerConfig {
        &self.parts.config
    }

    /// What the broker was started with: the static layer of configs.
    pub fn settings(&self) -> &Settings {
        &self.parts.settings
    }

    /// This broker's id.
    pub fn node_id(&self) -> BrokerId {
        self.parts.config.node.node_id
    }

    /// The cluster's id as clients see it.
    pub fn cluster_id_text(&self) -> &Str {
        &self.cluster_id
    }

    /// The partitions on this broker.
    pub fn replicas(&self) -> &ReplicaManager {
        &self.broker().replicas
    }

    /// The groups that this broker coordinates.
    pub fn groups(&self) -> &GroupCoordinator {
        &self.broker().groups
    }

    /// The levels of log lines.
    pub fn loggers(&self) -> &Loggers {
        &self.parts.loggers
    }

    /// The quotas of clients.
    pub fn quotas(&self) -> &Arc<ClientQuotas> {
        &self.parts.quotas
    }

    /// The broker's metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }

    /// The metrics that clients push.
    pub fn client_metrics(&self) -> &ClientMetrics {
        &self.broker().client_metrics
    }

    /// The metadata quorum as it is now.
    pub fn quorum(&self) -> Arc<QuorumInfo> {
        self.parts.raft.info()
    }

    /// The metadata quorum, to serve its other members.
    pub fn raft(&self) -> &Raft {
        &self.parts.raft
    }

    /// Where the quorum's members are found.
    pub fn quorum_addresses(&self) -> &QuorumAddresses {
        &self.parts.quorum
    }

    /// Who is told of connections of brokers that break.
    pub fn broken_connections(&self) -> &BrokenConnections {
        &self.parts.broken_connections
    }

    /// The epoch of the broker's current registration.
    pub fn broker_epoch(&self) -> i64 {
        self.broker().lifecycle.epoch()
    }

    /// The way to the active controller.
    pub fn controller(&self) -> &ControllerHandle {
        &self.parts.controller
    }

    /// The active controller's id, or [`BrokerId::NONE`].
    pub fn active_controller(&self) -> BrokerId {
        self.parts.metadata.leader().0.unwrap_or(BrokerId::NONE)
    }

    /// Whether the listener of the request serves clients or the controller.
    pub fn listener_kind(&self, context: &RequestContext) -> ListenerKind {
        self.kind_of(context.listener())
    }

    fn kind_of(&self, listener: &str) -> ListenerKind {
        let mut of_controller = self.parts.config.network.listeners.controller.iter();
        if of_controller.any(|it| it.listener == listener) {
            ListenerKind::Controller
        } else {
            ListenerKind::Broker
        }
    }
}

/// The request handler of all listeners.
pub struct Dispatcher(Arc<Api>);

impl Dispatcher {
    /// A dispatcher to the handlers of `api`.
    pub fn new(api: Arc<Api>) -> Self {
        Self(api)
    }
}

impl RequestHandler for Dispatcher {
    fn handle(&self, connection: &Arc<Connection>, frame: RequestFrame) -> Handling {
        let peek = |at: usize| {
            frame
                .bytes
                .get(at..at + 2)
                .map(|b| i16::from_be_bytes([b[0], b[1]]))
        };
        let (Some(key), Some(version)) = (peek(0), peek(2)) else {
            return close("a request without a header");
        };
        let Some(route) = Route::find(key, self.0.kind_of(connection.listener_name())) else {
            return close(format!("API key {key} is not served on this listener"));
        };
        if !route.versions().contains(&version) {
            return unsupported_version(route, version, &frame.bytes);
        }
        self.serve(route, connection, frame)
            .unwrap_or_else(|error| Handling::Close(route.malformed(&error)))
    }

    fn treatment(&self, api_key: i16) -> Treatment {
        Route::of(api_key).map_or_else(Treatment::default, |route| route.treatment)
    }
}

impl Dispatcher {
    fn serve(
        &self,
        route: &'static Route,
        connection: &Arc<Connection>,
        frame: RequestFrame,
    ) -> Result<Handling, DecodeError> {
        let size = frame.bytes.len();
        let mut reader = Reader::new(frame.bytes);
        let context = RequestContext {
            connection: Arc::clone(connection),
            header: RequestHeader::decode(&mut reader)?,
            size,
            limits: RequestLimits::of(self.0.config()),
            received_at: frame.received_at,
            charge: Some(frame.charge),
            forwarded_for: None,
        };
        let body = reader.take_rest();
        if route.is_heavy(&self.0, &context, &body) {
            return Ok(heavy::serve(&self.0, route, context, body));
        }
        route.serve(&self.0, context, body)
    }
}

fn close(why: impl Into<Cow<'static, str>>) -> Handling {
    Handling::Close(CloseReason::refused(why))
}

/// Answers a version that is not served. Only ApiVersions has an answer that every client can read; for
/// other APIs the connection ends.
fn unsupported_version(route: &Route, version: i16, frame: &Bytes) -> Handling {
    let Some(id) = frame.get(4..8).filter(|_| route.key == ApiKey::ApiVersions) else {
        return close(format!("version {version} of {} is not served", route.key));
    };
    let correlation_id = i32::from_be_bytes([id[0], id[1], id[2], id[3]]);
    Handling::Answer(frame::response(
        correlation_id,
        0,
        &api_versions::unsupported(),
        0,
    ))
}
