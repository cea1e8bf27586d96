//! The route table: for each API the versions that are served, on which listeners, by which handler, and
//! what may run beside a request of it.
//!
//! It is the only place that says so: ApiVersions answers from it, and a version outside of it never
//! reaches a handler.

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::context::RequestContext;
use super::throttle::Meter;
use super::{
    Api, alter_client_quotas, alter_configs, alter_replica_log_dirs, api_versions,
    broker_heartbeat, controller_requests, delete_groups, delete_records, describe_client_quotas,
    describe_cluster, describe_configs, describe_groups, describe_log_dirs, describe_producers,
    describe_quorum, describe_topic_partitions, envelope, fetch, find_coordinator,
    get_telemetry_subscriptions, group, incremental_alter_configs, init_producer_id,
    list_config_resources, list_groups, list_offsets, list_partition_reassignments, metadata,
    offset_commit, offset_delete, offset_fetch, offset_for_leader_epoch, produce, push_telemetry,
    quorum, update_raft_voter,
};
use crate::network::{CloseReason, Handling, Outcome, Treatment};
use crate::protocol::message::Struct as _;
use crate::protocol::messages::allocate_producer_ids::AllocateProducerIdsRequest;
use crate::protocol::messages::alter_partition::AlterPartitionRequest;
use crate::protocol::messages::alter_partition_reassignments::AlterPartitionReassignmentsRequest;
use crate::protocol::messages::assign_replicas_to_dirs::AssignReplicasToDirsRequest;
use crate::protocol::messages::begin_quorum_epoch::BeginQuorumEpochRequest;
use crate::protocol::messages::broker_registration::BrokerRegistrationRequest;
use crate::protocol::messages::controller_registration::ControllerRegistrationRequest;
use crate::protocol::messages::create_partitions::CreatePartitionsRequest;
use crate::protocol::messages::create_topics::CreateTopicsRequest;
use crate::protocol::messages::delete_topics::DeleteTopicsRequest;
use crate::protocol::messages::elect_leaders::ElectLeadersRequest;
use crate::protocol::messages::end_quorum_epoch::EndQuorumEpochRequest;
use crate::protocol::messages::fetch::FetchRequest;
use crate::protocol::messages::fetch_snapshot::FetchSnapshotRequest;
use crate::protocol::messages::heartbeat::HeartbeatRequest;
use crate::protocol::messages::join_group::JoinGroupRequest;
use crate::protocol::messages::leave_group::LeaveGroupRequest;
use crate::protocol::messages::sync_group::SyncGroupRequest;
use crate::protocol::messages::unregister_broker::UnregisterBrokerRequest;
use crate::protocol::messages::update_features::UpdateFeaturesRequest;
use crate::protocol::messages::vote::VoteRequest;
use crate::protocol::{ApiKey, DecodeError, Request, ResponseFrame, frame};

/// Whom a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// Clients and other brokers.
    Broker,
    /// Controllers, brokers in their role towards the controller, and `--bootstrap-controller`.
    Controller,
}

/// One served API.
pub struct Route {
    /// The API.
    pub key: ApiKey,
    /// How the network treats its requests: whether they overlap, and which memory they use.
    pub treatment: Treatment,
    weight: Weight,
    listeners: &'static [ListenerKind],
    serve: Serve,
}

/// Which requests of an API are heavy: they are begun one at a time, where nobody waits for them, and
/// when there is memory for them.
enum Weight {
    /// Larger ones.
    Over(usize),
    /// All: however short they are, the answer may be long.
    Any,
    /// Larger ones, and those of which the API says that there is much to answer.
    OverOr(usize, fn(&Api, &RequestContext, &Bytes) -> bool),
}

type Serve = fn(&Arc<Api>, RequestContext, Bytes) -> Result<Handling, DecodeError>;

const BROKER: &[ListenerKind] = &[ListenerKind::Broker];
const CONTROLLER: &[ListenerKind] = &[ListenerKind::Controller];
const BOTH: &[ListenerKind] = &[ListenerKind::Broker, ListenerKind::Controller];

