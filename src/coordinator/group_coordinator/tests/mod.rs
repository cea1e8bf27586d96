//! The coordinator on replicas whose disk is in memory: group commit, acks of followers, leaders that
//! come and go, and loading.

mod faults;
mod support;

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::coordinator::shard::ShardRecord as _;
use crate::model::{LeaderEpoch, Offset, ProducerId, Timestamp, TopicPartition};
use crate::protocol::ErrorCode;
use crate::protocol::messages::describe_groups::DescribedGroup;
use crate::protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::protocol::messages::offsets_records::{
    OffsetCommitKey, OffsetCommitValue, OffsetsRecord,
};
use crate::records::control::{EndTransactionMarker, Placement, end_transaction_marker};
use crate::records::{BatchBuilder, Compression, CompressionSetting, NewRecord};
use support::{TOPIC_ID, World, commit, error_of};

/// A log with one partition of `__consumer_offsets`.
const ONE_PARTITION: (&str, &str) = ("offsets.topic.num.partitions", "1");

fn world() -> World {
    World::new(&[ONE_PARTITION], &[1])
}

fn join() -> Request {
    Request::JoinGroup {
        request: JoinGroupRequest {
            group_id: "waiting".into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            group_instance_id: Some("one".into()),
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol {
                name: "range".into(),
                metadata: Bytes::from_static(b"m"),
            }],
            ..JoinGroupRequest::default()
        },
        entropy: [3; 16],
    }
}

fn is_waiting(submitted: &mut Submitted<Answer>) -> bool {
    match submitted {
        Submitted::Answered(_) => false,
        Submitted::Waiting(receiver) => receiver.is_empty(),
    }
}

/// A record that commits `offset`, as it is written.
fn record(offset: i64) -> (Bytes, Option<Bytes>) {
    let key = OffsetCommitKey {
        group: "g".into(),
        topic: "t".into(),
        partition: 0,
    };
    let value = OffsetCommitValue {
        offset,
        topic_id: TOPIC_ID,
        commit_timestamp: i64::MAX / 2,
        ..OffsetCommitValue::default()
    };
    let record = OffsetsRecord::OffsetCommit(key, Some(value));
    record.to_bytes()
}

fn add(builder: &mut BatchBuilder, (key, value): &(Bytes, Option<Bytes>)) {
    builder.append(NewRecord {
        timestamp: Timestamp(1),
        key: Some(key),
        value: value.as_deref(),
        headers: &[],
    });
}

#[tokio::test]
async fn the_commits_of_many_go_as_one_batch() {
    let world = world();
    let mut submitted = Vec::new();
    for n in 0..100 {
        let group = format!("group-{n}");
        let request = commit(&group, n);
        submitted.push(world.groups.submit(&group, support::caller(), &request));
    }

    for submitted in submitted {
        assert_eq!(error_of(submitted.answer().await), ErrorCode::NONE);
    }

    let partition = world.replicas.partition();
    assert_eq!(partition.high_watermark(), Offset(100));
    let view = partition.with_log(|log| Ok(log.view())).unwrap();
    // 100 batches would have 100 headers: 6,100 bytes, and the records as much again.
    let size: u64 = view.segments().iter().map(|segment| segment.size).sum();
    assert!(size < 100 * 100, "{size} bytes for 100 commits");
}

#[tokio::test]
async fn a_commit_waits_for_the_followers_in_sync() {
    let world = World::new(&[ONE_PARTITION], &[1, 2]);
    let mut submitted = world.submit(&commit("g", 5));
    while world.replicas.partition().end_offset() == Offset(0) {
        tokio::task::yield_now().await;
    }
    assert!(is_waiting(&mut submitted));

    world.replicas.follower_catches_up();

    assert_eq!(error_of(submitted.answer().await), ErrorCode::NONE);
}

#[tokio::test]
async fn what_is_read_waits_for_what_it_rests_on() {
    let world = World::new(&[ONE_PARTITION], &[1, 2]);
    let committing = world.submit(&commit("g", 5));
    let reading = world.committed();
    tokio::pin!(reading);
    let early = tokio::time::timeout(Duration::from_millis(50), &mut reading).await;
    assert!(early.is_err(), "it told what is not committed");

    world.replicas.follower_catches_up();

    assert_eq!(error_of(committing.answer().await), ErrorCode::NONE);
    assert_eq!(reading.await, 5);
}

