//! A damaged or missing `partition.metadata`: the records behind it are neither served under a doubt,
//! nor out of view under another log by their name.

use std::path::Path;

use super::support::{Change, World};
use super::*;
use crate::doubles::{CrashDisk, Tear};
use crate::storage::disk::{Disk, DiskFile, OpenMode};

const METADATA: &str = "partition.metadata";
const REFUSED: Result<Offset, ErrorCode> = Err(ErrorCode::KAFKA_STORAGE_ERROR);

type Damage = (&'static str, fn(&mut Vec<u8>));

/// What befalls the file.
const DAMAGES: [Damage; 7] = [
    ("a bit of the id flipped", |bytes| bytes[25] ^= 2),
    ("a character that is none of an id", |bytes| bytes[25] ^= 1),
    ("a bit of a key flipped", |bytes| bytes[0] ^= 1),
    ("a byte cut", |bytes| bytes.truncate(bytes.len() - 1)),
    ("emptied", Vec::clear),
    ("zeroed", |bytes| bytes.fill(0)),
    ("a byte that is no text", |bytes| bytes[3] = 0xff),
];

fn file(disk: &CrashDisk, path: &str, mode: OpenMode) -> Arc<dyn DiskFile> {
    disk.open(Path::new(path), mode).unwrap()
}

fn read(disk: &CrashDisk, path: &str) -> Vec<u8> {
    let file = file(disk, path, OpenMode::Existing);
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

fn write(disk: &CrashDisk, path: &str, bytes: &[u8]) {
    let file = file(disk, path, OpenMode::Truncate);
    file.write_at(&[std::io::IoSlice::new(bytes)], 0).unwrap();
}

/// A topic with five records that are durable, in a broker that was stopped or lost its power.
fn stopped(paths: &[&str], in_order: bool) -> World {
    let world = World::new(paths);
    let dirs = world.manager.online_dirs();
    world.apply(&[
        Change::topic_in("t", 1, dirs[0]),
        Change::config("t", "flush.messages", "1"),
    ]);
    world.append("t", 0, 5).unwrap();
    world.until(|| world.partition("t", 0).flushed_offset() == Offset(5));
    if in_order {
        world.manager.close(1);
        return world;
    }
    world.restarted(&world.disk.after_power_cut(Tear::Lost))
}

#[test]
fn a_damaged_topic_id_takes_the_partition_offline_and_its_records_stay_until_it_is_repaired() {
    for in_order in [true, false] {
        for (damage, befall) in DAMAGES {
            let world = stopped(&["/a", "/b"], in_order);
            let path = format!("/a/t-0/{METADATA}");
            let sound = read(&world.disk, &path);
            let mut damaged = sound.clone();
            befall(&mut damaged);
            write(&world.disk, &path, &damaged);

            let offline = world.restarted(&world.disk);
            assert_eq!(offline.append("t", 0, 1), REFUSED, "{damage}");
            offline.assert_metric("offline_partitions", 1);
            offline.manager.close(1);
            assert_eq!(offline.folders("/a"), ["t-0"], "{damage}");
            assert_eq!(offline.folders("/b"), [""; 0], "{damage}");

            write(&offline.disk, &path, &sound);
            let repaired = offline.restarted(&offline.disk);
            assert_eq!(repaired.append("t", 0, 1), Ok(Offset(5)), "{damage}");
        }
    }
}

#[test]
fn a_missing_topic_id_takes_the_partition_offline_as_well() {
    for in_order in [true, false] {
        let world = stopped(&["/a", "/b"], in_order);
        let path = format!("/a/t-0/{METADATA}");
        world.disk.remove(Path::new(&path)).unwrap();

        let offline = world.restarted(&world.disk);

        assert_eq!(offline.append("t", 0, 1), REFUSED);
        assert_eq!(offline.folders("/a"), ["t-0"]);
        assert_eq!(offline.folders("/b"), [""; 0]);
    }
}

#[test]
fn without_a_record_nothing_is_lost_and_the_log_is_made_again() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    world.manager.close(1);
    write(&world.disk, &format!("/a/t-0/{METADATA}"), b"");

    let again = world.restarted(&world.disk);

    assert_eq!(again.append("t", 0, 1), Ok(Offset(0)));
}

#[test]
fn the_log_of_another_topic_by_the_same_name_is_set_aside() {
    let world = stopped(&["/a"], true);
    world.change_image(&[Change::delete("t"), Change::topic("t", 1)]);
    let other = b"version: 0\ntopic_id: AAAAAAAAAADw8PDw8PDw8A";
    write(&world.disk, &format!("/a/t-0/{METADATA}"), other);

    let again = world.restarted(&world.disk);

    assert_eq!(again.append("t", 0, 1), Ok(Offset(0)));
    let folders = again.folders("/a");
    assert!(
        folders.iter().any(|it| it.ends_with("-stray")),
        "{folders:?}"
    );
}

#[test]
fn a_topic_made_while_the_broker_runs_takes_no_folder_that_cannot_be_told() {
    let world = World::new(&["/a", "/b"]);
    let dirs = world.manager.online_dirs();
    let folder = Path::new("/a/t-0");
    world.disk.create_dir(folder).unwrap();
    write(&world.disk, "/a/t-0/00000000000000000000.log", b"records");

    world.apply(&[Change::topic_in("t", 1, dirs[1])]);

    assert_eq!(world.append("t", 0, 1), REFUSED);
    assert_eq!(world.folders("/b"), [""; 0]);
    let kept = read(&world.disk, "/a/t-0/00000000000000000000.log");
    assert_eq!(kept, b"records");
}

#[test]
fn a_deletion_leaves_records_alone_that_cannot_be_told() {
    let world = stopped(&["/a"], true);
    world
        .disk
        .remove(Path::new("/a/t-0/partition.metadata"))
        .unwrap();
    let offline = world.restarted(&world.disk);

    offline.apply(&[Change::delete("t")]);
    offline.apply(&[Change::topic("t", 1)]);

    assert_eq!(offline.folders("/a"), ["t-0"]);
    assert_eq!(offline.append("t", 0, 1), REFUSED);
}

#[test]
fn a_log_in_its_place_is_served_whatever_lies_in_another_directory() {
    let world = stopped(&["/a", "/b"], true);
    world.disk.create_dir(Path::new("/b/t-0")).unwrap();
    write(&world.disk, "/b/t-0/00000000000000000000.log", b"records");

    let again = world.restarted(&world.disk);

    assert_eq!(again.append("t", 0, 1), Ok(Offset(5)));
    assert_eq!(again.folders("/b"), ["t-0"]);
    let to = Path::new("/b");
    let name = TopicPartition::new("t", 0);
    let refused = again.manager.move_replica(&name, to);
    assert_eq!(refused, Err(ErrorCode::KAFKA_STORAGE_ERROR));
    assert!(again.failures().is_empty(), "no disk failed");
}

#[test]
fn the_damaged_log_on_record_is_not_given_up_for_one_in_another_directory() {
    let world = stopped(&["/a", "/b"], true);
    let sound = read(&world.disk, &format!("/a/t-0/{METADATA}"));
    world.disk.create_dir(Path::new("/b/t-0")).unwrap();
    write(&world.disk, &format!("/b/t-0/{METADATA}"), &sound);
    write(&world.disk, &format!("/a/t-0/{METADATA}"), b"version: 0");

    let offline = world.restarted(&world.disk);

    assert_eq!(offline.append("t", 0, 1), REFUSED);
    assert_eq!(offline.folders("/a"), ["t-0"]);
    assert_eq!(offline.folders("/b"), ["t-0"]);
}

#[test]
fn a_damaged_copy_is_kept_as_long_as_there_is_no_log() {
    let world = stopped(&["/a", "/b"], true);
    let copy = "/b/t-0.00000000000000000000000000000001-future";
    world.disk.create_dir(Path::new(copy)).unwrap();
    write(
        &world.disk,
        &format!("{copy}/00000000000000000000.log"),
        b"records",
    );
    write(&world.disk, &format!("{copy}/{METADATA}"), b"damaged");

    let without_log = world.restarted_on(&world.disk, &["/b"], &["/a"]);
    assert_eq!(without_log.append("t", 0, 1), REFUSED);
    assert_eq!(without_log.folders("/b").len(), 1);
    drop(without_log);

    let again = world.restarted(&world.disk);
    assert_eq!(again.append("t", 0, 1), Ok(Offset(5)));
    again.until(|| again.folders("/b").is_empty());
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