/// A barrier, as a commit must not overtake the join before it.
const ALONE: Treatment = Treatment {
    overlaps: false,
    carries_records: false,
};
/// Each request decides on arrival, and waits only for what it has written.
const OVERLAPS: Treatment = Treatment {
    overlaps: true,
    carries_records: false,
};
/// As [`OVERLAPS`], and most of the request is records.
const RECORDS: Treatment = Treatment {
    overlaps: true,
    carries_records: true,
};

/// For requests with partitions that take some microseconds each: this is some hundred of them.
const SMALL: Weight = Weight::Over(SMALL_BYTES);
const SMALL_BYTES: usize = 16 << 10;
/// OffsetCommit alone: commits of one connection overlap, and all that follow a heavy one wait for it, so
/// only those of thousands of partitions are heavy.
const LARGE: Weight = Weight::Over(64 << 10);
/// Produce alone: it says itself how much of it is done where others wait.
const NEVER: Weight = Weight::Over(usize::MAX);

/// Every API that is served, by ascending key.
#[rustfmt::skip]
const ROUTES: &[Route] = &[
    Route { key: ApiKey::Produce, treatment: RECORDS, weight: NEVER, listeners: BROKER, serve: |api, context, body| produce::handle(api, context, body) },
    Route { key: ApiKey::Fetch, treatment: ALONE, weight: SMALL, listeners: BOTH, serve: |api, context, body| match api.listener_kind(&context) {
        ListenerKind::Broker => fetch::handle(api, context, body),
        ListenerKind::Controller => of_quorum::<FetchRequest>(api, context, body),
    } },
    Route { key: ApiKey::ListOffsets, treatment: ALONE, weight: SMALL, listeners: BROKER, serve: |api, context, body| later(api, context, body, list_offsets::handle) },
    Route { key: ApiKey::Metadata, treatment: ALONE, weight: Weight::OverOr(SMALL_BYTES, metadata::asks_for_much), listeners: BROKER, serve: |api, context, body| later(api, context, body, metadata::handle) },
    Route { key: ApiKey::OffsetCommit, treatment: OVERLAPS, weight: LARGE, listeners: BROKER, serve: |api, context, body| offset_commit::handle(api, context, body) },
    Route { key: ApiKey::OffsetFetch, treatment: ALONE, weight: Weight::OverOr(SMALL_BYTES, offset_fetch::asks_for_all), listeners: BROKER, serve: |api, context, body| later(api, context, body, offset_fetch::handle) },
    Route { key: ApiKey::FindCoordinator, treatment: ALONE, weight: SMALL, listeners: BROKER, serve: |api, context, body| later(api, context, body, find_coordinator::handle) },
    Route { key: ApiKey::JoinGroup, treatment: ALONE, weight: SMALL, listeners: BROKER, serve: |api, context, body| group::handle::<JoinGroupRequest>(api, context, body) },
    Route { key: ApiKey::Heartbeat, treatment: ALONE, weight: SMALL, listeners: BROKER, serve: |api, context, body| group::handle::<HeartbeatRequest>(api, context, body) },
    Route { key: ApiKey::LeaveGroup, treatment: ALONE, weight: SMALL, listeners: BROKER, serve: |api, context, body| group::handle::<LeaveGroupRequest>(api, context, body) },
    Route { key: ApiKey::SyncGroup, treatment: ALONE, weight: SMALL, listeners: BROKER, serve: |api, context, body| group::handle::<SyncGroupRequest>(api, context, body) },
    Route { key: ApiKey::DescribeGroups, treatment: ALONE, weight: Weight::Any, listeners: BROKER, serve: |api, context, body| later(api, context, body, describe_groups::handle) },
    Route { key: ApiKey::ListGroups, treatment: ALONE, weight: Weight::Any, listeners: BROKER, serve: |api, context, body| later(api, context, body, list_groups::handle) },
    Route { key: ApiKey::ApiVersions, treatment: ALONE, weight: SMALL, listeners: BOTH, serve: |api, context, body| now(api, &context, body, api_versions::handle) },
    Route { key: ApiKey::CreateTopics, treatment: ALONE, weight: SMALL, listeners: BOTH, serve: |api, context, body| later(api, context, body, controller_requests::handle::<CreateTopicsRequest>) },
    Route { key: ApiKey::DeleteTopics, treatment: ALONE, weight: SMALL, listeners: BOTH, serve: |api, context, body| later(api, context, body, controller_requests::handle::<DeleteTopicsRequest>) },
    Route { key: ApiKey::DeleteRecords, treatment: ALONE, weight: SMALL, listeners: BROKER, serve: |api, context, body| later(api, context, body, delete_records::handle) },
    Route { key: ApiKey::InitProducerId, treatment: ALONE, weight: SMALL, listeners: BROKER, serve: |api, context, body| later(api, context, body, init_producer_id::handle) },
    Route { key: ApiKey::OffsetForLeaderEpoch, treatment: ALONE, weight: SMALL, listeners: BROKER, serve: |api, context, body| now(api, &context, body, offset_for_leader_epoch::handle) },
    Route { key: ApiKey::DescribeConfigs, treatment: ALONE, weight: Weight::Any, listeners: BOTH, serve: |api, context, body| now(api, &context, body, describe_configs::handle) },
    Route { key: ApiKey::AlterConfigs, treatment: ALONE, weight: SMALL, listeners: BOTH, serve: |api, context, body| later(api, context, body, alter_configs::handle) },
    Route { key: ApiKey::AlterReplicaLogDirs, treatment: ALONE, weight: SMALL, listeners: BROKER, serve: |api, context, body| later(api, context, body, alter_replica_log_dirs::handle) },
    Route { key: ApiKey::DescribeLogDirs, treatment: ALONE, weight: Weight::Any, listeners: BROKER, serve: |api, context, body| later(api, context, body, describe_log_dirs::handle) },
    Route { key: ApiKey::CreatePartitions, treatment: ALONE, weight: SMALL, listeners: BOTH, serve: |api, context, body| later(api, context, body, controller_requests::handle::<CreatePartitionsRequest>) },
    Route { key: ApiKey::DeleteGroups, treatment: ALONE, weight: SMALL, listeners: BROKER, serve: |api, context, body| later(api, context, body, delete_groups::handle) },
    Route { key: ApiKey::ElectLeaders, treatment: ALONE, weight: SMALL, listeners: BOTH, serve: |api, context, body| later(api, context, body, controller_requests::handle::<ElectLeadersRequest>) },
    Route { key: ApiKey::IncrementalAlterConfigs, treatment: ALONE, weight: SMALL, listeners: BOTH, serve: |api, context, body| later(api, context, body, incremental_alter_configs::handle) },
    Route { key: ApiKey::AlterPartitionReassignments, treatment: ALONE, weight: SMALL, listeners: BOTH, serve: |api, context, body| later(api, context, body, controller_requests::handle::<AlterPartitionReassignmentsRequest>) },
    Route { key: ApiKey::ListPartitionReassignments, treatment: ALONE, weight: Weight::Any, listeners: BOTH, serve: |api, context, body| now(api, &context, body, list_partition_reassignments::handle) },
    Route { key: ApiKey::OffsetDelete, treatment: ALONE, weight: SMALL, listeners: BROKER, serve: |api, context, body| later(api, context.with_arrays_of(offset_delete::DECODED_BYTES), body, offset_delete::handle) },
    Route { key: ApiKey::DescribeClientQuotas, treatment: ALONE, weight: Weight::Any, listeners: BROKER, serve: |api, context, body| now(api, &context, body, describe_client_quotas::handle) },
    Route { key: ApiKey::AlterClientQuotas, treatment: ALONE, weight: SMALL, listeners: BOTH, serve: |api, context, body| later(api, context, body, alter_client_quotas::handle) },
    Route { key: ApiKey::Vote, treatment: ALONE, weight: SMALL, listeners: CONTROLLER, serve: |api, context, body| of_quorum::<VoteRequest>(api, context, body) },
    Route { key: ApiKey::BeginQuorumEpoch, treatment: ALONE, weight: SMALL, listeners: CONTROLLER, serve: |api, context, body| of_quorum::<BeginQuorumEpochRequest>(api, context, body) },
    Route { key: ApiKey::EndQuorumEpoch, treatment: ALONE, weight: SMALL, listeners: CONTROLLER, serve: |api, context, body| of_quorum::<EndQuorumEpochRequest>(api, context, body) },
    Route { key: ApiKey::DescribeQuorum, treatment: ALONE, weight: SMALL, listeners: BOTH, serve: |api, context, body| later(api, context, body, describe_quorum::handle) },
    Route { key: ApiKey::AlterPartition, treatment: ALONE, weight: SMALL, listeners: CONTROLLER, serve: |api, context, body| later(api, context, body, controller_requests::handle_of_broker::<AlterPartitionRequest>) },
    Route { key: ApiKey::UpdateFeatures, treatment: ALONE, weight: SMALL, listeners: BOTH, serve: |api, context, body| later(api, context, body, controller_requests::handle::<UpdateFeaturesRequest>) },
    Route { key: ApiKey::Envelope, treatment: ALONE, weight: SMALL, listeners: CONTROLLER, serve: |api, context, body| envelope::handle(api, context, body) },
    Route { key: ApiKey::FetchSnapshot, treatment: ALONE, weight: SMALL, listeners: CONTROLLER, serve: |api, context, body| of_quorum::<FetchSnapshotRequest>(api, context, body) },
    Route { key: ApiKey::DescribeCluster, treatment: ALONE, weight: SMALL, listeners: BOTH, serve: |api, context, body| now(api, &context, body, describe_cluster::handle) },
    Route { key: ApiKey::DescribeProducers, treatment: ALONE, weight: Weight::Any, listeners: BROKER, serve: |api, context, body| now(api, &context, body, describe_producers::handle) },
    Route { key: ApiKey::BrokerRegistration, treatment: ALONE, weight: SMALL, listeners: CONTROLLER, serve: |api, context, body| later(api, context, body, controller_requests::handle_of_broker::<BrokerRegistrationRequest>) },
    Route { key: ApiKey::BrokerHeartbeat, treatment: ALONE, weight: SMALL, listeners: CONTROLLER, serve: |api, context, body| later(api, context, body, broker_heartbeat::handle) },
    Route { key: ApiKey::UnregisterBroker, treatment: ALONE, weight: SMALL, listeners: BOTH, serve: |api, context, body| later(api, context, body, controller_requests::handle::<UnregisterBrokerRequest>) },
    Route { key: ApiKey::AllocateProducerIds, treatment: ALONE, weight: SMALL, listeners: CONTROLLER, serve: |api, context, body| later(api, context, body, controller_requests::handle_of_broker::<AllocateProducerIdsRequest>) },
    Route { key: ApiKey::ControllerRegistration, treatment: ALONE, weight: SMALL, listeners: CONTROLLER, serve: |api, context, body| later(api, context, body, controller_requests::handle_of_broker::<ControllerRegistrationRequest>) },
    Route { key: ApiKey::GetTelemetrySubscriptions, treatment: ALONE, weight: SMALL, listeners: BROKER, serve: |api, context, body| now(api, &context, body, get_telemetry_subscriptions::handle) },
    Route { key: ApiKey::PushTelemetry, treatment: ALONE, weight: SMALL, listeners: BROKER, serve: |api, context, body| now(api, &context, body, push_telemetry::handle) },
    Route { key: ApiKey::AssignReplicasToDirs, treatment: ALONE, weight: SMALL, listeners: CONTROLLER, serve: |api, context, body| later(api, context, body, controller_requests::handle_of_broker::<AssignReplicasToDirsRequest>) },
    Route { key: ApiKey::ListConfigResources, treatment: ALONE, weight: Weight::Any, listeners: BROKER, serve: |api, context, body| now(api, &context, body, list_config_resources::handle) },
    Route { key: ApiKey::DescribeTopicPartitions, treatment: ALONE, weight: Weight::Any, listeners: BROKER, serve: |api, context, body| now(api, &context, body, describe_topic_partitions::handle) },
    Route { key: ApiKey::UpdateRaftVoter, treatment: ALONE, weight: SMALL, listeners: CONTROLLER, serve: |api, context, body| now(api, &context, body, update_raft_voter::handle) },
];

