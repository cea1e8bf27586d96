//! Moves that a restart or a crash cuts short.

use super::*;
use crate::replication::partition::{Cut, Fetched};

#[test]
fn a_copy_of_an_earlier_process_counts_as_not_compacted() {
    let world = World::filled(&["/a", "/b"]);
    let moving = world.begin_move("/b");
    world.advance_until_told(&moving);
    world.manager.close(1);
    let again = world.restarted(&world.disk);
    let compacted = |log: &mut crate::storage::log::Log| {
        log.set_cleaned_offset(Some(Offset(7)));
        Ok(())
    };
    again.partition("t", 0).with_log(compacted).unwrap();

    again.until(|| {
        again.obey();
        again.is_in("/b")
    });

    assert_eq!(again.partition("t", 0).cleaned_offset(), None);
    again.manager.close(1);
    let third = again.restarted(&again.disk);
    assert_eq!(third.partition("t", 0).cleaned_offset(), None);
}

#[tokio::test]
async fn a_restart_in_the_midst_goes_on() {
    let world = World::filled(&["/a", "/b"]);
    let moving = world.begin_move("/b");
    world.manager.rooms.moves.advance(&moving);
    world.manager.close(1);

    let again = world.restarted(&world.disk);
    again.until(|| {
        again.obey();
        again.is_in("/b")
    });

    assert_eq!(again.offsets().await, (0..BATCHES).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_copy_whose_log_is_gone_takes_its_place_if_the_controller_knew_of_it() {
    let world = World::filled(&["/a", "/b"]);
    let second = world.dir("/b").log_dir.id();
    let moving = world.begin_move("/b");
    world.advance_until_told(&moving);
    world.manager.close(1);
    world.change_image(&[placed(second)]);

    let again = world.restarted_on(&world.disk, &["/b"], &["/a"]);

    assert_eq!(again.offsets().await, (0..BATCHES).collect::<Vec<_>>());
    assert_eq!(again.folders("/b"), ["t-0"]);
}

#[test]
fn a_copy_that_takes_its_logs_place_did_not_stop_in_order() {
    let world = World::filled(&["/a", "/b"]);
    let second = world.dir("/b").log_dir.id();
    let moving = world.begin_move("/b");
    world.advance_until_told(&moving);
    // The copy lacks this.
    world.append("t", 0, 1).unwrap();
    world.manager.close(1);
    world.change_image(&[placed(second)]);

    let both = world.restarted(&world.disk);
    let without_log = world.restarted_on(&world.disk, &["/b"], &["/a"]);

    assert_eq!(both.previous_broker_epoch, Some(1));
    assert_eq!(without_log.partition("t", 0).end_offset(), Offset(BATCHES));
    assert_eq!(without_log.previous_broker_epoch, None);
}

#[test]
fn a_copy_is_cut_where_the_log_was() {
    let world = World::filled(&["/a", "/b"]);
    world.follow_by_hand();
    let moving = world.begin_move("/b");
    world.advance_until_told(&moving);
    world.placed.lock().clear();
    let partition = world.partition("t", 0);
    world.apply(&[Change::Record(MetadataRecord::PartitionChange(
        PartitionChangeRecord {
            partition_id: 0,
            topic_id: id().topic_id,
            replicas: Some(vec![1, 2]),
            isr: Some(vec![2]),
            leader: 2,
            directories: Some(vec![world.dir("/b").log_dir.id(), DirectoryId::ZERO]),
            ..PartitionChangeRecord::default()
        },
    ))]);
    let epoch = crate::model::LeaderEpoch(1);
    let plan = partition.plan_cut(epoch, Cut::ToEnd(Offset(15))).unwrap();
    partition.cut(&plan, now().wall).unwrap();
    let other = batch(1).to_bytes(Offset(15), epoch);
    let fetched = Fetched {
        leader_epoch: epoch,
        fetch_offset: Offset(15),
        records: &other,
        high_watermark: Offset(15),
        log_start_offset: Offset(0),
    };
    partition.append_as_follower(&fetched, now().wall).unwrap();

    world.finish_move(&moving);

    assert!(world.is_in("/b"));
    assert_eq!(partition.end_offset(), Offset(16));
    let end = partition.offset_for_leader_epoch(epoch, crate::model::LeaderEpoch::NONE, false);
    assert_eq!(end.unwrap().unwrap().end_offset, Offset(16));
    let before = crate::model::LeaderEpoch(0);
    let end = partition.offset_for_leader_epoch(before, crate::model::LeaderEpoch::NONE, false);
    assert_eq!(end.unwrap().unwrap().end_offset, Offset(15));
}

#[tokio::test]
async fn a_power_cut_at_any_step_loses_nothing_and_the_move_goes_on() {
    for tear in [Tear::Lost, Tear::Kept, Tear::Torn(7)] {
        let mut steps = 0;
        loop {
            let world = World::filled(&["/a", "/b"]);
            let cut_at = world.disk.operations() + steps;
            world.disk.inject(cut_at, Fault::PowerCut);
            let partition = world.partition("t", 0);
            let moves = &world.manager.rooms.moves;
            if let Ok(moving) = moves.begin(&partition, world.dir("/b")) {
                while moves.of(&id()).is_some() {
                    moves.advance(&moving);
                    world.obey();
                }
            }
            let was_cut = world.disk.operations() > cut_at;
            let told = std::mem::take(&mut *world.placed.lock());
            // What a broker that dies has said last may have been heard.
            if steps % 2 == 0 {
                let heard: Vec<_> = told.iter().map(|it| placed(it.directory)).collect();
                world.change_image(&heard);
            }

            let again = world.restarted(&world.disk.after_power_cut(tear));

            let where_it_is = format!("{tear:?} at step {steps}");
            let offsets = again.offsets().await;
            assert_eq!(offsets, (0..BATCHES).collect::<Vec<_>>(), "{where_it_is}");
            assert_eq!(
                again.append("t", 0, 1),
                Ok(Offset(BATCHES)),
                "{where_it_is}"
            );
            again.until(|| {
                again.obey();
                again.manager.rooms.moves.all().is_empty()
            });
            assert_eq!(again.partition("t", 0).end_offset(), Offset(BATCHES + 1));
            if !was_cut {
                assert!(steps > 20, "a move takes more than {steps} steps");
                break;
            }
            steps += 1;
        }
    }
}
