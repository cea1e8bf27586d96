//! A broker's replicas on a disk in memory: they come, are written and read, fail, and come back.

mod damage;
mod moves;
mod stalls;
mod support;
mod upkeep;

use std::path::Path;
use std::time::Duration;

use support::{Change, World, batch, broker, request};

use super::*;
use crate::doubles::{Fault, Tear};
use crate::model::{Offset, Timestamp};
use crate::protocol::error_code::ErrorCode;
use crate::replication::delayed::{AckOutcome, AckWait};
use crate::replication::dirs::CheckpointKind;
use crate::replication::fetch_session::{FINAL_EPOCH, INITIAL_EPOCH, NO_SESSION, SessionError};
use crate::replication::partition::{Moment, OffsetQuery};
use crate::replication::threads::now;
use crate::replication::upkeep::Progress;
use crate::storage::disk::Disk;

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_created_topic_is_written_and_read() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 2)]);

    assert_eq!(world.append("t", 1, 3), Ok(Offset(0)));
    assert_eq!(world.append("t", 1, 2), Ok(Offset(3)));

    let answer = world.fetch_once(&[("t", 0, 0), ("t", 1, 3)]).await;
    assert_eq!(answer.session_id, NO_SESSION);
    let [empty, filled] = &answer.partitions[..] else {
        panic!("{answer:?}");
    };
    assert!(empty.records.is_empty());
    assert_eq!(filled.high_watermark, Offset(5));
    assert_eq!(support::base_offsets(&filled.records), [3]);
}

#[test]
fn what_is_not_here_is_told_apart() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1), Change::topic_on("elsewhere", &[2])]);
    let code = |topic: &str, partition| {
        let name = TopicPartition::new(topic, partition);
        world.manager.partition_by_name(&name).unwrap_err().code()
    };

    assert_eq!(code("nothing", 0), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(code("t", 1), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(code("elsewhere", 0), ErrorCode::NOT_LEADER_OR_FOLLOWER);
}

#[tokio::test]
async fn a_waiting_fetch_is_woken_by_an_append_and_not_before() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    let fetch = world.fetch(&[("t", 0, 0)], LONG, FINAL_EPOCH);
    let waiting = tokio::spawn(fetch.run());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished());

    world.append("t", 0, 1).unwrap();

    let answer = waiting.await.unwrap();
    assert_eq!(support::base_offsets(&answer.partitions[0].records), [0]);
}

#[tokio::test]
async fn a_fetch_waits_until_there_is_enough() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 2)]);
    world.append("t", 0, 1).unwrap();
    let params = FetchParams {
        min_bytes: 2 * u32::try_from(batch(1).size()).unwrap(),
        ..support::params(LONG)
    };
    let wanted = [("t", 0, 0), ("t", 1, 0)];
    let fetch = world.begin_with(params, (NO_SESSION, FINAL_EPOCH), &wanted);
    let fetch = fetch.unwrap();
    let waiting = tokio::spawn(fetch.run());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished());

    world.append("t", 1, 1).unwrap();

    let answer = waiting.await.unwrap();
    let sizes: Vec<_> = answer
        .partitions
        .iter()
        .map(|it| it.records.len())
        .collect();
    assert_eq!(sizes, [batch(1).size(); 2]);
}

#[tokio::test]
async fn a_fetch_that_finds_nothing_ends_at_its_deadline() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);

    let fetch = world.fetch(&[("t", 0, 0)], Duration::from_millis(10), FINAL_EPOCH);
    let answer = fetch.run().await;

    assert!(answer.partitions[0].records.is_empty());
    assert_eq!(answer.partitions[0].error, ErrorCode::NONE);
}

#[tokio::test]
async fn errors_are_told_at_once_and_by_partition() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1), Change::topic_on("elsewhere", &[2])]);
    let wanted = [
        ("t", 0, 7),
        ("t", 9, 0),
        ("none", 0, 0),
        ("elsewhere", 0, 0),
    ];

    let fetch = world.fetch(&wanted, LONG, FINAL_EPOCH);
    let answer = fetch.run().await;

    let codes: Vec<_> = answer.partitions.iter().map(|it| it.error).collect();
    let expected = [
        ErrorCode::OFFSET_OUT_OF_RANGE,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ];
    assert_eq!(codes, expected);
}

