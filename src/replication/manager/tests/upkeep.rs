//! What retention and compaction do to a log by its `cleanup.policy` and its lags.

use super::support::{Change, World};
use super::*;
use crate::replication::upkeep::apply_retention_to;

impl World {
    /// A topic of many segments, from years ago, which is synced.
    fn old(&self, topic: &'static str, settings: &[(&'static str, &'static str)]) {
        self.apply(&[
            Change::topic(topic, 1),
            Change::config(topic, "internal.segment.bytes", "300"),
        ]);
        self.set(topic, settings);
        for _ in 0..20 {
            self.append(topic, 0, 1).unwrap();
        }
        let partition = self.partition(topic, 0);
        partition.flush_if_due(now).unwrap();
    }

    fn set(&self, topic: &'static str, settings: &[(&'static str, &'static str)]) {
        let settings = settings.iter();
        let changes = settings.map(|(name, value)| Change::config(topic, name, value));
        self.apply(&changes.collect::<Vec<_>>());
    }

    /// The topics that are to be compacted, in that order.
    fn due(&self) -> Vec<String> {
        let due = self.manager.rooms.upkeep.cleaner().due().into_iter();
        due.map(|(partition, _)| partition.name().topic.to_string())
            .collect()
    }

    /// Applies retention: where the log starts then.
    fn start_after_retention(&self, topic: &str) -> Offset {
        let partition = self.partition(topic, 0);
        apply_retention_to(&self.manager.rooms.dirs, &partition);
        partition.log_start_offset()
    }
}

#[test]
fn with_an_empty_policy_only_what_was_asked_for_is_deleted() {
    let world = World::new(&["/a"]);
    let greedy = [
        ("cleanup.policy", ""),
        ("retention.ms", "1"),
        ("retention.bytes", "1"),
        ("min.cleanable.dirty.ratio", "0"),
        ("max.compaction.lag.ms", "1"),
    ];
    world.old("t", &greedy);

    assert_eq!(world.due(), [""; 0]);
    assert_eq!(world.start_after_retention("t"), Offset(0));
    let files = world.files("/a/t-0", ".log").len();
    let (partition, wait) = (world.partition("t", 0), AckWait::new(1));
    let deleted = world.manager.delete_records(&partition, 10, wait.ticket(0));
    assert_eq!(deleted.unwrap(), Offset(10));
    assert_eq!(world.start_after_retention("t"), Offset(10));
    assert!(world.files("/a/t-0", ".log").len() < files);

    world.set("t", &[("cleanup.policy", "compact")]);
    assert_eq!(world.due(), ["t"]);
    assert_eq!(world.start_after_retention("t"), Offset(10));
    world.set("t", &[("cleanup.policy", "compact,delete")]);
    assert_eq!(world.due(), ["t"]);
    assert_eq!(world.start_after_retention("t"), Offset(20));
}

#[test]
fn what_is_overdue_is_compacted_first_however_little_of_it_is_dirty() {
    let world = World::new(&["/a"]);
    world.old("dirty", &[("min.cleanable.dirty.ratio", "0")]);
    world.old("overdue", &[("min.cleanable.dirty.ratio", "0.9")]);
    for topic in ["dirty", "overdue"] {
        world.set(topic, &[("cleanup.policy", "compact")]);
    }
    let nearly_clean = |log: &mut crate::storage::log::Log| {
        log.set_cleaned_offset(Some(Offset(15)));
        Ok(())
    };
    let partition = world.partition("overdue", 0);
    partition.with_log(nearly_clean).unwrap();
    assert_eq!(world.due(), ["dirty"]);

    world.set("overdue", &[("max.compaction.lag.ms", "1000")]);

    assert_eq!(world.due(), ["overdue", "dirty"]);
}

#[test]
fn the_checkpoint_of_high_watermarks_tells_all_that_has_moved() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 2), Change::topic("gone", 1)]);
    let dirs = &world.manager.rooms.dirs;
    let dir = dirs.of(&world.partition("t", 0)).unwrap();
    let checkpointed = || {
        dirs.write_checkpoints(&[CheckpointKind::HighWatermark]);
        let entries = dir.read_checkpoints().unwrap().high_watermarks;
        let entries = entries.into_iter();
        let shown = entries.map(|(name, at)| format!("{}-{} {at}", name.topic, name.partition));
        shown.collect::<Vec<_>>()
    };
    assert_eq!(checkpointed(), ["gone-0 0", "t-0 0", "t-1 0"]);

    world.append("t", 1, 3).unwrap();
    assert_eq!(checkpointed(), ["gone-0 0", "t-0 0", "t-1 3"]);
    let operations = world.disk.operations();
    assert_eq!(checkpointed(), ["gone-0 0", "t-0 0", "t-1 3"]);
    assert_eq!(world.disk.operations(), operations, "nothing has moved");

    world.apply(&[Change::delete("gone")]);
    assert_eq!(checkpointed(), ["t-0 0", "t-1 3"]);

    world.append("t", 0, 1).unwrap();
    world.disk.inject(world.disk.operations(), Fault::NoSpace);
    assert_eq!(checkpointed(), ["t-0 0", "t-1 3"], "there was no room");
    world.disk.heal();
    assert_eq!(checkpointed(), ["t-0 1", "t-1 3"]);
}

#[test]
fn a_bug_at_one_log_keeps_no_other_from_its_retention() {
    let world = World::new(&["/a"]);
    for topic in ["t", "u"] {
        world.old(topic, &[("retention.ms", "1")]);
    }
    world.disk.inject_panic(world.disk.operations());

    world.manager.rooms.upkeep.apply_retention();

    let starts = ["t", "u"].map(|topic| world.partition(topic, 0).log_start_offset());
    assert!(starts.contains(&Offset(0)), "{starts:?}");
    assert!(starts.contains(&Offset(20)), "{starts:?}");
    let replication = &world.manager.rooms.dirs.metrics.replication;
    assert_eq!(replication.upkeep_panics.get(), 1);
}

#[test]
fn a_bug_in_the_sync_of_one_log_keeps_no_other_from_it() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 2)]);
    let dirs = &world.manager.rooms.dirs;
    let partitions = [0, 1].map(|index| world.partition("t", index));
    let sync_all = || partitions.iter().for_each(|it| dirs.queue_sync(it));
    let synced = || {
        partitions
            .iter()
            .filter(|it| it.recovery_point() == Offset(3))
    };
    world.until(|| dirs.of(&partitions[0]).unwrap().syncs.has_synced_folders());
    for index in [0, 1] {
        world.append("t", index, 3).unwrap();
    }
    world.apply(&[Change::config("t", "flush.messages", "2")]);
    world.disk.inject_panic(world.disk.operations());

    sync_all();

    world.until(|| dirs.metrics.replication.upkeep_panics.get() == 1);
    world.until(|| synced().count() >= 1);
    // The one that the bug has hit has its turn again.
    sync_all();
    world.until(|| synced().count() == 2);
}