impl Route {
    /// The route of the API `key`, if it is served on any listener.
    pub fn of(key: i16) -> Option<&'static Self> {
        let index = ROUTES
            .binary_search_by_key(&key, |route| route.key as i16)
            .ok()?;
        ROUTES.get(index)
    }

    /// The route of the API `key` on a listener of this kind, if it is served there.
    pub fn find(key: i16, listener: ListenerKind) -> Option<&'static Self> {
        Self::of(key).filter(|route| route.listeners.contains(&listener))
    }

    /// All routes of a listener of this kind, by ascending key.
    pub fn all(listener: ListenerKind) -> impl Iterator<Item = &'static Self> {
        ROUTES
            .iter()
            .filter(move |route| route.listeners.contains(&listener))
    }

    /// The versions that are served: Kafka's full range.
    pub fn versions(&self) -> RangeInclusive<i16> {
        self.key.valid_versions()
    }

    /// The range that ApiVersions tells.
    ///
    /// On listeners of clients Produce is told from version 0 on, although 0 to 2 are refused: librdkafka
    /// takes a broker without them for one without newer features (KAFKA-18659).
    pub fn advertised(&self, listener: ListenerKind) -> RangeInclusive<i16> {
        let versions = self.versions();
        match (self.key, listener) {
            (ApiKey::Produce, ListenerKind::Broker) => 0..=*versions.end(),
            _ => versions,
        }
    }

    /// The reason to close a connection that sent a malformed request.
    pub fn malformed(&self, error: &DecodeError) -> CloseReason {
        CloseReason::refused(format!("a malformed {}: {error}", self.key))
    }

    /// Whether a request takes so much that others are not to wait for it.
    pub fn is_heavy(&self, api: &Api, context: &RequestContext, body: &Bytes) -> bool {
        match self.weight {
            Weight::Over(light) => context.size > light,
            Weight::Any => true,
            Weight::OverOr(light, asks_for_much) => {
                context.size > light || asks_for_much(api, context, body)
            }
        }
    }

    /// Whether brokers and controllers ask it of each other for themselves. (They send an Envelope for
    /// their clients.)
    pub fn is_of_brokers(&self) -> bool {
        match self.key {
            ApiKey::Fetch | ApiKey::ListOffsets | ApiKey::OffsetForLeaderEpoch => true,
            ApiKey::Envelope => false,
            _ => self.listeners == CONTROLLER,
        }
    }

    /// Decodes the body and starts to serve it.
    ///
    /// # Errors
    /// The body is not what the API and version of the header demand.
    pub fn serve(
        &self,
        api: &Arc<Api>,
        context: RequestContext,
        body: Bytes,
    ) -> Result<Handling, DecodeError> {
        (self.serve)(api, context, body)
    }
}

