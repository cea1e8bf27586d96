//! Cuts of a follower's log that a power cut interrupts, and what a follower refuses.

use super::*;
use crate::model::LeaderEpoch;
use crate::protocol::messages::metadata_records::{MetadataRecord, PartitionChangeRecord};
use crate::replication::partition::{
    Cut, CutPlan, Fetched, FollowerAppend, FollowerEnd, Partition,
};

pub(super) const EPOCH: LeaderEpoch = LeaderEpoch(1);

impl World {
    /// Lets no fetcher run: where a test follows in its place, one that begins would sync and cut as well.
    pub(in crate::replication::manager::tests) fn follow_by_hand(&self) {
        let followers = &self.manager.rooms.followers;
        followers.give_no_threads(true);
    }
}

/// A follower of broker 2 whose log has batches of three records up to offset 30, all of them durable. Its
/// log start is 12.
pub(super) fn follower() -> World {
    let world = World::new(&["/a"]);
    world.follow_by_hand();
    world.apply(&[
        Change::topic("t", 1),
        Change::config("t", "flush.messages", "1"),
    ]);
    let partition = world.partition("t", 0);
    world.apply(&[Change::Record(MetadataRecord::PartitionChange(
        PartitionChangeRecord {
            partition_id: 0,
            topic_id: partition.id().topic_id,
            replicas: Some(vec![1, 2]),
            isr: Some(vec![2]),
            leader: 2,
            directories: Some(vec![partition.dir().id(), DirectoryId::ZERO]),
            ..PartitionChangeRecord::default()
        },
    ))]);
    for offset in (0..30).step_by(3) {
        let records = batch(3).to_bytes(Offset(offset), EPOCH);
        let fetched = Fetched {
            leader_epoch: EPOCH,
            fetch_offset: Offset(offset),
            records: &records,
            high_watermark: Offset(offset + 3),
            log_start_offset: Offset(12),
        };
        let appended = partition.append_as_follower(&fetched, now().wall);
        assert!(matches!(
            appended.unwrap(),
            FollowerAppend::Done {
                must_sync: true,
                ..
            }
        ));
        assert_eq!(partition.high_watermark(), Offset(offset));
        partition.flush_if_due(now).unwrap();
        partition.follow_after_sync(&fetched).unwrap();
    }
    assert_eq!(partition.log_start_offset(), Offset(12));
    assert_eq!(partition.high_watermark(), Offset(30));
    let dirs = &world.manager.rooms.dirs;
    dirs.write_checkpoints(&CheckpointKind::ALL);
    world
}

fn cut(world: &World, cut: Cut) -> Result<FollowerEnd, ReplicaError> {
    let partition = world.partition("t", 0);
    let plan = partition.plan_cut(EPOCH, cut)?;
    let dirs = &world.manager.rooms.dirs;
    let dir = dirs.of(&partition).unwrap();
    if let Err(error) = dirs.lower_checkpoints(dir) {
        partition.give_up_cut(&plan);
        return Err(error);
    }
    partition.cut(&plan, now().wall).map(|cut| cut.end)
}

/// Cuts, with a power cut after so many steps. Returns whether the cut was done before it.
fn cut_short(how: Cut, end: i64, tear: Tear, steps: u64) -> bool {
    let world = follower();
    let cut_at = world.disk.operations() + steps;
    world.disk.inject(cut_at, Fault::PowerCut);

    let outcome = cut(&world, how);

    let is_done = world.disk.operations() <= cut_at;
    let again = world.restarted(&world.disk.after_power_cut(tear));
    let where_it_is = format!("{how:?}, {tear:?} at step {steps}");
    let name = TopicPartition::new("t", 0);
    let found = again.manager.partition_by_name(&name);
    let found = found.unwrap_or_else(|error| panic!("{where_it_is}: {error}"));
    let ends = found.end_offset();
    assert!(
        ends == Offset(end) || ends <= Offset(30),
        "{where_it_is}: {ends}"
    );
    if is_done {
        assert_eq!(outcome.unwrap().end_offset, Offset(end), "{where_it_is}");
    }
    is_done
}

#[test]
fn a_power_cut_at_any_step_of_a_cut_leaves_a_log_that_opens() {
    let cuts = [
        (Cut::ToEnd(Offset(20)), 18),
        (Cut::ToEnd(Offset(6)), 6),
        (Cut::StartOver(Offset(90)), 90),
    ];
    for (how, end) in cuts {
        for tear in [Tear::Lost, Tear::Kept, Tear::Torn(7)] {
            let mut steps = 0;
            while !cut_short(how, end, tear, steps) {
                steps += 1;
            }
            assert!(steps > 3, "a cut takes more than {steps} steps");
        }
    }
}

