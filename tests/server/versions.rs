//! Every API is answered in every version that ApiVersions tells, and in no other.

use broker::network::{Client, ClientError, ClientOptions};
use broker::protocol::messages::{
    alter_client_quotas::AlterClientQuotasRequest, alter_configs::AlterConfigsRequest,
    alter_partition_reassignments::AlterPartitionReassignmentsRequest,
    alter_replica_log_dirs::AlterReplicaLogDirsRequest, api_versions::ApiVersionsRequest,
    create_partitions::CreatePartitionsRequest, create_topics::CreateTopicsRequest,
    delete_groups::DeleteGroupsRequest, delete_records::DeleteRecordsRequest,
    delete_topics::DeleteTopicsRequest, describe_client_quotas::DescribeClientQuotasRequest,
    describe_cluster::DescribeClusterRequest, describe_configs::DescribeConfigsRequest,
    describe_groups::DescribeGroupsRequest, describe_log_dirs::DescribeLogDirsRequest,
    describe_producers::DescribeProducersRequest, describe_quorum::DescribeQuorumRequest,
    describe_topic_partitions::DescribeTopicPartitionsRequest, elect_leaders::ElectLeadersRequest,
    fetch::FetchRequest, find_coordinator::FindCoordinatorRequest,
    get_telemetry_subscriptions::GetTelemetrySubscriptionsRequest, heartbeat::HeartbeatRequest,
    incremental_alter_configs::IncrementalAlterConfigsRequest,
    init_producer_id::InitProducerIdRequest, join_group::JoinGroupRequest,
    leave_group::LeaveGroupRequest, list_config_resources::ListConfigResourcesRequest,
    list_groups::ListGroupsRequest, list_offsets::ListOffsetsRequest,
    list_partition_reassignments::ListPartitionReassignmentsRequest, metadata::MetadataRequest,
    offset_commit::OffsetCommitRequest, offset_delete::OffsetDeleteRequest,
    offset_fetch::OffsetFetchRequest, offset_for_leader_epoch::OffsetForLeaderEpochRequest,
    produce::ProduceRequest, push_telemetry::PushTelemetryRequest, sync_group::SyncGroupRequest,
    unregister_broker::UnregisterBrokerRequest, update_features::UpdateFeaturesRequest,
};
use broker::protocol::{ApiKey, ErrorCode, Request, Str};

use crate::support::Broker;

/// A request of ours to ApiVersions.
fn software() -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: Str::from_static("tests"),
        client_software_version: Str::from_static("1"),
        ..ApiVersionsRequest::default()
    }
}

async fn connect(broker: &Broker) -> Client {
    Client::connect(broker.bootstrap(), ClientOptions::default())
        .await
        .expect("the broker listens")
}

/// Sends `request` in every version, each answered in that version.
async fn is_answered_in_every_version<R: Request>(broker: &Broker, request: R) -> ApiKey {
    let mut client = connect(broker).await;
    for version in R::KEY.valid_versions() {
        if let Err(error) = client.call(&request, version).await {
            panic!("{} version {version}: {error}", R::KEY);
        }
    }
    R::KEY
}

