//! Replicas on their way from one log directory to another: whole, cancelled, and cut short by a
//! crash at every step.

mod restarts;

use std::path::Path;

use super::support::{Change, World, batch, broker_config};
use super::*;
use crate::metadata::ReplicaDirectory;
use crate::model::{TopicId, TopicIdPartition};
use crate::protocol::messages::metadata_records::{
    FeatureLevelRecord, MetadataRecord, PartitionChangeRecord,
};
use crate::replication::dirs::DataDir;
use crate::replication::moves::Move;
use crate::storage::disk::Disk;
use crate::storage::reserve::Reserve;

const BATCHES: i64 = 20;

/// The first topic that a world makes.
fn id() -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId::from_bytes([1; 16]),
        partition: 0,
    }
}

/// What the controller writes when it was told of a directory.
fn placed(directory: DirectoryId) -> Change {
    Change::Record(MetadataRecord::PartitionChange(PartitionChangeRecord {
        partition_id: 0,
        topic_id: id().topic_id,
        directories: Some(vec![directory]),
        ..PartitionChangeRecord::default()
    }))
}

impl World {
    /// A topic in `/a` with batches that are durable.
    fn filled(paths: &[&str]) -> Self {
        let world = Self::new(paths);
        let first = world.dir("/a").log_dir.id();
        let version = FeatureLevelRecord {
            name: "metadata.version".into(),
            feature_level: 30,
        };
        world.apply(&[
            Change::Record(version.into()),
            Change::topic_in("t", 1, first),
            Change::config("t", "flush.messages", "1"),
            Change::config("t", "internal.segment.bytes", "300"),
        ]);
        for _ in 0..BATCHES {
            world.append("t", 0, 1).unwrap();
        }
        world.until(|| world.partition("t", 0).flushed_offset() == Offset(BATCHES));
        world
    }

    fn dir(&self, path: &str) -> &Arc<DataDir> {
        let mut dirs = self.manager.rooms.dirs.all().iter();
        dirs.find(|dir| dir.path() == Path::new(path)).unwrap()
    }

    fn begin_move(&self, to: &str) -> Arc<Move> {
        let partition = self.partition("t", 0);
        let moves = &self.manager.rooms.moves;
        moves.begin(&partition, self.dir(to)).unwrap()
    }

    /// Goes on with a move until it is done, or given up; does what the controller would do.
    fn finish_move(&self, moving: &Arc<Move>) {
        let moves = &self.manager.rooms.moves;
        while moves.of(&id()).is_some() {
            moves.advance(moving);
            self.obey();
        }
    }

    /// Goes on with a move until the controller is told.
    fn advance_until_told(&self, moving: &Arc<Move>) {
        while self.placed.lock().is_empty() {
            self.manager.rooms.moves.advance(moving);
            let under_way = self.manager.rooms.moves.of(&id());
            assert!(under_way.is_some(), "it ended");
        }
    }

    /// Notes the directories that the controller was told of.
    fn obey(&self) {
        let told = std::mem::take(&mut *self.placed.lock());
        for ReplicaDirectory { directory, .. } in told {
            self.apply(&[placed(directory)]);
        }
    }

    fn is_in(&self, path: &str) -> bool {
        self.partition("t", 0).is_in(&self.dir(path).log_dir)
    }

    /// The offsets of all batches, each of one record.
    async fn offsets(&self) -> Vec<i64> {
        self.offsets_from(0).await
    }

    /// From `start` on, once all of the log counts: its writes are synced.
    async fn offsets_from(&self, start: i64) -> Vec<i64> {
        let partition = self.partition("t", 0);
        self.until(|| partition.high_watermark() == partition.end_offset());
        let mut offsets: Vec<i64> = Vec::new();
        loop {
            let next = offsets.last().map_or(start, |last| last + 1);
            let answer = self.fetch_once(&[("t", 0, next)]).await;
            let found = support::base_offsets(&answer.partitions[0].records);
            if found.is_empty() {
                return offsets;
            }
            offsets.extend(found);
        }
    }

