//! Groups by raw requests: what no honest client sends is refused, and the group goes on unharmed.

use std::time::{Duration, Instant};

use broker::model::{Offset, Uuid};
use broker::network::{Client, ClientOptions};
use broker::protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use broker::protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use broker::protocol::messages::describe_groups::{DescribeGroupsRequest, DescribedGroup};
use broker::protocol::messages::find_coordinator::FindCoordinatorRequest;
use broker::protocol::messages::heartbeat::HeartbeatRequest;
use broker::protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use broker::protocol::messages::list_groups::ListGroupsRequest;
use broker::protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use broker::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use broker::protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponseGroup,
};
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use broker::protocol::{ErrorCode, Request, Str};
use broker::records::{BatchBuilder, NewRecord};
use bytes::Bytes;

use crate::support::Broker;
use crate::support::process::memory;

pub(crate) const MEBIBYTE: usize = 1 << 20;
/// How long a coordinator may take to load its groups.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn connect(broker: &Broker) -> Client {
    Client::connect(broker.bootstrap(), ClientOptions::default())
        .await
        .expect("the broker listens")
}

pub(crate) async fn call<R: Request>(
    client: &mut Client,
    request: &R,
    version: i16,
) -> R::Response {
    client.call(request, version).await.expect("it is answered")
}

/// A broker with the topic `t` of one partition, and its group coordinator at work.
pub(crate) async fn start() -> (Broker, Client) {
    start_with(&[]).await
}

/// As [`start`], with these settings besides.
pub(crate) async fn start_with(settings: &[(&str, &str)]) -> (Broker, Client) {
    let delay = ("group.initial.rebalance.delay.ms", "0");
    let broker = Broker::start_with(&[&[delay], settings].concat());
    let mut client = connect(&broker).await;
    let topic = CreatableTopic {
        name: "t".into(),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 30_000,
        ..CreateTopicsRequest::default()
    };
    call(&mut client, &request, 7).await;
    let request = FindCoordinatorRequest {
        coordinator_keys: vec!["g".into()],
        ..FindCoordinatorRequest::default()
    };
    let found = call(&mut client, &request, 6).await;
    assert_eq!(found.coordinators[0].error_code, ErrorCode::NONE);
    assert_eq!(found.coordinators[0].node_id, 1);
    (broker, client)
}

pub(crate) fn join(group: &str, member: &str, metadata: Bytes) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: Str::copy_from(group),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        member_id: Str::copy_from(member),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            metadata,
        }],
        ..JoinGroupRequest::default()
    }
}

/// Joins `group` as its only member and brings its assignment: it is stable then.
pub(crate) async fn stable(client: &mut Client, group: &str) -> JoinGroupResponse {
    // Up to version 3 a member needs no id to join.
    let joined = call(client, &join(group, "", Bytes::from_static(b"m")), 3).await;
    assert_eq!(joined.error_code, ErrorCode::NONE);
    let sync = SyncGroupRequest {
        group_id: Str::copy_from(group),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        assignments: vec![SyncGroupRequestAssignment {
            member_id: joined.member_id.clone(),
            assignment: Bytes::from_static(b"a"),
        }],
        ..SyncGroupRequest::default()
    };
    let synced = call(client, &sync, 3).await;
    assert_eq!(
        (synced.error_code, &synced.assignment[..]),
        (ErrorCode::NONE, &b"a"[..])
    );
    joined
}

pub(crate) async fn heartbeat(
    client: &mut Client,
    group: &str,
    member: &JoinGroupResponse,
) -> ErrorCode {
    let request = HeartbeatRequest {
        group_id: Str::copy_from(group),
        generation_id: member.generation_id,
        member_id: member.member_id.clone(),
        ..HeartbeatRequest::default()
    };
    call(client, &request, 4).await.error_code
}

async fn describe(client: &mut Client, group: &str) -> DescribedGroup {
    let request = DescribeGroupsRequest {
        groups: vec![Str::copy_from(group)],
        ..DescribeGroupsRequest::default()
    };
    call(client, &request, 6).await.groups.remove(0)
}