#[test]
fn what_names_another_epoch_changes_nothing() {
    let world = follower();
    let partition = world.partition("t", 0);
    let records = batch(1).to_bytes(Offset(30), EPOCH);
    for (epoch, code) in [
        (0, ErrorCode::FENCED_LEADER_EPOCH),
        (2, ErrorCode::UNKNOWN_LEADER_EPOCH),
    ] {
        let leader_epoch = LeaderEpoch(epoch);
        let fetched = Fetched {
            leader_epoch,
            fetch_offset: Offset(30),
            records: &records,
            high_watermark: Offset(31),
            log_start_offset: Offset(20),
        };

        let appended = partition.append_as_follower(&fetched, now().wall);
        assert_eq!(appended.unwrap_err().code(), code);
        let planned = partition.plan_cut(leader_epoch, Cut::ToEnd(Offset(3)));
        assert_eq!(planned.unwrap_err().code(), code);
    }

    assert_eq!(partition.end_offset(), Offset(30));
    assert_eq!(partition.log_start_offset(), Offset(12));
}

#[test]
fn a_cut_that_was_planned_is_refused_once_this_broker_leads() {
    let world = follower();
    let partition = world.partition("t", 0);
    let plan = partition.plan_cut(EPOCH, Cut::ToEnd(Offset(3))).unwrap();
    assert!(
        partition.recovery_point() <= Offset(3),
        "while it is planned"
    );
    world.apply(&[Change::Record(MetadataRecord::PartitionChange(
        PartitionChangeRecord {
            partition_id: 0,
            topic_id: partition.id().topic_id,
            isr: Some(vec![1]),
            leader: 1,
            ..PartitionChangeRecord::default()
        },
    ))]);

    let refused = partition.cut(&plan, now().wall).unwrap_err();

    assert_eq!(refused.code(), ErrorCode::FENCED_LEADER_EPOCH);
    assert_eq!(partition.end_offset(), Offset(30));
    assert_eq!(partition.recovery_point(), Offset(30));
}

#[test]
fn what_becomes_of_an_old_cut_does_not_touch_the_one_planned_after_it() {
    type End = fn(&Partition, &CutPlan);
    let ends: [End; 2] = [
        |partition, old| drop(partition.cut(old, now().wall).unwrap_err()),
        |partition, old| partition.give_up_cut(old),
    ];
    for end in ends {
        let world = follower();
        let partition = world.partition("t", 0);
        let old = partition.plan_cut(EPOCH, Cut::ToEnd(Offset(3))).unwrap();
        world.apply(&[Change::Record(MetadataRecord::PartitionChange(
            PartitionChangeRecord {
                partition_id: 0,
                topic_id: partition.id().topic_id,
                leader: 2,
                ..PartitionChangeRecord::default()
            },
        ))]);
        let next = partition.plan_cut(LeaderEpoch(2), Cut::ToEnd(Offset(18)));
        let next = next.unwrap();
        let lowered = partition.recovery_point();
        assert!(lowered <= Offset(18));

        end(&partition, &old);

        assert_eq!(partition.recovery_point(), lowered, "it is still planned");
        let cut = partition.cut(&next, now().wall).unwrap();
        assert_eq!(cut.end.end_offset, Offset(18));
    }
}

#[test]
fn batches_that_do_not_continue_the_log_are_refused() {
    let world = follower();
    let partition = world.partition("t", 0);
    let good = batch(1).to_bytes(Offset(30), EPOCH);
    let mut damaged = good.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let overlapping = batch(1).to_bytes(Offset(29), EPOCH);
    let of_a_later_epoch = batch(1).to_bytes(Offset(30), LeaderEpoch(2));
    let of_an_older_epoch = batch(1).to_bytes(Offset(30), LeaderEpoch(0));
    for (name, offset, records) in [
        ("damaged", 30, &damaged[..]),
        ("overlapping", 30, &overlapping[..]),
        ("of a later epoch", 30, &of_a_later_epoch[..]),
        ("of an older epoch", 30, &of_an_older_epoch[..]),
        ("for another end", 29, &good[..]),
    ] {
        let fetched = Fetched {
            leader_epoch: EPOCH,
            fetch_offset: Offset(offset),
            records,
            high_watermark: Offset(31),
            log_start_offset: Offset(12),
        };

        let refused = partition.append_as_follower(&fetched, now().wall);

        let code = refused.unwrap_err().code();
        assert_eq!(code, ErrorCode::CORRUPT_MESSAGE, "{name}");
        assert_eq!(partition.end_offset(), Offset(30), "{name}");
    }
}
