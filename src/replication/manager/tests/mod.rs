//! A broker's replicas on a disk in memory: they come, are written and read, fail, and come back.

mod claims;
mod cuts;
mod damage;
mod fetch;
mod following;
mod in_sync;
mod moves;
mod registered;
mod sessions;
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