    fn folders_with(&self, path: &str, end: &str) -> usize {
        let folders = self.folders(path);
        folders.iter().filter(|name| name.ends_with(end)).count()
    }
}

#[tokio::test]
async fn a_moved_log_is_whole_and_goes_on_in_the_other_directory() {
    let world = World::filled(&["/a", "/b"]);
    world
        .manager
        .delete_records(&world.partition("t", 0), 4, AckWait::new(1).ticket(0))
        .unwrap();
    let second = world.dir("/b").log_dir.id();
    let moving = world.begin_move("/b");

    world.advance_until_told(&moving);
    assert!(world.is_in("/a"), "the controller does not know yet");
    let told = world.placed.lock().clone();
    let replica_directory = ReplicaDirectory {
        partition: id(),
        directory: second,
    };
    assert_eq!(told, [replica_directory]);
    world.append("t", 0, 1).unwrap();
    let replica_directories = world.apply(&[placed(second)]);
    assert_eq!(replica_directories, [], "it is on its way there");
    world.finish_move(&moving);

    assert!(world.is_in("/b"));
    assert_eq!(world.append("t", 0, 1), Ok(Offset(BATCHES + 1)));
    let expected: Vec<_> = (4..BATCHES + 2).collect();
    assert_eq!(world.offsets_from(4).await, expected);
    assert_eq!(world.partition("t", 0).log_start_offset(), Offset(4));
    assert_eq!(world.folders_with("/a", "-delete"), 1);
    assert_eq!(world.folders("/b"), ["t-0"]);
    world.manager.close(1);
    let again = world.restarted(&world.disk);
    assert!(again.is_in("/b"));
    assert_eq!(again.offsets_from(4).await, expected);
    assert_eq!(again.partition("t", 0).log_start_offset(), Offset(4));
    assert!(again.replica_directories.is_empty());
}

#[test]
fn a_move_is_described_until_it_is_done() {
    let world = World::filled(&["/a", "/b"]);
    let described = |path: &str| {
        let dirs = world.manager.describe_log_dirs();
        let dir = dirs.into_iter().find(|dir| dir.path == Path::new(path));
        dir.unwrap().logs
    };
    let moving = world.begin_move("/b");
    let [copy] = &described("/b")[..] else {
        panic!("one copy");
    };
    assert_eq!(
        (copy.is_future, copy.offset_lag, copy.size),
        (true, BATCHES, 0)
    );

    world.finish_move(&moving);

    let [log] = &described("/b")[..] else {
        panic!("one log");
    };
    let size = batch(1).size() as u64 * u64::try_from(BATCHES).unwrap();
    assert_eq!((log.is_future, log.offset_lag, log.size), (false, 0, size));
    assert_eq!(described("/a"), []);
}

#[test]
fn what_cannot_be_moved_is_told_apart() {
    let world = World::filled(&["/a", "/b"]);
    world.apply(&[Change::topic_on("elsewhere", &[2])]);
    let moved = |topic: &str, path: &str| {
        let name = TopicPartition::new(topic, 0);
        world.manager.move_replica(&name, Path::new(path))
    };

    assert_eq!(moved("t", "/c"), Err(ErrorCode::LOG_DIR_NOT_FOUND));
    assert_eq!(
        moved("elsewhere", "/b"),
        Err(ErrorCode::REPLICA_NOT_AVAILABLE)
    );
    assert_eq!(
        moved("none", "/b"),
        Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    );
    let long = "x".repeat(249);
    assert_eq!(moved(&long, "/b"), Err(ErrorCode::INVALID_TOPIC_EXCEPTION));
    assert_eq!(moved("t", "/a"), Ok(()), "it is there");
    assert!(world.manager.rooms.moves.all().is_empty());
}

