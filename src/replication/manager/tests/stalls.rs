//! A disk that hangs: the other directories and the runtime's workers go on.

use std::sync::mpsc;
use std::time::Instant;

use super::support::{Change, World};
use super::*;
use crate::metadata::ReplicaDirectory;
use crate::model::BrokerId;
use crate::protocol::messages::metadata_records::{MetadataRecord, PartitionChangeRecord};
use crate::storage::disk::Disk as _;

const LOG: &str = "/a/t-0/00000000000000000000.log";

/// A topic with a partition in `/a` and another in `/b`.
fn world() -> Arc<World> {
    let world = World::new(&["/a", "/b"]);
    let [first, second] = [0, 1].map(|index| world.manager.online_dirs()[index]);
    world.apply(&[
        Change::topic_in("t", 1, first),
        Change::topic_in("u", 1, second),
    ]);
    Arc::new(world)
}

impl World {
    fn slow_dir(&self, topic: &str) -> Option<SlowDir> {
        self.manager.slow_dir_of(&self.partition(topic, 0))
    }

    /// Appends on a thread of its own, as a task that is stuck with its worker.
    fn append_elsewhere(self: &Arc<Self>) {
        let world = Arc::clone(self);
        std::thread::spawn(move || world.append("t", 0, 1));
    }

    /// As [`Self::apply`], and does not wait for what comes later.
    fn apply_unsettled(&self, changes: &[Change]) -> Vec<ReplicaDirectory> {
        let delta = self.delta(changes);
        let image = Arc::clone(&self.image.lock());
        self.manager.apply(&delta, &image)
    }

    async fn until_async(&self, is_done: impl Fn() -> bool) {
        let started = Instant::now();
        while !is_done() {
            assert!(started.elapsed() < LONG, "it never happened");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_stops_neither_other_directories_nor_the_workers() {
    let world = world();
    world.append("t", 0, 1).unwrap();
    assert!(!world.manager.has_slow_dirs());
    world.disk.stall(Path::new(LOG));

    let stuck = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.append("t", 0, 1) })
    };
    world.until_async(|| world.slow_dir("t").is_some()).await;
    assert!(world.slow_dir("u").is_none());

    // More requests than there are workers, each of a connection of its own.
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (world, dir) = (Arc::clone(&world), world.slow_dir("t").unwrap());
        waiting.spawn(async move {
            let writer = Arc::clone(&world);
            let write = move || writer.append("t", 0, 1);
            world.manager.on_slow_disk(dir, write).await
        });
    }
    for number in 0..100 {
        let world = Arc::clone(&world);
        let appended = tokio::spawn(async move { world.append("u", 0, 1) });
        assert_eq!(appended.await.unwrap(), Ok(Offset(number)));
    }
    let read = world.fetch_once(&[("u", 0, 0), ("t", 0, 0)]).await;
    assert_eq!(read.partitions[0].high_watermark, Offset(100));
    assert!(read.partitions[1].records.is_empty(), "its lock is held");
    assert!(!stuck.is_finished());

    world.disk.end_stall();
    assert_eq!(stuck.await.unwrap(), Ok(Offset(1)));
    let mut offsets: Vec<_> = waiting
        .join_all()
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (2..12).map(Offset).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_recovers_is_written_on_the_workers_again() {
    let world = world();
    world.disk.stall(Path::new(LOG));
    world.append_elsewhere();
    world.until_async(|| world.slow_dir("t").is_some()).await;
    world.disk.end_stall();

    for _ in 0..1_000 {
        let Some(dir) = world.slow_dir("t") else {
            break;
        };
        let writer = Arc::clone(&world);
        let write = move || writer.append("t", 0, 1);
        world.manager.on_slow_disk(dir, write).await.unwrap();
    }

    assert!(world.slow_dir("t").is_none());
    assert!(!world.manager.has_slow_dirs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_waits_for_a_partition_does_not_hold_the_only_worker() {
    let world = world();
    world.disk.stall(Path::new(LOG));
    world.append_elsewhere();
    world.until_async(|| world.slow_dir("t").is_some()).await;

    // It did not look whether the disk is slow.
    let waits = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.append("t", 0, 1) })
    };
    let (world, other) = (Arc::clone(&world), world);
    let goes_on = tokio::spawn(async move { other.append("u", 0, 1) });

    assert_eq!(goes_on.await.unwrap(), Ok(Offset(0)));
    assert!(!waits.is_finished());
    world.disk.end_stall();
    assert_eq!(waits.await.unwrap(), Ok(Offset(1)));
}