pub(crate) fn commit(group: &str, topic: &str, partition: i32, offset: i64) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: Str::copy_from(group),
        topics: vec![OffsetCommitRequestTopic {
            name: Str::copy_from(topic),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: partition,
                committed_offset: offset,
                committed_metadata: Some(Str::EMPTY),
                ..OffsetCommitRequestPartition::default()
            }],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    }
}

pub(crate) async fn commit_error(client: &mut Client, request: &OffsetCommitRequest) -> ErrorCode {
    let response = call(client, request, 9).await;
    response.topics[0].partitions[0].error_code
}

/// The committed offset of partition 0 of `t`, -1 if there is none, once the group's coordinator is at
/// work: after a start it still loads.
pub(crate) async fn committed(client: &mut Client, group: &str) -> i64 {
    let started = Instant::now();
    loop {
        let fetched = fetch_offset(client, group).await;
        match fetched.error_code {
            ErrorCode::NONE => return fetched.topics[0].partitions[0].committed_offset,
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS | ErrorCode::NOT_COORDINATOR => {
                assert!(started.elapsed() < PATIENCE, "{}", fetched.error_code);
                tokio::task::yield_now().await;
            }
            other => panic!("{group}: {other}"),
        }
    }
}

/// What OffsetFetch says of partition 0 of `t`.
async fn fetch_offset(client: &mut Client, group: &str) -> OffsetFetchResponseGroup {
    let request = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: Str::copy_from(group),
            topics: Some(vec![OffsetFetchRequestTopics {
                name: "t".into(),
                partition_indexes: vec![0],
                ..OffsetFetchRequestTopics::default()
            }]),
            ..OffsetFetchRequestGroup::default()
        }],
        ..OffsetFetchRequest::default()
    };
    call(client, &request, 9).await.groups.remove(0)
}

pub(crate) fn resident_bytes(broker: &Broker) -> usize {
    memory(broker.pid(), "VmRSS")
}