#[tokio::test]
async fn every_version_that_is_told_is_answered() {
    let broker = Broker::start();
    let mut client = connect(&broker).await;
    let told = client
        .call(&software(), 4)
        .await
        .expect("ApiVersions is answered");

    let produce = ProduceRequest {
        acks: 1,
        timeout_ms: 1000,
        ..ProduceRequest::default()
    };
    let offset_fetch = OffsetFetchRequest {
        // Only version 2 and later have a null.
        topics: Some(Vec::new()),
        ..OffsetFetchRequest::default()
    };
    let answered = [
        is_answered_in_every_version(&broker, produce).await,
        is_answered_in_every_version(&broker, FetchRequest::default()).await,
        is_answered_in_every_version(&broker, ListOffsetsRequest::default()).await,
        is_answered_in_every_version(&broker, MetadataRequest::default()).await,
        is_answered_in_every_version(&broker, OffsetCommitRequest::default()).await,
        is_answered_in_every_version(&broker, offset_fetch).await,
        is_answered_in_every_version(&broker, FindCoordinatorRequest::default()).await,
        is_answered_in_every_version(&broker, JoinGroupRequest::default()).await,
        is_answered_in_every_version(&broker, HeartbeatRequest::default()).await,
        is_answered_in_every_version(&broker, LeaveGroupRequest::default()).await,
        is_answered_in_every_version(&broker, SyncGroupRequest::default()).await,
        is_answered_in_every_version(&broker, DescribeGroupsRequest::default()).await,
        is_answered_in_every_version(&broker, ListGroupsRequest::default()).await,
        is_answered_in_every_version(&broker, software()).await,
        is_answered_in_every_version(&broker, CreateTopicsRequest::default()).await,
        is_answered_in_every_version(&broker, DeleteTopicsRequest::default()).await,
        is_answered_in_every_version(&broker, DeleteRecordsRequest::default()).await,
        is_answered_in_every_version(&broker, InitProducerIdRequest::default()).await,
        is_answered_in_every_version(&broker, OffsetForLeaderEpochRequest::default()).await,
        is_answered_in_every_version(&broker, DescribeConfigsRequest::default()).await,
        is_answered_in_every_version(&broker, AlterConfigsRequest::default()).await,
        is_answered_in_every_version(&broker, AlterReplicaLogDirsRequest::default()).await,
        is_answered_in_every_version(&broker, DescribeLogDirsRequest::default()).await,
        is_answered_in_every_version(&broker, CreatePartitionsRequest::default()).await,
        is_answered_in_every_version(&broker, DeleteGroupsRequest::default()).await,
        is_answered_in_every_version(&broker, ElectLeadersRequest::default()).await,
        is_answered_in_every_version(&broker, IncrementalAlterConfigsRequest::default()).await,
        is_answered_in_every_version(&broker, AlterPartitionReassignmentsRequest::default()).await,
        is_answered_in_every_version(&broker, ListPartitionReassignmentsRequest::default()).await,
        is_answered_in_every_version(&broker, OffsetDeleteRequest::default()).await,
        is_answered_in_every_version(&broker, DescribeClientQuotasRequest::default()).await,
        is_answered_in_every_version(&broker, AlterClientQuotasRequest::default()).await,
        is_answered_in_every_version(&broker, DescribeQuorumRequest::default()).await,
        is_answered_in_every_version(&broker, UpdateFeaturesRequest::default()).await,
        is_answered_in_every_version(&broker, DescribeClusterRequest::default()).await,
        is_answered_in_every_version(&broker, DescribeProducersRequest::default()).await,
        is_answered_in_every_version(&broker, UnregisterBrokerRequest::default()).await,
        is_answered_in_every_version(&broker, GetTelemetrySubscriptionsRequest::default()).await,
        is_answered_in_every_version(&broker, PushTelemetryRequest::default()).await,
        is_answered_in_every_version(&broker, ListConfigResourcesRequest::default()).await,
        is_answered_in_every_version(&broker, DescribeTopicPartitionsRequest::default()).await,
    ];

    let told: Vec<i16> = told.api_keys.iter().map(|api| api.api_key).collect();
    let answered: Vec<i16> = answered.iter().map(|key| *key as i16).collect();
    assert_eq!(told, answered);
}

#[tokio::test]
async fn the_ranges_that_are_told_are_kafkas() {
    let broker = Broker::start();

    let told = connect(&broker)
        .await
        .call(&software(), 4)
        .await
        .expect("it is answered");

    for api in told.api_keys {
        let key = ApiKey::try_from(api.api_key).expect("a known API");
        let range = key.valid_versions();
        // librdkafka takes the absence of Produce 0 for an old broker.
        let least = if key == ApiKey::Produce {
            0
        } else {
            *range.start()
        };
        assert_eq!(
            (api.min_version, api.max_version),
            (least, *range.end()),
            "{key}"
        );
    }
    assert_eq!(told.finalized_features[0].max_version_level, 30);
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let broker = Broker::start();
    // Size 10; key 18, version 99, correlation id 7, null client id.
    let request = [0, 0, 0, 10, 0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff];

    let answer = crate::hostile::exchange(broker.bootstrap(), &request);

    // Size; correlation id 7; error 35; one API: key 18, versions 0 to 5.
    let body = [0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 5];
    assert_eq!(answer[4..], body);
}