#[test]
fn requests_to_a_slow_disk_that_nobody_waits_for_are_carried_out_all_the_same() {
    let world = world();
    world.disk.stall(Path::new(LOG));
    world.append_elsewhere();
    world.until(|| world.slow_dir("t").is_some());
    let (done, told) = mpsc::channel();
    let (go, may_end) = mpsc::channel::<()>();
    let pending = world
        .manager
        .on_slow_disk(world.slow_dir("t").unwrap(), move || {
            may_end.recv().unwrap();
            done.send(()).unwrap();
        });
    let mut pending = Box::pin(pending);
    let waker = std::task::Waker::noop();
    let polled = pending
        .as_mut()
        .poll(&mut std::task::Context::from_waker(waker));
    assert!(polled.is_pending());
    drop(pending);

    go.send(()).unwrap();
    world.disk.end_stall();

    told.recv_timeout(LONG).unwrap();
}

/// A topic of two partitions, `t` in a directory that hangs and `u` in another, which brokers 1 and 2 have.
fn hanging() -> (Arc<World>, [DirectoryId; 2]) {
    let world = World::new(&["/a", "/b"]);
    let dirs = [0, 1].map(|index| world.manager.online_dirs()[index]);
    world.apply(&[
        Change::topic_on("t", &[1, 2]),
        Change::topic_on("u", &[1, 2]),
        broker(2, false),
    ]);
    let world = Arc::new(world);
    let in_first = world.partition("t", 0).dir().id() == dirs[0];
    let log = format!(
        "/{}/t-0/00000000000000000000.log",
        if in_first { "a" } else { "b" }
    );
    assert_ne!(
        world.partition("t", 0).dir().id(),
        world.partition("u", 0).dir().id()
    );
    world.disk.stall(Path::new(&log));
    world.append_elsewhere();
    world.until(|| !world.partition("t", 0).is_free());
    (world, dirs)
}

fn led_by_2(world: &World, topic: &str) -> Change {
    Change::Record(MetadataRecord::PartitionChange(PartitionChangeRecord {
        partition_id: 0,
        topic_id: world.partition(topic, 0).id().topic_id,
        leader: 2,
        ..PartitionChangeRecord::default()
    }))
}

#[test]
fn a_disk_that_hangs_keeps_no_other_partition_from_what_the_metadata_says() {
    let (world, _) = hanging();

    let changes = ["t", "u"].map(|topic| led_by_2(&world, topic));
    world.apply(&changes);
    world.apply(&[Change::topic("v", 8), broker(2, true)]);

    let refused = Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(world.append("u", 0, 1), refused);
    let mut made = (0..8).map(|index| world.append("v", index, 1));
    assert!(
        made.all(|made| made.is_ok()),
        "they go to the other directory"
    );

    world.disk.end_stall();
    world.until(|| world.append("t", 0, 1) == refused);
}

#[test]
fn a_disk_that_hangs_keeps_no_other_partition_from_its_in_sync_set() {
    let (world, _) = hanging();
    let u = world.partition("u", 0);
    world.append("u", 0, 1).unwrap();
    world.allow_no_lag();

    let wanted = world.shrink();
    let [change] = &wanted[..] else {
        panic!("{wanted:?}");
    };
    assert_eq!(change.partition, u.id());
    let of_t = IsrChange {
        partition: world.partition("t", 0).id(),
        ..change.clone()
    };
    for change in [&of_t, change] {
        let taken = IsrOutcome::Taken {
            isr: vec![BrokerId(1)],
            partition_epoch: 1,
        };
        world.manager.isr_change_ended(change, &taken);
    }

    assert_eq!(u.high_watermark(), Offset(1));
    world.disk.end_stall();
    world.until(|| world.partition("t", 0).high_watermark() == Offset(1));
}