/// Encodes an answer to the request of `context`.
pub fn answer<R: Request>(context: &RequestContext, response: &R::Response) -> ResponseFrame {
    let version = context.version();
    let header_version = R::KEY.response_header_version(version);
    frame::response(
        context.header.correlation_id,
        header_version,
        response,
        version,
    )
}

/// As [`answer`], unless the answer is larger than `response.max.bytes`: then the connection is closed,
/// which the client notices. Without an answer on an open connection it would wait for its time-out.
fn bounded_answer<R: Request>(
    context: &RequestContext,
    response: &R::Response,
) -> Result<ResponseFrame, CloseReason> {
    let version = context.version();
    let header_version = R::KEY.response_header_version(version);
    let id = context.header.correlation_id;
    let most = context.limits.response_bytes;
    frame::response_within(id, header_version, response, version, most).ok_or_else(|| {
        CloseReason::refused(format!(
            "the answer to {} would be larger than response.max.bytes",
            R::KEY
        ))
    })
}

/// Serves an API whose answer is made on the spot.
fn now<R: Request>(
    api: &Arc<Api>,
    context: &RequestContext,
    body: Bytes,
    handle: fn(&Api, &RequestContext, &R) -> R::Response,
) -> Result<Handling, DecodeError> {
    let request = context.decode::<R>(body)?;
    let mut meter = Meter::new(api);
    let mut response = meter.work(|| handle(api, context, &request));
    let throttle_ms = api.settle(context, &meter, Duration::ZERO);
    response.raise_throttle_time(throttle_ms);
    Ok(match bounded_answer::<R>(context, &response) {
        Ok(frame) => Handling::Answer(frame),
        Err(reason) => Handling::Close(reason),
    })
}

