//! A damaged log is fetched anew from its leader, and nothing of it is touched as long as it may be all there
//! is.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use super::assert_same;
use super::cluster::{Cluster, until};
use crate::doubles::{CrashDisk, Fault, Tear};
use crate::model::{BrokerId, DirectoryId, Offset, TopicPartition, Uuid};
use crate::protocol::ErrorCode;
use crate::records::RecordsError;
use crate::replication::error::ReplicaError;
use crate::storage::disk::{Disk, OpenMode, read_file};
use crate::storage::error::StorageError;
use crate::storage::reserve::Reserve;

const LOST: DirectoryId = Uuid::LOST_DIRECTORY;

/// The directory of a broker.
fn dir(id: u8) -> DirectoryId {
    DirectoryId::from_bytes([100 + id; 16])
}

/// Brokers 1 and 2 with equal logs of a topic that broker 1 leads.
async fn equal() -> Cluster {
    let mut cluster = Cluster::start(&[1, 2]).await;
    fill_both(&mut cluster);
    cluster
}

fn fill_both(cluster: &mut Cluster) {
    cluster.create("t", &[1, 2], &[]);
    cluster.apply(&[cluster.placed("t", &[dir(1), dir(2)], &[1, 2])]);
    cluster.append(1, "t", 5, "value");
    assert_same(cluster, "t");
}

/// A reader on a broker finds damage.
fn damage(cluster: &Cluster, id: i32) {
    damage_of(cluster, id, "t");
}

fn damage_of(cluster: &Cluster, id: i32, topic: &str) {
    let partition = cluster.partition(id, topic);
    let found = StorageError::Corrupt {
        path: "/a/t-0/00000000000000000000.log".into(),
        position: 0,
        after: Offset(0),
        reason: RecordsError::Checksum {
            stored: 1,
            computed: 2,
        },
    };
    let manager = &cluster.nodes[&id].manager;
    manager.note_failure(&partition, &ReplicaError::Storage(found));
}

fn code(cluster: &Cluster, id: i32) -> Option<ErrorCode> {
    let name = TopicPartition::new("t", 0);
    let found = cluster.nodes[&id].manager.partition_by_name(&name);
    found.err().map(|error| error.code())
}

fn folders(disk: &CrashDisk, suffix: &str) -> usize {
    let entries = disk.list(Path::new("/a")).unwrap().into_iter();
    let names = entries.filter(|it| it.is_dir && it.name.ends_with(suffix));
    names.count()
}