#[test]
fn a_disk_that_hangs_keeps_no_other_partition_from_its_upkeep() {
    let (world, _) = hanging();
    let t = world.partition("t", 0);
    world.until(|| world.manager.rooms.dirs.hangs(&t));

    let (done, told) = mpsc::channel();
    let upkeep = Arc::clone(&world.manager.rooms.upkeep);
    std::thread::spawn(move || {
        upkeep.apply_retention();
        upkeep.cleaner().due();
        done.send(()).unwrap();
    });

    told.recv_timeout(LONG).unwrap();
    let u = world.partition("u", 0);
    assert!(!world.manager.rooms.dirs.hangs(&u));
    world.disk.end_stall();
    world.until(|| !world.manager.rooms.dirs.hangs(&t));
}

/// A broker whose directory `/a` hangs as soon as the folder of `t` is to be made there; `u` goes to the other one.
fn hanging_while_made() -> (Arc<World>, [DirectoryId; 2]) {
    let world = Arc::new(World::new(&["/a", "/b"]));
    let dirs = [0, 1].map(|index| world.manager.online_dirs()[index]);
    world.disk.stall_folder(Path::new("/a/t-0"));
    let (done, told) = mpsc::channel();
    let applying = Arc::clone(&world);
    std::thread::spawn(move || {
        let changes = [
            Change::topic_in("t", 1, dirs[0]),
            Change::topic_in("u", 3, dirs[1]),
        ];
        done.send(applying.apply_unsettled(&changes)).unwrap();
    });
    let placed = told.recv_timeout(LONG).expect("it waits for no disk");
    assert!(placed.is_empty(), "{placed:?}");
    (world, dirs)
}

#[test]
fn a_disk_that_hangs_while_a_log_is_made_keeps_no_other_partition_waiting() {
    let (world, dirs) = hanging_while_made();

    for index in 0..3 {
        assert_eq!(world.append("u", index, 1), Ok(Offset(0)));
    }
    // Where no directory is named the one that hangs is not chosen, also not for what is not made yet.
    world.apply_unsettled(&[Change::topic("v", 4), broker(2, false)]);
    for index in 0..4 {
        assert_eq!(world.append("v", index, 1), Ok(Offset(0)));
        assert_eq!(world.partition("v", index).dir().id(), dirs[1]);
    }
    assert_eq!(
        world.append("t", 0, 1),
        Err(ErrorCode::NOT_LEADER_OR_FOLLOWER)
    );

    world.disk.end_stall();
    world.until(|| world.append("t", 0, 1).is_ok());
    assert_eq!(world.partition("t", 0).dir().id(), dirs[0]);
    world.until(|| world.manager.rooms.dirs.online().all(|dir| !dir.lags()));
}

#[test]
fn a_topic_that_is_deleted_while_its_log_waits_for_a_disk_is_gone_when_that_goes_on() {
    let (world, _) = hanging_while_made();

    world.apply_unsettled(&[Change::delete("t")]);
    world.disk.end_stall();

    world.until(|| world.manager.rooms.dirs.online().all(|dir| !dir.lags()));
    let missing = Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(world.append("t", 0, 1), missing);
    let folders = world.disk.list(Path::new("/a")).unwrap();
    assert!(folders.iter().all(|it| it.name != "t-0"), "{folders:?}");
}

#[test]
fn a_stop_while_a_log_waits_for_a_disk_makes_none_of_those_behind_it() {
    let world = Arc::new(World::new(&["/a"]));
    let dir = world.manager.online_dirs()[0];
    world.disk.stall_folder(Path::new("/a/t-0"));
    world.apply_unsettled(&[Change::topic_in("t", 3, dir)]);

    drop(world.manager.rooms.replicas.close());
    world.disk.end_stall();

    world.until(|| world.manager.rooms.dirs.online().all(|dir| !dir.lags()));
    let folders = world.disk.list(Path::new("/a")).unwrap();
    let made = |name: &str| folders.iter().any(|it| it.name == name);
    assert_eq!(["t-0", "t-1", "t-2"].map(made), [true, false, false]);
}