#[tokio::test]
async fn an_unknown_version_of_anything_else_ends_the_connection() {
    let broker = Broker::start();
    for (key, version) in [(3, 99), (0, 2), (1, 3), (4, 0), (9_999, 0)] {
        let [k, l] = i16::to_be_bytes(key);
        let request = [0, 0, 0, 10, k, l, 0, version, 0, 0, 0, 7, 0xff, 0xff];

        let answer = crate::hostile::exchange(broker.bootstrap(), &request);
        assert!(answer.is_empty(), "key {key}");
    }
}

#[tokio::test]
async fn illegal_software_names_are_refused_and_the_connection_goes_on() {
    let broker = Broker::start();
    let mut client = connect(&broker).await;
    let nameless = ApiVersionsRequest::default();

    let refused = client.call(&nameless, 3).await.expect("it is answered");
    let accepted = client.call(&software(), 3).await.expect("it is answered");

    assert_eq!(refused.error_code, ErrorCode::INVALID_REQUEST);
    assert_eq!(accepted.error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn a_client_of_another_cluster_or_node_is_told_to_start_over() {
    const OTHER: &str = "JLLkEA6XQ0C3ANB0bHMI-g";
    let broker = Broker::start();
    let mut client = connect(&broker).await;
    let cluster = client.call(&DescribeClusterRequest::default(), 1).await;
    let own = cluster.expect("it is answered").cluster_id;

    for (cluster, node, expected) in [
        (None, -1, ErrorCode::NONE),
        (Some(own.clone()), 1, ErrorCode::NONE),
        (Some(own.clone()), 2, ErrorCode::REBOOTSTRAP_REQUIRED),
        (Some(own.clone()), -2, ErrorCode::REBOOTSTRAP_REQUIRED),
        (
            Some(Str::from_static(OTHER)),
            1,
            ErrorCode::REBOOTSTRAP_REQUIRED,
        ),
        (Some(own), -1, ErrorCode::INVALID_REQUEST),
        (None, 1, ErrorCode::INVALID_REQUEST),
    ] {
        let request = ApiVersionsRequest {
            cluster_id: cluster,
            node_id: node,
            ..software()
        };
        let answer = client.call(&request, 5).await.expect("it is answered");
        assert_eq!(answer.error_code, expected, "{request:?}");
        assert_eq!(answer.api_keys.is_empty(), expected.is_error());
        // The versions before 5 know of neither.
        let before = client.call(&request, 4).await.expect("it is answered");
        assert_eq!(before.error_code, ErrorCode::NONE);
    }
}

#[tokio::test]
async fn a_produce_without_acks_that_fails_ends_the_connection() {
    use broker::protocol::messages::produce::{PartitionProduceData, TopicProduceData};
    let broker = Broker::start();
    let mut client = connect(&broker).await;
    let request = ProduceRequest {
        acks: 0,
        topic_data: vec![TopicProduceData {
            name: Str::from_static("absent"),
            partition_data: vec![PartitionProduceData::default()],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };

    client.send(&request, 9).await.expect("it is sent");

    assert!(matches!(
        client.receive().await,
        Err(ClientError::Closed(_))
    ));
}

#[tokio::test]
async fn a_transactional_producer_is_refused_for_good() {
    let broker = Broker::start();
    let request = InitProducerIdRequest {
        transactional_id: Some(Str::from_static("mine")),
        ..InitProducerIdRequest::default()
    };

    let answer = connect(&broker)
        .await
        .call(&request, 4)
        .await
        .expect("it is answered");

    assert!(answer.error_code.is_error() && !answer.error_code.is_retriable());
}

#[tokio::test]
async fn every_producer_gets_an_id_of_its_own_also_after_a_restart() {
    let mut broker = Broker::start();
    let mut ids = std::collections::BTreeSet::new();

    for _ in 0..2 {
        let mut client = connect(&broker).await;
        for _ in 0..1_500 {
            let request = InitProducerIdRequest::default();
            let answer = client.call(&request, 4).await.expect("it is answered");
            assert_eq!(
                (answer.error_code, answer.producer_epoch),
                (ErrorCode::NONE, 0)
            );
            assert!(
                ids.insert(answer.producer_id),
                "{} was given twice",
                answer.producer_id
            );
        }
        broker.crash_and_restart();
    }
}