#[tokio::test]
async fn a_commit_that_takes_too_long_fails_and_may_count_later() {
    let world = World::new(
        &[ONE_PARTITION, ("offsets.commit.timeout.ms", "20")],
        &[1, 2],
    );

    let error = world.commit(5).await;
    assert_eq!(error, ErrorCode::COORDINATOR_NOT_AVAILABLE);

    world.replicas.follower_catches_up();
    assert_eq!(world.committed().await, 5);
}

#[tokio::test]
async fn what_could_not_be_written_never_was() {
    let world = World::new(&[ONE_PARTITION], &[1, 2]);
    world.set_isr(&[1]);
    assert_eq!(world.commit(5).await, ErrorCode::NONE);
    world.set_config("min.insync.replicas", "2");

    let error = world.commit(6).await;

    assert_eq!(error, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    assert_eq!(world.committed().await, 5);
    world.set_config("min.insync.replicas", "1");
    assert_eq!(world.commit_after_pause(7).await, ErrorCode::NONE);
    assert_eq!(world.committed().await, 7);
}

#[tokio::test]
async fn who_resigns_sends_everybody_away_and_who_leads_again_knows_all() {
    let world = World::new(&[ONE_PARTITION], &[1, 2]);
    world.set_isr(&[1]);
    assert_eq!(world.commit(5).await, ErrorCode::NONE);
    let mut joining = world.submit(&join());
    assert!(is_waiting(&mut joining));

    world.elect(2);

    let not_coordinator = ErrorCode::NOT_COORDINATOR;
    assert_eq!(error_of(joining.answer().await), not_coordinator);
    assert_eq!(world.commit(6).await, not_coordinator);
    assert!(world.groups.partitions().is_empty());
    world.elect(1);
    assert_eq!(world.committed().await, 5);
    assert_eq!(world.commit(7).await, ErrorCode::NONE);
}

#[tokio::test]
async fn a_new_epoch_of_the_same_leader_interrupts_nobody() {
    let world = world();
    let mut joining = world.submit(&join());

    world.elect(1);

    assert_eq!(world.commit(5).await, ErrorCode::NONE);
    assert!(is_waiting(&mut joining));
}

#[tokio::test]
async fn the_alarm_ends_the_wait_for_the_first_members() {
    let settings = [ONE_PARTITION, ("group.initial.rebalance.delay.ms", "30")];
    let world = World::new(&settings, &[1]);

    let joining = world.submit(&join());

    let answer = tokio::time::timeout(Duration::from_secs(10), joining.answer());
    assert_eq!(error_of(answer.await.unwrap()), ErrorCode::NONE);
}

/// What DescribeGroups says of the group that [`join`] is for.
async fn described(world: &World) -> DescribedGroup {
    let request = Request::DescribeGroups(vec!["waiting".into()]);
    match world.submit(&request).answer().await {
        Answer::DescribeGroups(mut groups) => groups.remove(0),
        other => unreachable!("groups were described: {other:?}"),
    }
}

#[tokio::test]
async fn a_member_whose_client_is_gone_while_it_joins_stays_until_its_session_ends() {
    let settings = [
        ONE_PARTITION,
        ("group.initial.rebalance.delay.ms", "30"),
        ("group.min.session.timeout.ms", "1"),
    ];
    let world = World::new(&settings, &[1]);
    let mut joining = join();
    if let Request::JoinGroup { request, .. } = &mut joining {
        request.session_timeout_ms = 100;
    }
    let submitted = world.submit(&joining);
    assert_eq!(world.waiting(), 1);

    drop(submitted);

    assert_eq!(world.waiting(), 0);
    let joined = described(&world).await;
    assert_eq!(joined.group_state, "PreparingRebalance");
    assert_eq!(joined.members.len(), 1);
    while !described(&world).await.members.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn the_offsets_of_a_deleted_topic_go_with_it() {
    let mut world = world();
    assert_eq!(world.commit(5).await, ErrorCode::NONE);

    world.delete_topic();

    assert_eq!(world.committed().await, -1);
    while world.replicas.partition().end_offset() < Offset(2) {
        tokio::task::yield_now().await;
    }
    world.restart_groups();
    assert_eq!(world.committed().await, -1);
}

#[tokio::test]
async fn who_stops_answers_commits_and_sends_members_away() {
    let world = World::new(&[ONE_PARTITION], &[1, 2]);
    let joining = world.submit(&join());
    let committing = world.submit(&commit("g", 5));

    world.groups.stop();

    assert_eq!(error_of(joining.answer().await), ErrorCode::NOT_COORDINATOR);
    while world.replicas.partition().end_offset() == Offset(0) {
        tokio::task::yield_now().await;
    }
    world.replicas.follower_catches_up();
    assert_eq!(error_of(committing.answer().await), ErrorCode::NONE);
}

#[tokio::test]
async fn loading_decompresses_passes_over_types_that_it_does_not_know_and_goes_on() {
    let mut world = world();
    let zstd = CompressionSetting::new(Compression::Zstd);
    let mut batch = BatchBuilder::new(Offset(0)).compression(zstd);
    add(&mut batch, &record(5));
    add(&mut batch, &(Bytes::from_static(&[0, 99, 1]), None));
    world.replicas.write(&batch.build());
    let mut batch = BatchBuilder::new(Offset(0));
    add(&mut batch, &record(7));
    world.replicas.write(&batch.build());

    world.restart_groups();

    assert_eq!(world.committed().await, 7);
    assert_eq!(world.commit(8).await, ErrorCode::NONE);
    assert_eq!(world.replicas.partition().end_offset(), Offset(4));
}

#[tokio::test]
async fn a_record_of_a_known_type_that_cannot_be_read_ends_the_load_and_nothing_is_written() {
    let (key, value) = record(6);
    let value = value.expect("a commit has a value");
    let cut = |bytes: &Bytes| bytes.slice(..bytes.len() - 1);
    let cut_key = (cut(&key), Some(value.clone()));
    let no_type = (Bytes::from_static(&[0]), None);
    let cut_value = (key.clone(), Some(cut(&value)));
    let empty_value = (key.clone(), Some(Bytes::new()));
    let unknown_version = (key, Some(Bytes::from_static(&[0, 99])));
    for strange in [cut_key, no_type, cut_value, empty_value, unknown_version] {
        let mut world = world();
        assert_eq!(world.commit(5).await, ErrorCode::NONE);
        let mut batch = BatchBuilder::new(Offset(0));
        add(&mut batch, &strange);
        world.replicas.write(&batch.build());

        world.restart_groups();
        while world.groups.serves(0) {
            tokio::task::yield_now().await;
        }

        let refused = world.commit(6).await;
        assert_eq!(refused, ErrorCode::NOT_COORDINATOR, "{strange:?}");
        let name = TopicPartition::new(OFFSETS_TOPIC, 0);
        assert!(world.replicas.manager.partition_by_name(&name).is_ok());
        assert_eq!(world.replicas.partition().end_offset(), Offset(2));
        world.assert_metrics(&["offline_partitions 0", "group_shards{state=\"failed\"} 1"]);
    }
}

#[tokio::test]
async fn loading_takes_offsets_of_transactions_only_once_they_are_committed() {
    for (committed, expected) in [(true, 6), (false, 5)] {
        let mut world = world();
        let producer = ProducerId(9);
        let mut plain = BatchBuilder::new(Offset(0));
        add(&mut plain, &record(5));
        world.replicas.write(&plain.build());
        let mut batch = BatchBuilder::new(Offset(0))
            .producer(producer, 0, 0)
            .transactional();
        add(&mut batch, &record(6));
        world.replicas.write(&batch.build());
        world.restart_groups();
        assert_eq!(world.committed().await, 5, "before the end");

        let placement = Placement {
            base_offset: Offset(0),
            leader_epoch: LeaderEpoch(0),
            timestamp: Timestamp(1),
        };
        let marker = EndTransactionMarker {
            committed,
            coordinator_epoch: 0,
        };
        world
            .replicas
            .write(&end_transaction_marker(placement, producer, 0, marker));
        world.restart_groups();

        assert_eq!(world.committed().await, expected);
    }
}

#[tokio::test]
async fn a_log_is_loaded_in_pieces_of_the_configured_size() {
    let settings = [ONE_PARTITION, ("offsets.load.buffer.size", "64")];
    let mut world = World::new(&settings, &[1]);
    for offset in 0..200 {
        let mut batch = BatchBuilder::new(Offset(0));
        add(&mut batch, &record(offset));
        world.replicas.write(&batch.build());
    }

    world.restart_groups();

    assert_eq!(world.committed().await, 199);
}