#[tokio::test]
async fn an_incremental_fetch_answers_what_is_new() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 3)]);
    let all = [("t", 0, 0), ("t", 1, 0), ("t", 2, 0)];
    let first = world.fetch(&all, Duration::ZERO, INITIAL_EPOCH).run().await;
    assert_ne!(first.session_id, NO_SESSION);
    assert_eq!(first.partitions.len(), 3);

    let none = world
        .fetch_in(first.session_id, 1, &[], Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(
        (none.session_id, none.partitions.len()),
        (first.session_id, 0)
    );

    world.append("t", 1, 2).unwrap();
    let one = world
        .fetch_in(first.session_id, 2, &[], LONG)
        .await
        .unwrap();
    let [answer] = &one.partitions[..] else {
        panic!("{one:?}");
    };
    assert_eq!((answer.partition, answer.high_watermark), (1, Offset(2)));

    let none = world
        .fetch_in(first.session_id, 3, &[("t", 1, 2)], Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(none.partitions, []);
    let late = world
        .fetch_in(first.session_id, 3, &[], Duration::ZERO)
        .await;
    assert_eq!(late.unwrap_err(), SessionError::InvalidEpoch);
    let unknown = world
        .fetch_in(first.session_id ^ 1, 1, &[], Duration::ZERO)
        .await;
    assert_eq!(unknown.unwrap_err(), SessionError::NotFound);
}

#[tokio::test]
async fn an_incremental_fetch_is_woken_by_any_of_its_partitions() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 50)]);
    let all: Vec<_> = (0..50).map(|partition| ("t", partition, 0)).collect();
    let first = world.fetch(&all, Duration::ZERO, INITIAL_EPOCH).run().await;
    world
        .fetch_in(first.session_id, 1, &[], Duration::ZERO)
        .await
        .unwrap();

    let fetch = world.begin_in(first.session_id, 2, &[], LONG).unwrap();
    let waiting = tokio::spawn(fetch.run());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished());
    world.append("t", 33, 1).unwrap();

    let answer = waiting.await.unwrap();
    assert_eq!(answer.partitions.len(), 1);
    assert_eq!(answer.partitions[0].partition, 33);
}

#[tokio::test]
async fn a_fetch_that_is_dropped_leaves_its_news_to_the_next() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 2)]);
    let all = [("t", 0, 0), ("t", 1, 0)];
    let first = world.fetch(&all, Duration::ZERO, INITIAL_EPOCH).run().await;
    world
        .fetch_in(first.session_id, 1, &[], Duration::ZERO)
        .await
        .unwrap();
    world.append("t", 1, 1).unwrap();
    let params = FetchParams {
        min_bytes: 1_000_000,
        ..support::params(LONG)
    };
    let dropped = world
        .begin_with(params, (first.session_id, 2), &[])
        .unwrap();
    let cut = tokio::time::timeout(Duration::from_millis(20), dropped.run()).await;
    assert!(cut.is_err());

    let next = world
        .fetch_in(first.session_id, 3, &[], Duration::ZERO)
        .await
        .unwrap();

    assert_eq!(next.partitions.len(), 1);
}

#[tokio::test]
async fn a_fetch_that_is_dropped_while_it_waits_leaves_nothing_behind() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    let partition = world.partition("t", 0);
    let fetch = world.fetch(&[("t", 0, 0)], LONG, FINAL_EPOCH);
    let mut waiting = Box::pin(fetch.run());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    assert_eq!(partition.watchers().len(), 1);

    drop(waiting);

    assert!(partition.watchers().is_empty());
}

#[tokio::test]
async fn a_produce_that_is_dropped_while_it_waits_is_not_waited_for() {
    let world = World::new(&["/a"]);
    world.apply(&[broker(2, false), Change::topic_on("t", &[1, 2])]);
    let wait = AckWait::new(1);
    assert_eq!(world.append_waiting("t", 0, &wait), Ok(Offset(0)));
    let mut waiting = Box::pin(world.manager.wait_for_acks(wait, LONG));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());

    drop(waiting);

    world.apply(&[broker(2, true), Change::isr("t", &[1])]);
    assert_eq!(world.partition("t", 0).high_watermark(), Offset(1));
}

