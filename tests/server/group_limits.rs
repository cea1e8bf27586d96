//! What groups may take, and what becomes of them when their log is damaged: on a real process.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use broker::network::Client;
use broker::protocol::messages::delete_groups::DeleteGroupsRequest;
use broker::protocol::messages::find_coordinator::FindCoordinatorRequest;
use broker::protocol::messages::join_group::JoinGroupRequest;
use broker::protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use broker::protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use broker::protocol::{ErrorCode, Str};
use bytes::Bytes;

use crate::groups::{
    MEBIBYTE, call, commit, commit_error, committed, connect, heartbeat, join, resident_bytes,
    stable, start, start_with,
};
use crate::support::Broker;

/// A member that stays for longer than the test takes.
fn patient(group: &str, metadata: &Bytes) -> JoinGroupRequest {
    JoinGroupRequest {
        session_timeout_ms: 600_000,
        rebalance_timeout_ms: 600_000,
        ..join(group, "", metadata.clone())
    }
}

#[tokio::test]
async fn members_of_all_groups_share_one_memory_and_come_again_when_it_is_used_up() {
    let (broker, mut client) = start().await;
    let member = stable(&mut client, "g").await;
    let before = resident_bytes(&broker);
    let metadata = Bytes::from(vec![7; MEBIBYTE - 10_000]);

    let mut members = Vec::new();
    for n in 0..200 {
        let joined = call(&mut client, &patient(&format!("group-{n}"), &metadata), 3).await;
        match joined.error_code {
            ErrorCode::NONE => members.push((format!("group-{n}"), joined.member_id)),
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => {}
            other => panic!("group {n}: {other}"),
        }
    }

    let grown = resident_bytes(&broker).saturating_sub(before);
    // 128 MiB, over 50 shards.
    assert!(
        (100..=130).contains(&members.len()),
        "{} joined",
        members.len()
    );
    assert!(grown < 192 * MEBIBYTE, "{} MiB more", grown / MEBIBYTE);
    assert_eq!(heartbeat(&mut client, "g", &member).await, ErrorCode::NONE);
    let small = patient("small", &Bytes::from_static(b"m"));
    assert_eq!(
        call(&mut client, &small, 3).await.error_code,
        ErrorCode::NONE
    );
    let (group, member_id) = members.remove(0);
    let leave = LeaveGroupRequest {
        group_id: group.into(),
        members: vec![MemberIdentity {
            member_id,
            ..MemberIdentity::default()
        }],
        ..LeaveGroupRequest::default()
    };
    call(&mut client, &leave, 3).await;
    let again = call(&mut client, &patient("later", &metadata), 3).await;
    assert_eq!(again.error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn ten_thousand_groups_with_members_of_one_client_stay_within_their_memory() {
    let (broker, mut client) = start().await;
    let before = resident_bytes(&broker);
    let metadata = Bytes::from(vec![7; 20_000]);

    let mut refused = 0;
    for n in 0..10_000 {
        let joined = call(&mut client, &patient(&format!("group-{n}"), &metadata), 3).await;
        match joined.error_code {
            ErrorCode::NONE => {}
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => refused += 1,
            other => panic!("group {n}: {other}"),
        }
    }

    let grown = resident_bytes(&broker).saturating_sub(before);
    assert!(refused > 1_000, "{refused} refused");
    assert!(grown < 192 * MEBIBYTE, "{} MiB more", grown / MEBIBYTE);
}

#[tokio::test]
async fn offsets_of_all_groups_share_one_memory_and_none_that_was_committed_is_lost() {
    const BOUND: usize = 16 * MEBIBYTE;
    let bound = BOUND.to_string();
    let (mut broker, mut client) = start_with(&[("group.offsets.max.bytes", &bound)]).await;
    let before = resident_bytes(&broker);
    let with_text = |n: usize, offset| {
        let mut request = commit(&format!("group-{n}"), "t", 0, offset);
        let text = Some(Str::from("m".repeat(2_000)));
        request.topics[0].partitions[0].committed_metadata = text;
        request
    };

    let mut kept = 0;
    for n in 0..6_000 {
        match commit_error(&mut client, &with_text(n, 5)).await {
            ErrorCode::NONE if kept == n => kept += 1,
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => {}
            other => panic!("group {n}: {other}"),
        }
    }

    assert!((2_000..6_000).contains(&kept), "{kept} groups");
    let grown = resident_bytes(&broker).saturating_sub(before);
    assert!(grown < 2 * BOUND, "{} MiB more", grown / MEBIBYTE);
    let in_its_place = commit_error(&mut client, &with_text(0, 6)).await;
    assert_eq!(in_its_place, ErrorCode::NONE);

    assert!(broker.stop().status.success());
    broker.set("group.offsets.max.bytes", "1048576");
    broker.start_again();
    let mut client = connect(&broker).await;
    while find(&mut client, "g").await != ErrorCode::NONE {}
    for n in 0..kept {
        let expected = if n == 0 { 6 } else { 5 };
        let offset = committed(&mut client, &format!("group-{n}")).await;
        assert_eq!(offset, expected, "group {n}");
    }
    assert_eq!(
        commit_error(&mut client, &with_text(1, 7)).await,
        ErrorCode::NONE
    );
    let refused = commit_error(&mut client, &with_text(kept, 5)).await;
    assert_eq!(refused, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    let all = DeleteGroupsRequest {
        groups_names: (0..kept).map(|n| Str::from(format!("group-{n}"))).collect(),
    };
    call(&mut client, &all, 2).await;
    let after = commit_error(&mut client, &with_text(kept, 5)).await;
    assert_eq!(after, ErrorCode::NONE);
}

#[tokio::test]
async fn a_partition_named_a_hundred_thousand_times_costs_no_more_than_its_request() {
    let (broker, mut client) = start().await;
    let first = commit("g", "t", 0, 5);
    assert_eq!(commit_error(&mut client, &first).await, ErrorCode::NONE);
    let before = resident_bytes(&broker);

    let mut commits = commit("g", "t", 0, 6);
    let named = commits.topics[0].partitions[0].clone();
    commits.topics[0].partitions = vec![named.clone(); 100_000];
    let refused = commit_error(&mut client, &commits).await;
    let deletes = OffsetDeleteRequest {
        group_id: "absent".into(),
        topics: vec![OffsetDeleteRequestTopic {
            name: "t".into(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }; 100_000],
        }],
    };
    let absent = call(&mut client, &deletes, 0).await;

    assert_eq!(refused, ErrorCode::INVALID_COMMIT_OFFSET_SIZE);
    assert_eq!(absent.error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(committed(&mut client, "g").await, 5);
    // More than is looked into: as in Kafka, so many do not fit in a batch.
    commits.topics[0].partitions = vec![named.clone(); 500_000];
    let refused = commit_error(&mut client, &commits).await;
    assert_eq!(refused, ErrorCode::INVALID_COMMIT_OFFSET_SIZE);
    let deletes = OffsetDeleteRequest {
        group_id: "g".into(),
        topics: vec![OffsetDeleteRequestTopic {
            name: "t".into(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 9 }; 500_000],
        }],
    };
    let unknown = call(&mut client, &deletes, 0).await;
    assert_eq!(unknown.topics[0].partitions.len(), 500_000);
    // More than can be answered.
    commits.topics[0].partitions = vec![named; 1_000_000];
    let mut other = connect(&broker).await;
    let closed = other.call(&commits, 9).await;
    let error = closed.map(|it| it.topics[0].partitions[0].error_code);
    assert!(error.is_err(), "it was looked into: {error:?}");
    assert_eq!(committed(&mut client, "g").await, 5);
    let grown = resident_bytes(&broker).saturating_sub(before);
    assert!(grown < 300 * MEBIBYTE, "{} MiB more", grown / MEBIBYTE);
}

/// The one log of groups that something was written to.
fn log_of_groups(broker: &Broker) -> PathBuf {
    let folders = fs::read_dir(broker.data_dir()).expect("it is there");
    let folders = folders.map(|entry| entry.expect("it is there").path());
    let is_of_groups = |folder: &PathBuf| folder.to_string_lossy().contains("__consumer_offsets-");
    let logs = folders
        .filter(is_of_groups)
        .map(|folder| folder.join("00000000000000000000.log"));
    let mut written = logs.filter(|log| fs::metadata(log).is_ok_and(|log| log.len() > 0));
    written.next().expect("one was written to")
}

async fn find(client: &mut Client, group: &str) -> ErrorCode {
    let request = FindCoordinatorRequest {
        coordinator_keys: vec![Str::copy_from(group)],
        ..FindCoordinatorRequest::default()
    };
    let found = call(client, &request, 6).await;
    found.coordinators[0].error_code
}

#[tokio::test]
async fn a_damaged_log_of_groups_is_told_of_and_the_other_groups_go_on() {
    let (mut broker, mut client) = start().await;
    let request = commit("g", "t", 0, 5);
    assert_eq!(commit_error(&mut client, &request).await, ErrorCode::NONE);
    assert!(broker.stop().status.success());
    let log = log_of_groups(&broker);
    let mut bytes = fs::read(&log).expect("it can be read");
    bytes[70] ^= 1;
    fs::write(&log, bytes).expect("it can be written");

    broker.start_again();
    let mut client = connect(&broker).await;
    let deadline = Instant::now() + Duration::from_secs(15);
    while find(&mut client, "g").await != ErrorCode::COORDINATOR_NOT_AVAILABLE {
        assert!(Instant::now() < deadline, "the damage is not found");
    }

    assert_eq!(
        commit_error(&mut client, &request).await,
        ErrorCode::NOT_COORDINATOR
    );
    // The line may be on its way while clients are told already.
    let told = broker.wait_until_logged("partition is offline");
    let names_place = told.contains(&*log.to_string_lossy()) && told.contains("position 0");
    assert!(names_place, "{told}");
    assert_eq!(find(&mut client, "other").await, ErrorCode::NONE);
    let other = commit("other", "t", 0, 5);
    assert_eq!(commit_error(&mut client, &other).await, ErrorCode::NONE);
}