#[test]
fn another_move_replaces_the_first_and_one_back_cancels_it() {
    let world = World::filled(&["/a", "/b", "/c"]);
    let first = world.dir("/a").log_dir.id();
    let moved = |path: &str| {
        let name = TopicPartition::new("t", 0);
        world.manager.move_replica(&name, Path::new(path))
    };

    assert_eq!(moved("/b"), Ok(()));
    assert_eq!(moved("/b"), Ok(()), "it is on its way");
    assert_eq!(world.folders_with("/b", "-future"), 1);
    assert_eq!(moved("/c"), Ok(()));
    assert_eq!(world.folders_with("/b", "-future"), 0);
    assert_eq!(world.folders_with("/c", "-future"), 1);
    world.until(|| !world.placed.lock().is_empty());
    assert_eq!(moved("/a"), Ok(()));

    assert_eq!(world.folders_with("/c", "-future"), 0);
    assert!(world.is_in("/a"));
    let last = *world.placed.lock().last().unwrap();
    assert_eq!(last.directory, first, "the controller learns that it stays");
    assert_eq!(world.append("t", 0, 1), Ok(Offset(BATCHES)));
}

#[test]
fn a_deleted_topic_takes_its_copy_along() {
    let world = World::filled(&["/a", "/b"]);
    world.begin_move("/b");

    world.apply(&[Change::delete("t")]);

    assert!(world.manager.rooms.moves.all().is_empty());
    assert_eq!(world.folders_with("/a", "-delete"), 1);
    assert_eq!(world.folders_with("/b", "-delete"), 1);
}

#[test]
fn a_disk_that_fails_under_the_copy_costs_only_itself() {
    let world = World::filled(&["/a", "/b"]);
    let moving = world.begin_move("/b");
    world.disk.inject(world.disk.operations(), Fault::Io);

    world.manager.rooms.moves.advance(&moving);
    world.disk.heal();

    assert!(world.manager.rooms.moves.all().is_empty());
    assert_eq!(world.manager.offline_dirs(), [world.dir("/b").log_dir.id()]);
    assert_eq!(world.append("t", 0, 1), Ok(Offset(BATCHES)));
}

#[test]
fn no_log_moves_to_a_full_disk_and_one_that_is_on_its_way_waits() {
    let world = World::filled(&["/a", "/b"]);
    let shared: Arc<dyn Disk> = Arc::new(world.disk.clone());
    let reserve = Arc::new(Reserve::for_start(shared, Path::new("/b"), 4096));
    reserve.retake();
    let to = world.dir("/b");
    to.log_dir.keep_reserve(Arc::clone(&reserve));
    let moves = &world.manager.rooms.moves;

    reserve.lend();
    let refused = moves.move_to(&world.partition("t", 0), to);
    assert_eq!(refused, Err(ErrorCode::KAFKA_STORAGE_ERROR));
    assert_eq!(world.folders_with("/b", "-future"), 0);
    reserve.retake();
    let moving = world.begin_move("/b");
    reserve.lend();
    for _ in 0..10 {
        assert_eq!(moves.advance(&moving), 0);
    }

    assert!(moves.of(&id()).is_some() && !world.is_in("/b"));
    reserve.retake();
    world.finish_move(&moving);
    assert!(world.is_in("/b"));
}

#[test]
fn the_rate_is_that_of_the_broker_or_else_of_the_cluster() {
    let world = World::filled(&["/a", "/b"]);
    let moves = &world.manager.rooms.moves;
    let key = "replica.alter.log.dirs.io.max.bytes.per.second";
    assert_eq!(moves.copy_rate(), u64::MAX);

    world.apply(&[broker_config("", key, "5000")]);
    assert_eq!(moves.copy_rate(), 5_000);
    world.apply(&[broker_config("1", key, "0")]);
    assert_eq!(moves.copy_rate(), 1, "slow, but not never");
}

#[test]
fn a_higher_rate_counts_at_once_for_a_move_that_waits() {
    let world = World::filled(&["/a", "/b"]);
    let key = "replica.alter.log.dirs.io.max.bytes.per.second";
    world.apply(&[broker_config("1", key, "1")]);
    let moves = &world.manager.rooms.moves;
    moves
        .move_to(&world.partition("t", 0), world.dir("/b"))
        .unwrap();
    // One step copies more than may pass in minutes, and the next has to wait.
    let progress = || moves.of(&id()).map_or(0, |moving| moving.progress().0);
    world.until(|| progress() > 0);

    world.apply(&[broker_config("1", key, "1000000000")]);

    world.until(|| {
        world.obey();
        moves.all().is_empty()
    });
    assert!(world.is_in("/b"));
}

