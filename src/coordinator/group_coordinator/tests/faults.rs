//! What goes wrong: appends that fail, logs that are damaged, deletions that nobody was told of; and what
//! is counted meanwhile.

use std::time::{Duration, Instant};

use super::support::{TOPIC_ID, World, error_of};
use super::{ONE_PARTITION, is_waiting, join, world};
use crate::model::{Offset, TopicId, TopicPartition};
use crate::protocol::ErrorCode;

const ANOTHER_ID: TopicId = TopicId::from_bytes([9; 16]);

/// One of two replicas is in sync, and offset 5 is committed: with `min.insync.replicas` of 2 nothing more
/// can be.
async fn half_in_sync() -> World {
    let world = World::new(&[ONE_PARTITION], &[1, 2]);
    world.set_isr(&[1]);
    assert_eq!(world.commit(5).await, ErrorCode::NONE);
    world
}

fn is_retriable(error: ErrorCode) -> bool {
    [
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
    ]
    .contains(&error)
}

#[tokio::test]
async fn who_waits_when_an_append_fails_is_told_to_come_again() {
    let world = half_in_sync().await;
    let mut joining = world.submit(&join());
    assert!(is_waiting(&mut joining));
    world.set_config("min.insync.replicas", "2");

    let error = world.commit(6).await;

    assert_eq!(error, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    let error = error_of(joining.answer().await);
    assert_eq!(error, ErrorCode::COORDINATOR_NOT_AVAILABLE);
}

#[tokio::test]
async fn reading_goes_on_while_nothing_can_be_written_and_loads_are_few() {
    let world = half_in_sync().await;
    world.set_config("min.insync.replicas", "2");

    let end = Instant::now() + Duration::from_millis(300);
    let mut attempts = 0_u64;
    while Instant::now() < end {
        let error = world.commit(6).await;
        assert!(is_retriable(error), "{error}");
        assert_eq!(world.committed().await, 5);
        attempts += 1;
    }

    // One at the start, and after failures at about 0, 100 and 300 milliseconds.
    assert!(world.loads() <= 4, "{} loads", world.loads());
    assert!(attempts >= world.loads(), "{attempts} attempts");
    world.set_config("min.insync.replicas", "1");
    assert_eq!(world.commit_after_pause(7).await, ErrorCode::NONE);
    assert_eq!(world.committed().await, 7);
}

#[tokio::test]
async fn a_load_that_was_queued_when_its_shard_resigned_does_nothing() {
    let world = half_in_sync().await;
    world.elect(2);
    let held = world.hold_loads().await;
    world.elect(1);
    world.elect(2);
    world.elect(1);

    drop(held);
    drop(world.hold_loads().await);

    assert_eq!(world.loads(), 2);
    world.assert_metrics(&["group_shards{state=\"active\"} 1", "group_offsets 1"]);
    world.elect(2);
    world.assert_metrics(&[
        "group_shards{state=\"active\"} 0",
        "group_shards{state=\"loading\"} 0",
        "group_offsets 0",
    ]);
}

#[tokio::test]
async fn two_loads_of_one_term_begin_it_once() {
    let world = half_in_sync().await;
    let joining = world.submit(&join());
    world.load_again();

    drop(world.hold_loads().await);

    world.elect(2);
    let answer = tokio::time::timeout(Duration::from_secs(10), joining.answer());
    assert_eq!(error_of(answer.await.unwrap()), ErrorCode::NOT_COORDINATOR);
}

#[tokio::test]
async fn what_a_shard_holds_is_given_back_when_it_is_dropped() {
    let mut world = half_in_sync().await;
    let mut joining = world.submit(&join());
    assert!(is_waiting(&mut joining));
    let metrics = std::sync::Arc::clone(&world.metrics);
    assert!(metrics.groups.member_bytes.get() > 0);

    world.restart_groups();
    while metrics.groups.member_bytes.get() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_damaged_log_goes_offline_and_its_groups_have_no_coordinator() {
    let mut world = world();
    assert_eq!(world.commit(5).await, ErrorCode::NONE);
    world.replicas.damage();

    world.restart_groups();
    while world.groups.serves(0) {
        tokio::task::yield_now().await;
    }

    assert_eq!(world.commit(6).await, ErrorCode::NOT_COORDINATOR);
    let name = TopicPartition::new(super::OFFSETS_TOPIC, 0);
    let error = world.replicas.manager.partition_by_name(&name).unwrap_err();
    assert_eq!(error.code(), ErrorCode::KAFKA_STORAGE_ERROR);
    world.assert_metrics(&[
        "corrupt_batches_total 1",
        "offline_partitions 1",
        "group_shards{state=\"failed\"} 1",
        "group_shards{state=\"loading\"} 0",
    ]);
}

#[tokio::test]
async fn a_log_with_a_batch_of_an_old_format_is_not_loaded_and_stays_online() {
    let mut world = world();
    assert_eq!(world.commit(5).await, ErrorCode::NONE);
    world.replicas.make_legacy();

    world.restart_groups();
    while world.groups.serves(0) {
        tokio::task::yield_now().await;
    }

    assert_eq!(world.commit(6).await, ErrorCode::NOT_COORDINATOR);
    let name = TopicPartition::new(super::OFFSETS_TOPIC, 0);
    assert!(world.replicas.manager.partition_by_name(&name).is_ok());
    world.assert_metrics(&[
        "corrupt_batches_total 0",
        "offline_partitions 0",
        "group_shards{state=\"failed\"} 1",
    ]);
}

#[tokio::test]
async fn offsets_of_a_topic_that_was_deleted_before_a_crash_are_removed_by_loading() {
    for successor in [None, Some(ANOTHER_ID)] {
        let mut world = world();
        assert_eq!(world.commit(5).await, ErrorCode::NONE);
        world.delete_topic_unnoticed(successor);

        world.restart_groups();

        assert_eq!(world.committed().await, -1);
        assert_eq!(world.committed_of(ANOTHER_ID).await, -1);
        while world.replicas.partition().end_offset() < Offset(2) {
            tokio::task::yield_now().await;
        }
        world.assert_metrics(&["group_offsets 0", "group_offset_deletions_total 1"]);
    }
}

#[tokio::test]
async fn offsets_of_deleted_topics_are_removed_even_if_that_must_wait_for_an_append() {
    let mut world = half_in_sync().await;
    world.set_config("min.insync.replicas", "2");
    world.delete_topic_unnoticed(None);
    world.restart_groups();
    while world.loads() < 2 {
        tokio::task::yield_now().await;
    }
    world.set_config("min.insync.replicas", "1");

    while world.replicas.partition().end_offset() < Offset(2) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    assert_eq!(world.committed_of(TOPIC_ID).await, -1);
}

#[tokio::test]
async fn what_shards_hold_and_do_is_counted() {
    let mut world = half_in_sync().await;
    assert_eq!(world.commit(6).await, ErrorCode::NONE);
    let mut joining = world.submit(&join());
    assert!(is_waiting(&mut joining));
    while world.replicas.partition().end_offset() < Offset(3) {
        tokio::task::yield_now().await;
    }
    world.assert_metrics(&[
        "group_shards{state=\"active\"} 1",
        "groups{state=\"Empty\"} 1",
        "groups{state=\"PreparingRebalance\"} 1",
        "group_offsets 1",
        "group_offset_commits_total 2",
        "group_batch_records_total 3",
        "group_shard_loads_total 1",
    ]);
    assert!(world.metrics.groups.member_bytes.get() > 0);

    world.elect(2);
    world.assert_metrics(&[
        "group_shards{state=\"active\"} 0",
        "groups{state=\"Empty\"} 0",
        "groups{state=\"PreparingRebalance\"} 0",
        "group_offsets 0",
        "group_member_bytes 0",
        "group_offset_commits_total 2",
    ]);
    world.elect(1);
    world.restart_groups();
    assert_eq!(world.committed().await, 6);
    world.assert_metrics(&["groups{state=\"Empty\"} 2", "group_offsets 1"]);
}