#[tokio::test]
async fn a_member_that_is_not_there_is_refused_and_the_group_stays_stable() {
    let (_broker, mut client) = start().await;
    let member = stable(&mut client, "g").await;
    let stranger = JoinGroupResponse {
        member_id: "stranger".into(),
        ..member.clone()
    };

    let unknown = heartbeat(&mut client, "g", &stranger).await;
    let rejoin = call(&mut client, &join("g", "stranger", Bytes::new()), 4).await;
    let mut stale = commit("g", "t", 0, 5);
    stale.member_id = member.member_id.clone();
    stale.generation_id_or_member_epoch = member.generation_id + 1;
    let stale = commit_error(&mut client, &stale).await;
    let without_member = commit_error(&mut client, &commit("g", "t", 0, 5)).await;

    assert_eq!(unknown, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(rejoin.error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(stale, ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(without_member, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(heartbeat(&mut client, "g", &member).await, ErrorCode::NONE);
    assert_eq!(describe(&mut client, "g").await.group_state, "Stable");
}

#[tokio::test]
async fn a_commit_for_a_partition_that_is_not_there_fails_alone() {
    let (_broker, mut client) = start().await;
    let mut request = commit("g", "t", 0, 5);
    request.topics[0]
        .partitions
        .push(OffsetCommitRequestPartition {
            partition_index: 7,
            committed_offset: 5,
            ..OffsetCommitRequestPartition::default()
        });
    request.topics.extend(commit("g", "absent", 0, 5).topics);

    let response = call(&mut client, &request, 9).await;

    let errors: Vec<_> = response
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|it| (topic.name.clone(), it)))
        .map(|(name, it)| (name.to_string(), it.partition_index, it.error_code))
        .collect();
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let expected = [
        ("t".to_owned(), 0, ErrorCode::NONE),
        ("t".to_owned(), 7, unknown),
        ("absent".to_owned(), 0, unknown),
    ];
    assert_eq!(errors, expected);
    assert_eq!(committed(&mut client, "g").await, 5);
}

#[tokio::test]
async fn oversized_metadata_and_assignments_are_refused_and_the_group_goes_on() {
    let (_broker, mut client) = start().await;
    let mut large = commit("simple", "t", 0, 5);
    large.topics[0].partitions[0].committed_metadata = Some(Str::from("x".repeat(5_000)));
    assert_eq!(
        commit_error(&mut client, &large).await,
        ErrorCode::OFFSET_METADATA_TOO_LARGE
    );
    assert_eq!(committed(&mut client, "simple").await, -1);

    let joined = call(&mut client, &join("g", "", Bytes::from_static(b"m")), 3).await;
    let sync = SyncGroupRequest {
        group_id: "g".into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        assignments: vec![SyncGroupRequestAssignment {
            member_id: joined.member_id.clone(),
            assignment: vec![0; 8 * MEBIBYTE].into(),
        }],
        ..SyncGroupRequest::default()
    };
    let synced = call(&mut client, &sync, 3).await;

    assert!(synced.error_code.is_error(), "8 MiB do not fit a batch");
    assert!(synced.assignment.is_empty());
    stable(&mut client, "other").await;
    let back = call(
        &mut client,
        &join("g", &joined.member_id, Bytes::from_static(b"m")),
        3,
    )
    .await;
    assert_eq!(back.error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn a_join_of_nearly_100_megabytes_is_refused_and_not_kept() {
    let (broker, mut client) = start().await;
    let member = stable(&mut client, "g").await;
    let before = resident_bytes(&broker);

    // A few buffers of one size may stay with the allocator, whatever the number of requests.
    for _ in 0..8 {
        let large = join("g", "", vec![7; 95 * MEBIBYTE].into());
        let refused = call(&mut client, &large, 3).await;
        assert!(refused.error_code.is_error());
    }

    let grown = resident_bytes(&broker).saturating_sub(before);
    assert!(grown < 3 * 95 * MEBIBYTE, "{} MiB more", grown / MEBIBYTE);
    assert_eq!(heartbeat(&mut client, "g", &member).await, ErrorCode::NONE);
}

#[tokio::test]
async fn a_member_that_waits_for_others_holds_nothing_of_its_request() {
    let broker = Broker::start_with(&[("group.initial.rebalance.delay.ms", "20000")]);
    let mut client = connect(&broker).await;
    let find = FindCoordinatorRequest {
        coordinator_keys: vec!["g".into()],
        ..FindCoordinatorRequest::default()
    };
    call(&mut client, &find, 6).await;
    let before = resident_bytes(&broker);
    let mut waiting = Vec::new();
    // The group keeps a tenth of a megabyte of each; their frames would be as much again.
    for _ in 0..8 {
        let mut member = connect(&broker).await;
        let request = join("g", "", vec![7; 100 * 1024].into());
        member.send(&request, 3).await.expect("it is sent");
        waiting.push(member);
    }
    let deadline = Instant::now() + Duration::from_secs(15);
    while describe(&mut client, "g").await.members.len() < 8 {
        assert!(Instant::now() < deadline, "they do not join");
        tokio::task::yield_now().await;
    }

    let grown = resident_bytes(&broker).saturating_sub(before);

    assert!(grown < 4 * MEBIBYTE, "{} MiB more", grown / MEBIBYTE);
}

#[tokio::test]
async fn ten_thousand_groups_of_one_client_stay_small() {
    let (broker, mut client) = start().await;
    let before = resident_bytes(&broker);

    for n in 0..10_000 {
        let request = commit(&format!("group-{n}"), "t", 0, n);
        assert_eq!(commit_error(&mut client, &request).await, ErrorCode::NONE);
    }

    let grown = resident_bytes(&broker).saturating_sub(before);
    assert!(grown < 64 * MEBIBYTE, "{} MiB more", grown / MEBIBYTE);
    let listed = call(&mut client, &ListGroupsRequest::default(), 5).await;
    assert_eq!(listed.groups.len(), 10_000);
    assert_eq!(committed(&mut client, "group-9999").await, 9_999);
}

#[tokio::test]
async fn the_offsets_of_a_deleted_topic_are_gone_when_it_comes_back() {
    let (_broker, mut client) = start().await;
    assert_eq!(
        commit_error(&mut client, &commit("g", "t", 0, 5)).await,
        ErrorCode::NONE
    );

    let delete = DeleteTopicsRequest {
        topics: vec![DeleteTopicState {
            name: Some("t".into()),
            ..DeleteTopicState::default()
        }],
        timeout_ms: 30_000,
        ..DeleteTopicsRequest::default()
    };
    call(&mut client, &delete, 6).await;

    assert_eq!(committed(&mut client, "g").await, -1);
}

#[tokio::test]
async fn offsets_are_committed_and_told_by_topic_id() {
    let (_broker, mut client) = start().await;
    let by_name = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some("t".into()),
            ..MetadataRequestTopic::default()
        }]),
        ..MetadataRequest::default()
    };
    let topic_id = call(&mut client, &by_name, 12).await.topics[0].topic_id;
    let mut request = commit("g", "", 0, 5);
    request.topics[0].topic_id = topic_id;
    let mut unknown = commit("g", "", 0, 5);
    unknown.topics[0].topic_id = Uuid::from_bytes([9; 16]);
    request.topics.append(&mut unknown.topics);

    let response = call(&mut client, &request, 10).await;
    let all = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: "g".into(),
            topics: None,
            ..OffsetFetchRequestGroup::default()
        }],
        ..OffsetFetchRequest::default()
    };
    let told = call(&mut client, &all, 10).await;

    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::NONE);
    let refused = &response.topics[1].partitions[0];
    assert_eq!(refused.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    assert_eq!(told.groups[0].topics.len(), 1);
    assert_eq!(told.groups[0].topics[0].topic_id, topic_id);
    assert_eq!(told.groups[0].topics[0].partitions[0].committed_offset, 5);
}