#[test]
fn a_log_that_is_compacted_changes_places_only_then() {
    let world = World::filled(&["/a", "/b"]);
    let moving = world.begin_move("/b");
    world.advance_until_told(&moving);
    world.obey();
    let partition = world.partition("t", 0);

    let upkeep = partition.begin_upkeep().unwrap();
    world.manager.rooms.moves.advance(&moving);
    assert!(world.is_in("/a"));
    drop(upkeep);
    world.finish_move(&moving);

    assert!(world.is_in("/b"));
}

#[test]
fn a_moved_log_is_as_clean_as_it_was() {
    let world = World::filled(&["/a", "/b"]);
    world.apply(&[Change::config("t", "cleanup.policy", "compact")]);
    let partition = world.partition("t", 0);
    let clean = |log: &mut crate::storage::log::Log| {
        log.set_cleaned_offset(Some(Offset(7)));
        Ok(())
    };
    partition.with_log(clean).unwrap();
    let moving = world.begin_move("/b");

    world.finish_move(&moving);

    assert_eq!(partition.cleaned_offset(), Some(Offset(7)));
    let again = world.restarted(&world.disk);
    assert!(again.is_in("/b"));
    assert_eq!(again.partition("t", 0).cleaned_offset(), Some(Offset(7)));
}

#[test]
fn what_moves_is_not_compacted_until_it_is_there_or_stays() {
    let world = World::filled(&["/a", "/b"]);
    world.apply(&[
        Change::config("t", "cleanup.policy", "compact"),
        Change::config("t", "min.cleanable.dirty.ratio", "0"),
    ]);
    let partition = world.partition("t", 0);
    let moves = &world.manager.rooms.moves;
    let is_due = || !world.manager.rooms.upkeep.cleaner().due().is_empty();
    assert!(is_due());

    // A pass that is under way ends before anything is copied.
    let upkeep = partition.begin_upkeep().unwrap();
    let moving = world.begin_move("/b");
    assert!(!is_due());
    assert_eq!((moves.advance(&moving), moving.progress().0), (0, 0));
    drop(upkeep);
    assert!(moves.advance(&moving) > 0);
    let _upkeep = partition.begin_upkeep();
    moves.advance(&moving);
    assert_eq!(moving.progress().0, BATCHES);
    assert!(!is_due());

    moves.cancel(&id());
    assert!(is_due());
}

#[test]
fn records_are_deleted_once_they_are_gone_from_the_copy_too() {
    let world = World::filled(&["/a", "/b"]);
    let partition = world.partition("t", 0);
    let manager = &world.manager;
    let moving = world.begin_move("/b");
    while moving.progress().0 < BATCHES {
        manager.rooms.moves.advance(&moving);
    }
    let delete = |offset, wait: &AckWait| {
        let low = manager.delete_records(&partition, offset, wait.ticket(0));
        low.unwrap()
    };
    let wait = AckWait::new(1);

    assert_eq!(delete(4, &wait), Offset(0), "of the copy");
    assert_eq!(partition.log_start_offset(), Offset(4));
    assert!(!wait.is_done());
    manager.rooms.moves.advance(&moving);
    assert!(wait.is_done());
    assert_eq!(partition.low_watermark().unwrap(), Offset(4));

    let wait = AckWait::new(1);
    assert_eq!(delete(6, &wait), Offset(4));
    manager.rooms.moves.cancel(&id());
    assert!(wait.is_done(), "there is no copy any more");
}

#[test]
fn a_late_word_of_the_old_directory_does_not_keep_a_move_waiting() {
    let world = World::filled(&["/a", "/b"]);
    let [first, second] = ["/a", "/b"].map(|path| world.dir(path).log_dir.id());
    let moving = world.begin_move("/b");
    world.advance_until_told(&moving);
    world.placed.lock().clear();

    // The controller takes a copy of an earlier request after it.
    world.apply(&[placed(second)]);
    let again = world.apply(&[placed(first)]);

    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!(again[0].directory, second);
}