#[tokio::test]
async fn a_session_follows_a_topic_that_is_deleted_and_made_again() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    world.append("t", 0, 1).unwrap();
    let first = world
        .fetch(&[("t", 0, 1)], Duration::ZERO, INITIAL_EPOCH)
        .run()
        .await;
    world
        .fetch_in(first.session_id, 1, &[], Duration::ZERO)
        .await
        .unwrap();

    world.apply(&[Change::delete("t")]);
    let gone = world
        .fetch_in(first.session_id, 2, &[], LONG)
        .await
        .unwrap();
    assert_eq!(
        gone.partitions[0].error,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );

    world.apply(&[Change::topic("t", 1)]);
    let again = world
        .fetch_in(first.session_id, 3, &[("t", 0, 0)], Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(again.partitions[0].error, ErrorCode::NONE);
    assert_eq!(again.partitions[0].high_watermark, Offset(0));
    world.append("t", 0, 1).unwrap();
    let woken = world
        .fetch_in(first.session_id, 4, &[], LONG)
        .await
        .unwrap();
    assert_eq!(woken.partitions[0].high_watermark, Offset(1));
}

#[test]
fn a_topic_made_again_begins_empty_and_the_old_folder_goes() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    world.append("t", 0, 3).unwrap();

    world.apply(&[Change::delete("t"), Change::topic("t", 1)]);

    assert_eq!(world.append("t", 0, 1), Ok(Offset(0)));
    let folders = world.folders("/a");
    assert_eq!(folders.len(), 2, "{folders:?}");
    assert!(
        folders
            .iter()
            .any(|name| name.starts_with("t-0.") && name.ends_with("-delete"))
    );
}

#[test]
fn after_a_clean_stop_nothing_is_missing() {
    let world = World::new(&["/a", "/b"]);
    world.apply(&[Change::topic("t", 4)]);
    for partition in 0..4 {
        world.append("t", partition, 2).unwrap();
    }
    world.manager.close(77);

    let again = world.restarted(&world.disk);

    assert_eq!(again.previous_broker_epoch, Some(77));
    for partition in 0..4 {
        let found = again.partition("t", partition);
        assert_eq!(
            (found.end_offset(), found.high_watermark()),
            (Offset(2), Offset(2))
        );
    }
    assert_eq!(
        again.replica_directories.len(),
        4,
        "the controller was not told before"
    );
}

#[test]
fn after_a_power_cut_there_is_no_clean_mark_and_what_was_synced_is_there() {
    let world = World::new(&["/a"]);
    world.apply(&[
        Change::topic("t", 1),
        Change::config("t", "flush.messages", "1"),
    ]);
    let wait = AckWait::new(1);
    world.append_waiting("t", 0, &wait).unwrap();
    world.until(|| wait.is_done());
    assert_eq!(wait.outcomes(), [AckOutcome::Committed]);

    let again = world.restarted(&world.disk.after_power_cut(Tear::Lost));

    assert_eq!(again.previous_broker_epoch, None);
    assert_eq!(again.partition("t", 0).end_offset(), Offset(1));
}

#[test]
fn a_folder_that_is_not_assigned_here_is_set_aside() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1), Change::topic("u", 1)]);
    world.manager.close(1);
    world.change_image(&[Change::delete("t")]);

    let again = world.restarted(&world.disk);

    let folders = again.folders("/a");
    assert!(
        folders
            .iter()
            .any(|name| name.starts_with("t-0.") && name.ends_with("-stray"))
    );
    assert!(folders.contains(&"u-0".to_owned()), "{folders:?}");
    assert_eq!(again.manager.partitions().len(), 1);
}

#[test]
fn new_logs_go_where_the_fewest_are_and_the_controller_is_told() {
    let world = World::new(&["/a", "/b"]);

    let replica_directories = world.apply(&[Change::topic("t", 6)]);

    assert_eq!(replica_directories.len(), 6);
    assert_eq!(
        (world.folders("/a").len(), world.folders("/b").len()),
        (3, 3)
    );
}