/// Serves an API whose answer waits for something, such as a commit or a disk.
fn later<R, F>(
    api: &Arc<Api>,
    context: RequestContext,
    body: Bytes,
    handle: fn(Arc<Api>, Arc<RequestContext>, R) -> F,
) -> Result<Handling, DecodeError>
where
    R: Request + Send + 'static,
    R::Response: Send,
    F: Future<Output = R::Response> + Send + 'static,
{
    let request = context.decode::<R>(body)?;
    let context = Arc::new(context);
    let api = Arc::clone(api);
    let response = handle(Arc::clone(&api), Arc::clone(&context), request);
    let pending: Pin<Box<dyn Future<Output = Outcome> + Send>> = Box::pin(async move {
        let mut meter = Meter::new(&api);
        let mut response = meter.drive(response).await;
        let throttle_ms = api.settle(&context, &meter, Duration::ZERO);
        response.raise_throttle_time(throttle_ms);
        match bounded_answer::<R>(&context, &response) {
            Ok(frame) => Outcome::Answer(frame),
            Err(reason) => Outcome::Close(reason),
        }
    });
    Ok(Handling::Later(pending))
}

/// Serves a request of another member of the metadata quorum. No quota holds these up.
fn of_quorum<R>(
    api: &Arc<Api>,
    context: RequestContext,
    body: Bytes,
) -> Result<Handling, DecodeError>
where
    R: quorum::Incoming + Send + 'static,
    R::Response: Send,
{
    let request = context.decode::<R>(body)?;
    let api = Arc::clone(api);
    Ok(Handling::Later(Box::pin(async move {
        let response = quorum::handle(&api, request).await;
        Outcome::Answer(answer::<R>(&context, &response))
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_ascend_so_that_they_can_be_searched() {
        assert!(ROUTES.is_sorted_by(|a, b| (a.key as i16) < (b.key as i16)));
    }

    #[test]
    fn produce_and_offset_commit_overlap_and_nothing_else_does() {
        let overlapping = ROUTES.iter().filter(|route| route.treatment.overlaps);
        let keys: Vec<ApiKey> = overlapping.map(|route| route.key).collect();

        assert_eq!(keys, [ApiKey::Produce, ApiKey::OffsetCommit]);
    }

    #[test]
    fn brokers_ask_of_each_other_what_replicates_and_what_clients_may_not() {
        let of_brokers = |key: ApiKey| Route::of(key as i16).unwrap().is_of_brokers();

        for key in [ApiKey::Fetch, ApiKey::AlterPartition, ApiKey::Vote] {
            assert!(of_brokers(key), "{key}");
        }
        for key in [ApiKey::Produce, ApiKey::Envelope, ApiKey::CreateTopics] {
            assert!(!of_brokers(key), "{key}");
        }
    }

    #[test]
    fn a_route_is_found_on_its_listeners_only() {
        let produce = ApiKey::Produce as i16;

        assert!(Route::find(produce, ListenerKind::Broker).is_some());
        assert!(Route::find(produce, ListenerKind::Controller).is_none());
        assert!(Route::find(4, ListenerKind::Broker).is_none());
        assert!(Route::find(i16::MIN, ListenerKind::Broker).is_none());
    }

    #[test]
    fn produce_is_told_from_version_0_but_served_from_3() {
        let route = Route::find(ApiKey::Produce as i16, ListenerKind::Broker).unwrap();

        assert_eq!(route.advertised(ListenerKind::Broker), 0..=13);
        assert_eq!(route.versions(), 3..=13);
    }
}