#[tokio::test]
async fn the_offsets_topic_is_internal_and_clients_do_not_write_to_it() {
    let (_broker, mut client) = start().await;
    let name = || Str::from_static("__consumer_offsets");
    let described = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(name()),
            ..MetadataRequestTopic::default()
        }]),
        ..MetadataRequest::default()
    };
    let described = call(&mut client, &described, 12).await;
    let mut batch = BatchBuilder::new(Offset::ZERO);
    batch.append(NewRecord::default());
    let partition = PartitionProduceData {
        records: Some(batch.build()),
        ..PartitionProduceData::default()
    };
    let produce = ProduceRequest {
        acks: 1,
        timeout_ms: 1_000,
        topic_data: vec![TopicProduceData {
            name: name(),
            partition_data: vec![partition],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    let produced = call(&mut client, &produce, 9).await;

    assert!(described.topics[0].is_internal);
    assert_eq!(described.topics[0].partitions.len(), 50);
    let error = produced.responses[0].partition_responses[0].error_code;
    assert_eq!(error, ErrorCode::INVALID_TOPIC_EXCEPTION);
}

#[tokio::test]
async fn groups_without_a_name_are_refused() {
    let (_broker, mut client) = start().await;

    let joined = call(&mut client, &join("", "", Bytes::new()), 3).await;
    let beat = call(&mut client, &HeartbeatRequest::default(), 4).await;

    assert_eq!(joined.error_code, ErrorCode::INVALID_GROUP_ID);
    assert_eq!(beat.error_code, ErrorCode::INVALID_GROUP_ID);
}

#[tokio::test]
async fn commits_that_count_once_they_are_synced_survive_a_kill() {
    let mut broker = Broker::start_with(&[("log.flush.interval.messages", "1")]);
    let mut client = connect(&broker).await;
    let topic = CreatableTopic {
        name: "t".into(),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let create = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 30_000,
        ..CreateTopicsRequest::default()
    };
    call(&mut client, &create, 7).await;
    let find = FindCoordinatorRequest {
        coordinator_keys: vec!["g".into()],
        ..FindCoordinatorRequest::default()
    };
    call(&mut client, &find, 6).await;
    for offset in 0..50 {
        let request = commit("g", "t", 0, offset);
        assert_eq!(commit_error(&mut client, &request).await, ErrorCode::NONE);
    }

    broker.crash_and_restart();
    let mut client = connect(&broker).await;

    assert_eq!(committed(&mut client, "g").await, 49);
}