#[test]
fn a_log_goes_where_the_controller_says() {
    let world = World::new(&["/a", "/b"]);
    let second = world.manager.online_dirs()[1];

    let replica_directories = world.apply(&[Change::topic_in("t", 3, second)]);

    assert_eq!(replica_directories, []);
    assert_eq!(
        (world.folders("/a").len(), world.folders("/b").len()),
        (0, 3)
    );
}

#[test]
fn a_failed_disk_costs_its_own_partitions_and_the_last_one_is_told() {
    let world = World::new(&["/a", "/b"]);
    world.apply(&[Change::topic("t", 2)]);
    let in_dir = |path: &str| {
        let partitions = world.manager.partitions();
        let here = partitions
            .iter()
            .find(|it| it.dir().path() == Path::new(path));
        here.unwrap().name().partition
    };
    let (first, second) = (in_dir("/a"), in_dir("/b"));
    let wait = AckWait::new(1);

    world.disk.inject(world.disk.operations(), Fault::Io);
    assert_eq!(
        world.append("t", first, 1),
        Err(ErrorCode::KAFKA_STORAGE_ERROR)
    );
    world.disk.heal();

    assert_eq!(
        world.append("t", first, 1),
        Err(ErrorCode::KAFKA_STORAGE_ERROR)
    );
    assert_eq!(world.append_waiting("t", second, &wait), Ok(Offset(0)));
    assert_eq!(world.manager.offline_dirs().len(), 1);
    assert_eq!(world.manager.offline_partitions().len(), 1);
    assert_eq!(world.failures(), [false]);
    world.assert_metric("offline_log_dirs", 1);
    world.assert_metric("offline_partitions", 1);
    world.assert_metric("partitions", 2);
    world.assert_metric("appended_batches_total", 1);
    world.assert_metric("corrupt_batches_total", 0);

    world.disk.inject(world.disk.operations(), Fault::Io);
    assert_eq!(
        world.append("t", second, 1),
        Err(ErrorCode::KAFKA_STORAGE_ERROR)
    );
    assert_eq!(world.failures(), [false, true]);
}

#[test]
fn a_full_disk_refuses_writes_and_goes_on_serving() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    world.append("t", 0, 1).unwrap();

    world.disk.inject(world.disk.operations(), Fault::NoSpace);
    assert_eq!(world.append("t", 0, 1), Err(ErrorCode::KAFKA_STORAGE_ERROR));
    assert!(world.failures().is_empty());
    assert_eq!(world.partition("t", 0).high_watermark(), Offset(1));

    world.disk.heal();
    assert_eq!(world.append("t", 0, 1), Ok(Offset(1)));
}

#[test]
fn a_topic_that_finds_the_disk_full_costs_no_other() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);

    world.disk.inject(world.disk.operations(), Fault::NoSpace);
    world.apply(&[Change::topic("u", 1)]);
    world.disk.heal();

    assert!(world.failures().is_empty());
    assert_eq!(world.append("t", 0, 1), Ok(Offset(0)));
    assert_eq!(world.append("u", 0, 1), Err(ErrorCode::KAFKA_STORAGE_ERROR));
}

#[test]
fn thousands_of_partitions_are_made_and_taken_away() {
    let world = World::new(&["/a", "/b"]);

    let replica_directories = world.apply(&[Change::topic("t", 2_000)]);

    assert_eq!(replica_directories.len(), 2_000);
    let counts = (world.folders("/a").len(), world.folders("/b").len());
    assert!(counts.0.abs_diff(counts.1) <= 16, "{counts:?}");
    world.assert_metric("partitions", 2_000);
    world.apply(&[Change::delete("t")]);
    assert!(world.manager.partitions().is_empty());
    world.assert_metric("partitions", 0);
}

#[test]
fn a_failed_sync_is_never_acknowledged() {
    let world = World::new(&["/a"]);
    world.apply(&[
        Change::topic("t", 1),
        Change::config("t", "flush.messages", "1"),
    ]);
    let wait = AckWait::new(1);
    // The write itself is the first operation, its sync comes after.
    world.disk.inject(world.disk.operations() + 1, Fault::Io);

    world.append_waiting("t", 0, &wait).unwrap();

    world.until(|| wait.is_done());
    assert_eq!(wait.outcomes(), [AckOutcome::StorageFailed]);
    world.until(|| world.failures() == [true]);
}