fn told(cluster: &Cluster, id: i32) -> Vec<DirectoryId> {
    std::mem::take(&mut *cluster.nodes[&id].placed.lock())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_follower_is_lost_at_once_and_then_fetched_anew() {
    let mut cluster = equal().await;
    told(&cluster, 2);

    damage(&cluster, 2);
    assert_eq!(code(&cluster, 2), Some(ErrorCode::KAFKA_STORAGE_ERROR));
    assert_eq!(told(&cluster, 2), [LOST]);
    cluster.append(1, "t", 2, "meanwhile");
    assert_eq!(folders(&cluster.nodes[&2].disk, "-stray"), 0);

    cluster.apply(&[cluster.placed("t", &[dir(1), LOST], &[1])]);

    until(|| told(&cluster, 2) == [dir(2)]);
    assert_same(&cluster, "t");
    assert_eq!(folders(&cluster.nodes[&2].disk, "-stray"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_asks_for_no_lost_replica_and_waits_for_none() {
    let mut cluster = equal().await;
    damage(&cluster, 2);
    cluster.apply(&[cluster.placed("t", &[dir(1), LOST], &[1])]);
    // The follower is away, but was heard of a moment ago.
    cluster.nodes.remove(&2);
    cluster.nodes[&1].isr_changes.lock().clear();

    cluster.append(1, "t", 1, "more");
    let manager = cluster.nodes[&1].manager.clone();
    manager.rooms.upkeep.settle_in_sync_sets();

    assert!(cluster.nodes[&1].isr_changes.lock().is_empty());
    let leader = cluster.partition(1, "t");
    assert_eq!(leader.high_watermark(), leader.end_offset());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_is_fetched_anew_after_a_restart_though_it_opens() {
    let mut cluster = equal().await;
    damage(&cluster, 2);
    let disk = cluster.nodes[&2].disk.after_power_cut(Tear::Kept);
    cluster.nodes.remove(&2);
    cluster.apply(&[cluster.placed("t", &[dir(1), LOST], &[1])]);

    cluster.start_node(2, disk).await;

    assert_same(&cluster, "t");
    until(|| told(&cluster, 2) == [dir(2)]);
    assert_eq!(folders(&cluster.nodes[&2].disk, "-stray"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_damaged_again_and_again_the_first_few_are_kept() {
    let mut cluster = equal().await;
    for _ in 0..5 {
        damage(&cluster, 2);
        cluster.apply(&[cluster.placed("t", &[dir(1), LOST], &[1])]);
        assert_same(&cluster, "t");
        cluster.apply(&[cluster.placed("t", &[dir(1), dir(2)], &[1, 2])]);
    }

    assert_eq!(folders(&cluster.nodes[&2].disk, "-stray"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_set_aside_that_may_be_all_there_is() {
    let mut cluster = equal().await;
    damage(&cluster, 1);
    assert_eq!(told(&cluster, 1).last(), Some(&LOST));

    // It was the last in sync, and nobody leads.
    let mut leaderless = cluster.led_by("t", BrokerId::NONE.0, &[1]);
    for round in 0..2 {
        cluster.apply(&[cluster.placed("t", &[LOST, dir(2)], &[1]), leaderless]);
        assert_eq!(code(&cluster, 1), Some(ErrorCode::KAFKA_STORAGE_ERROR));
        // Even if another leads, it counts.
        leaderless = cluster.led_by("t", 2, &[1, 2]);
        assert_eq!(folders(&cluster.nodes[&1].disk, "-stray"), 0, "{round}");
    }
    assert_eq!(folders(&cluster.nodes[&1].disk, "t-0"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_log_that_is_gone_is_not_made_anew_where_it_counts() {
    let mut cluster = equal().await;
    let leaderless = cluster.led_by("t", BrokerId::NONE.0, &[2]);
    cluster.apply(&[cluster.placed("t", &[dir(1), LOST], &[2]), leaderless]);

    cluster.start_node(2, CrashDisk::new()).await;

    assert_eq!(code(&cluster, 2), Some(ErrorCode::KAFKA_STORAGE_ERROR));
    assert_eq!(folders(&cluster.nodes[&2].disk, "t-0"), 0);
    assert_eq!(told(&cluster, 2), [], "else it could lead without a record");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_again_before_it_has_healed_is_healed_with_the_next_metadata() {
    let mut cluster = equal().await;
    damage(&cluster, 2);
    cluster.apply(&[cluster.placed("t", &[dir(1), LOST], &[1])]);
    damage(&cluster, 2);

    cluster.create("another", &[1, 2], &[]);

    assert_same(&cluster, "t");
}

/// Nothing can grow on a broker's disk from now on.
fn fill(cluster: &Cluster, id: i32) {
    let disk = &cluster.nodes[&id].disk;
    disk.inject(disk.operations(), Fault::NoSpace);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_healed_for_want_of_room_is_healed_once_there_is_room() {
    let mut cluster = equal().await;
    damage(&cluster, 2);
    fill(&cluster, 2);
    cluster.apply(&[cluster.placed("t", &[dir(1), LOST], &[1])]);
    assert_eq!(code(&cluster, 2), Some(ErrorCode::KAFKA_STORAGE_ERROR));

    cluster.nodes[&2].disk.heal();

    until(|| code(&cluster, 2).is_none());
    assert_same(&cluster, "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_could_not_be_made_for_want_of_room_is_made_once_there_is_room() {
    let mut cluster = Cluster::start(&[1, 2]).await;
    fill(&cluster, 2);
    cluster.create("t", &[1, 2], &[]);
    assert_eq!(code(&cluster, 2), Some(ErrorCode::KAFKA_STORAGE_ERROR));
    cluster.append(1, "t", 5, "value");

    cluster.nodes[&2].disk.heal();

    until(|| code(&cluster, 2).is_none());
    assert_same(&cluster, "t");
}

/// Broker 1 was the last in sync when its log was found damaged, and stops in order. Nobody leads.
async fn last_in_sync_is_lost() -> (Cluster, CrashDisk) {
    let mut cluster = equal().await;
    let disk = lose_last(&mut cluster);
    (cluster, disk)
}

fn lose_last(cluster: &mut Cluster) -> CrashDisk {
    damage(cluster, 1);
    cluster.apply(&[cluster.leaderless("t", &[LOST, dir(2)], 1)]);
    stop(cluster, 1)
}

/// Stops a broker in order. Returns its disk.
fn stop(cluster: &mut Cluster, id: i32) -> CrashDisk {
    let node = cluster.nodes.remove(&id).unwrap();
    node.manager.close(1);
    node.disk.after_power_cut(Tear::Kept)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_in_sync_says_that_its_log_is_whole_after_all() {
    let (mut cluster, disk) = last_in_sync_is_lost().await;

    cluster.start_node(1, disk).await;

    until(|| !cluster.nodes[&1].placed.lock().is_empty());
    // Only the directory would say that the log may be another one.
    assert_eq!(told(&cluster, 1), [Uuid::UNASSIGNED_DIRECTORY]);
    cluster.apply(&[
        cluster.placed("t", &[Uuid::UNASSIGNED_DIRECTORY, dir(2)], &[1]),
        cluster.led_by("t", 1, &[1]),
    ]);
    cluster.append(1, "t", 2, "more");
    assert_same(&cluster, "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_opens_is_not_called_whole_before_it_was_read() {
    let (mut cluster, disk) = last_in_sync_is_lost().await;
    let log = Path::new("/a/t-0/00000000000000000000.log");
    let file = disk.open(log, OpenMode::Existing).unwrap();
    file.write_at(&[IoSlice::new(b"damage")], 70).unwrap();

    cluster.start_node(1, disk).await;

    until(|| code(&cluster, 1) == Some(ErrorCode::KAFKA_STORAGE_ERROR));
    let told = told(&cluster, 1);
    assert!(told.iter().all(|it| *it == LOST), "{told:?}");
}

/// Replaces a file of a broker.
fn write(disk: &CrashDisk, path: &str, bytes: &[u8]) {
    let file = disk.open(Path::new(path), OpenMode::Truncate).unwrap();
    file.write_at(&[IoSlice::new(bytes)], 0).unwrap();
}

/// How many bytes the first of these batches has.
fn batch_size(batches: &[u8]) -> usize {
    let length = batches[8..].first_chunk().unwrap();
    12 + u32::from_be_bytes(*length) as usize
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_a_hole_is_not_called_whole() {
    let mut cluster = equal().await;
    for _ in 0..2 {
        cluster.append(1, "t", 2, "more");
    }
    assert_same(&cluster, "t");
    let disk = lose_last(&mut cluster);
    // It ends where it did, and all that is in it is well: of three segments the one in the midst is gone.
    const FIRST: &str = "/a/t-0/00000000000000000000.log";
    const THIRD: &str = "/a/t-0/00000000000000000007.log";
    let bytes = read_file(&disk, Path::new(FIRST)).unwrap().unwrap();
    let first = batch_size(&bytes);
    let second = batch_size(&bytes[first..]);
    write(&disk, FIRST, &bytes[..first]);
    write(&disk, THIRD, &bytes[first + second..]);

    cluster.start_node(1, disk).await;

    assert_eq!(cluster.end(1, "t"), Offset(9));
    until(|| code(&cluster, 1) == Some(ErrorCode::KAFKA_STORAGE_ERROR));
    let told = told(&cluster, 1);
    assert!(told.iter().all(|it| *it == LOST), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_log_of_which_no_checkpoint_tells_is_not_called_whole_when_it_counts_as_lost() {
    const CHECKPOINT: &str = "/a/recovery-point-offset-checkpoint";
    let mut cluster = equal().await;
    cluster.create("u", &[1, 2], &[]);
    cluster.append(1, "u", 5, "value");
    assert_same(&cluster, "u");
    let disk = stop(&mut cluster, 1);
    let text = read_file(&disk, Path::new(CHECKPOINT)).unwrap().unwrap();
    assert!(text.ends_with(b"0\n2\nt 0 5\nu 0 5\n"), "{text:?}");
    write(&disk, CHECKPOINT, b"0\n1\nu 0 5\n");
    cluster.start_node(1, disk).await;
    cluster.apply(&["t", "u"].map(|topic| cluster.led_by(topic, BrokerId::NONE.0, &[1])));
    cluster.nodes[&1].placed.lock().clear();

    // Of the two logs, which opened both, nothing is missing in the second.
    let lost = ["t", "u"].map(|topic| cluster.leaderless(topic, &[LOST, dir(2)], 1));
    cluster.apply(&lost);

    until(|| !cluster.nodes[&1].placed.lock().is_empty());
    assert_eq!(told(&cluster, 1), [Uuid::UNASSIGNED_DIRECTORY]);
    assert_eq!(code(&cluster, 1), None, "its records may still be read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_three_replicas_that_no_disk_had_room_for_is_there_once_there_is_room() {
    let mut cluster = Cluster::start(&[1, 2, 3]).await;
    for id in 1..=3 {
        fill(&cluster, id);
    }
    cluster.create("t", &[1, 2, 3], &[]);
    for id in [1, 2, 3] {
        assert_eq!(code(&cluster, id), Some(ErrorCode::KAFKA_STORAGE_ERROR));
        let answered = &cluster.nodes[&id].answered;
        assert_eq!(*answered, [LOST], "another may lead");
    }

    // The controller takes in what it is told as long as another is in sync; the last one counts.
    cluster.apply(&[
        cluster.placed("t", &[LOST, LOST, Uuid::UNASSIGNED_DIRECTORY], &[3]),
        cluster.led_by("t", 3, &[3]),
    ]);
    assert_eq!(cluster.nodes[&3].answered, [], "nobody else can lead");
    for id in [3, 1, 2] {
        cluster.nodes[&id].disk.heal();
    }

    until(|| (1..=3).all(|id| code(&cluster, id).is_none()));
    cluster.append(3, "t", 5, "value");
    for id in [1, 2] {
        cluster.until_caught_up(3, id, "t");
        until(|| told(&cluster, id).last() == Some(&dir(id as u8)));
    }
    assert_eq!(cluster.log_bytes(1, "t"), cluster.log_bytes(3, "t"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_shorter_than_what_was_committed_is_not_called_whole() {
    let (mut cluster, disk) = last_in_sync_is_lost().await;
    // An operator has put an older copy in its place, which has nothing but the topic's id.
    for name in disk.list(Path::new("/a/t-0")).unwrap() {
        if name.name != "partition.metadata" {
            disk.remove(&Path::new("/a/t-0").join(name.name)).unwrap();
        }
    }

    cluster.start_node(1, disk).await;
    let disk = stop(&mut cluster, 1);
    // What this start has found must count at the next one, too.
    cluster.start_node(1, disk).await;
    cluster.create("another", &[1, 2], &[]);

    assert_eq!(code(&cluster, 1), Some(ErrorCode::KAFKA_STORAGE_ERROR));
    let told = told(&cluster, 1);
    assert!(!told.contains(&Uuid::UNASSIGNED_DIRECTORY), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_not_called_whole_where_another_may_be_the_newer_one() {
    let mut cluster = Cluster::start(&[2]).await;
    cluster.paths = &["/a", "/b"];
    cluster.start_node(1, CrashDisk::new()).await;
    fill_both(&mut cluster);
    let disk = lose_last(&mut cluster);
    // A crash in the midst of a move left it, and nobody knows any more which of the two was led.
    disk.create_dir(Path::new("/b/t-0")).unwrap();
    for name in disk.list(Path::new("/a/t-0")).unwrap() {
        let bytes = read_file(&disk, &Path::new("/a/t-0").join(&name.name)).unwrap();
        let copy = Path::new("/b/t-0").join(&name.name);
        let copy = disk.open(&copy, OpenMode::Truncate).unwrap();
        copy.write_at(&[IoSlice::new(&bytes.unwrap())], 0).unwrap();
    }

    cluster.start_node(1, disk).await;

    let offline = Some(ErrorCode::KAFKA_STORAGE_ERROR);
    assert_eq!(code(&cluster, 1), offline);
    assert!(!told(&cluster, 1).contains(&Uuid::UNASSIGNED_DIRECTORY));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_damaged_logs_of_a_directory_only_some_are_kept() {
    const TOPICS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let mut cluster = Cluster::start(&[1, 2]).await;
    for topic in TOPICS {
        cluster.create(topic, &[1, 2], &[]);
        cluster.append(1, topic, 1, "value");
        cluster.until_caught_up(1, 2, topic);
        damage_of(&cluster, 2, topic);
        cluster.apply(&[cluster.placed(topic, &[dir(1), LOST], &[1])]);
    }

    assert_eq!(folders(&cluster.nodes[&2].disk, "-stray"), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_logs_that_are_kept_go_when_the_disk_is_full_and_others_stay() {
    let mut cluster = equal().await;
    damage(&cluster, 2);
    cluster.apply(&[cluster.placed("t", &[dir(1), LOST], &[1])]);
    assert_same(&cluster, "t");
    cluster.apply(&[cluster.placed("t", &[dir(1), dir(2)], &[1, 2])]);
    let disk = cluster.nodes[&2].disk.clone();
    assert_eq!(folders(&disk, "-stray"), 1);
    // Nobody knows where else the records of this one are.
    let stray = Path::new("/a/other-0.00000000000000000000000000000001-stray");
    disk.create_dir(stray).unwrap();
    let log = stray.join("00000000000000000000.log");
    let file = disk.open(&log, OpenMode::Truncate).unwrap();
    file.write_at(&[IoSlice::new(b"records")], 0).unwrap();
    let disk = disk.after_power_cut(Tear::Kept);
    cluster.start_node(2, disk.clone()).await;
    assert_eq!(folders(&disk, "-stray"), 2);

    let reserve = Reserve::for_start(Arc::new(disk.clone()), Path::new("/a"), 4096);
    let reserve = Arc::new(reserve);
    let dirs = cluster.nodes[&2].manager.rooms.dirs.all();
    dirs[0].log_dir.keep_reserve(Arc::clone(&reserve));
    reserve.lend();

    until(|| folders(&disk, "-stray") == 1);
    assert!(disk.list(stray).is_ok());
}