#[test]
fn a_directory_that_failed_does_not_get_its_logs_made_anew_elsewhere() {
    let world = World::new(&["/a", "/b"]);
    let first = world.manager.online_dirs()[0];
    world.apply(&[Change::topic_in("t", 1, first)]);
    world.manager.close(1);

    let again = world.restarted_on(&world.disk, &["/b"], &["/a"]);

    again.assert_metric("offline_log_dirs", 1);
    assert_eq!(again.folders("/b").len(), 0);
    assert_eq!(again.append("t", 0, 1), Err(ErrorCode::KAFKA_STORAGE_ERROR));
}

#[test]
fn a_damaged_log_costs_only_itself_and_keeps_its_recovery_point() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 2)]);
    for partition in 0..2 {
        world.append("t", partition, 5).unwrap();
    }
    world.manager.close(1);
    world.damage("/a/t-1/00000000000000000000.log");
    world
        .disk
        .remove(Path::new("/a/.kafka_cleanshutdown"))
        .unwrap();

    for _ in 0..2 {
        let again = world.restarted(&world.disk);
        assert_eq!(again.partition("t", 0).end_offset(), Offset(5));
        assert_eq!(again.append("t", 1, 1), Err(ErrorCode::KAFKA_STORAGE_ERROR));
        again.assert_metric("corrupt_batches_total", 1);
        again.assert_metric("offline_partitions", 1);
        again.manager.close(1);
        world
            .disk
            .remove(Path::new("/a/.kafka_cleanshutdown"))
            .unwrap();
    }
}

#[test]
fn topic_settings_reach_the_partitions() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    world.apply(&[Change::config("t", "min.insync.replicas", "1")]);
    world.apply(&[Change::config("t", "cleanup.policy", "compact")]);

    let partition = world.partition("t", 0);
    let refused = partition.delete_records(0, |_| true, None).unwrap_err();

    assert_eq!(refused.code(), ErrorCode::POLICY_VIOLATION);
}

#[test]
fn a_fenced_follower_is_not_waited_for() {
    let world = World::new(&["/a"]);
    world.apply(&[broker(2, false), Change::topic_on("t", &[1, 2])]);
    let state = world.partition("t", 0).replicas().unwrap();
    assert_eq!((state.count, state.isr.len()), (2, 2));
    let wait = AckWait::new(1);
    world.append_waiting("t", 0, &wait).unwrap();
    assert!(!wait.is_done());

    world.apply(&[broker(2, true), Change::isr("t", &[1])]);

    assert_eq!(wait.outcomes(), [AckOutcome::Committed]);
}

#[test]
fn a_closed_manager_serves_nothing() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    let partition = world.partition("t", 0);

    world.manager.close(1);

    assert!(
        partition
            .plan_fetch(&request(0), support::reader())
            .is_err()
    );
    assert_eq!(
        world.append("t", 0, 1),
        Err(ErrorCode::NOT_LEADER_OR_FOLLOWER)
    );
    assert!(world.manager.rooms.replicas.close().is_none());
}

#[test]
fn retention_deletes_old_segments_and_then_their_files() {
    let world = World::new(&["/a"]);
    world.apply(&[
        Change::topic("t", 1),
        Change::config("t", "internal.segment.bytes", "200"),
        Change::config("t", "retention.ms", "1000"),
        Change::config("t", "file.delete.delay.ms", "0"),
    ]);
    for _ in 0..10 {
        world.append("t", 0, 1).unwrap();
    }
    assert!(world.files("/a/t-0", ".log").len() > 3);

    world.manager.rooms.upkeep.apply_retention();

    let partition = world.partition("t", 0);
    assert_eq!(
        partition.log_start_offset(),
        Offset(10),
        "the records are of 2023"
    );
    assert_eq!(world.files("/a/t-0", ".log"), ["00000000000000000010.log"]);
    world.until(|| {
        world.manager.rooms.dirs.remove_due_files();
        world.files("/a/t-0", ".deleted").is_empty()
    });
}

#[test]
fn deleted_records_stay_deleted_after_the_checkpoint() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    for _ in 0..5 {
        world.append("t", 0, 1).unwrap();
    }
    let (partition, wait) = (world.partition("t", 0), AckWait::new(1));

    let deleted = world.manager.delete_records(&partition, 3, wait.ticket(0));
    world
        .manager
        .rooms
        .dirs
        .write_checkpoints(&[CheckpointKind::LogStart]);
    let again = world.restarted(&world.disk);

    assert_eq!(deleted.unwrap(), Offset(3));
    assert!(wait.is_done(), "there is nobody to wait for");
    assert_eq!(again.partition("t", 0).log_start_offset(), Offset(3));
}

#[test]
fn a_scrub_reads_every_log_and_takes_a_damaged_one_offline() {
    let world = World::new(&["/a"]);
    world.apply(&[
        Change::topic("t", 3),
        Change::config("t", "flush.messages", "1"),
    ]);
    for partition in 0..3 {
        world.append("t", partition, 5).unwrap();
        world.until(|| world.partition("t", partition).flushed_offset() == Offset(5));
    }
    let size = batch(5).size() as u64;
    let (rooms, started) = (&*world.manager.rooms, now());
    let later = |periods: i64| Moment {
        wall: Timestamp(started.wall.0 + periods * 1_000),
        ..started
    };
    let mut progress = Progress::new(1_000, started.wall);
    let dir = &rooms.dirs.all()[0];
    let mut scrub = |periods| {
        rooms
            .upkeep
            .scrub_part(dir, &mut progress, u64::MAX, later(periods))
    };
    assert_eq!(scrub(0), 0);
    assert_eq!(scrub(1), 3 * size);

    world.damage("/a/t-1/00000000000000000000.log");
    assert!(scrub(2) >= 2 * size);
    world.assert_metric("corrupt_batches_total", 1);
    world.assert_metric("partitions", 3);
    world.assert_metric("offline_partitions", 1);
    assert!(scrub(3) >= 2 * size, "it is not read again");
    world.assert_metric("corrupt_batches_total", 1);

    let refused = Err(ErrorCode::KAFKA_STORAGE_ERROR);
    assert_eq!(world.append("t", 1, 1), refused);
    assert_eq!(world.append("t", 2, 1), Ok(Offset(5)));
    rooms.dirs.write_checkpoints(&CheckpointKind::ALL);
    let again = world.restarted(&world.disk);
    assert_eq!(
        again.append("t", 1, 1),
        refused,
        "it is not cut where the damage is"
    );
}

#[test]
fn damage_behind_a_lost_index_is_found_when_it_is_made_again() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    world.append("t", 0, 5).unwrap();
    world.manager.close(1);
    let log = "/a/t-0/00000000000000000000";
    world.damage(&format!("{log}.log"));
    world
        .disk
        .remove(Path::new(&format!("{log}.index")))
        .unwrap();

    let again = world.restarted(&world.disk);

    assert_eq!(again.append("t", 0, 1), Err(ErrorCode::KAFKA_STORAGE_ERROR));
    again.assert_metric("corrupt_batches_total", 1);
}

#[tokio::test]
async fn damage_that_a_reader_finds_takes_the_partition_offline_and_is_counted_once() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    world.append("t", 0, 5).unwrap();
    let partition = world.partition("t", 0);
    // The length of the batch: what is behind it can not be found.
    world.write_at("/a/t-0/00000000000000000000.log", 8, &[0x7f; 4]);
    let query = OffsetQuery {
        timestamp: 0,
        isolation: None,
        current_leader_epoch: crate::model::LeaderEpoch::NONE,
        only_leader: true,
    };

    for _ in 0..2 {
        let failed = world.manager.list_offset(&partition, &query).await;
        assert_eq!(failed.unwrap_err().code(), ErrorCode::KAFKA_STORAGE_ERROR);
    }

    world.assert_metric("corrupt_batches_total", 1);
    world.assert_metric("offline_partitions", 1);
}

#[test]
fn log_dirs_are_described() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 2)]);
    world.append("t", 1, 1).unwrap();

    let [described] = &world.manager.describe_log_dirs()[..] else {
        panic!("one directory");
    };

    assert_eq!(described.failure, None);
    let mut sizes: Vec<_> = described.logs.iter().map(|log| log.size).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [0, batch(1).size() as u64]);
}
