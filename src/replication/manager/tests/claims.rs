//! What a follower claims to have: with `flush.messages=1` no more than is durable.

use std::sync::mpsc;

use super::cuts::{EPOCH, follower};
use super::support::{World, params};
use super::*;
use crate::model::BrokerId;
use crate::replication::delayed::Interest;
use crate::replication::follower::{Act, Logs, Outcome, Work};
use crate::replication::partition::{Cut, Fetched, Partition};

/// A follower of which batches from offset 30 to 39 are in the page cache only, as after a kill.
fn unsynced() -> (World, Arc<Partition>, Logs) {
    let world = follower();
    let partition = world.partition("t", 0);
    for offset in (30..39).step_by(3) {
        let records = batch(3).to_bytes(Offset(offset), EPOCH);
        let fetched = Fetched {
            leader_epoch: EPOCH,
            fetch_offset: Offset(offset),
            records: &records,
            high_watermark: Offset(30),
            log_start_offset: Offset(12),
        };
        partition.append_as_follower(&fetched, now().wall).unwrap();
    }
    assert_eq!(partition.flushed_offset(), Offset(30));
    let rooms = &world.manager.rooms;
    let logs = rooms.followers.logs().clone();
    (world, partition, logs)
}

fn claimed(outcome: Outcome) -> Offset {
    match outcome {
        Outcome::Ends(end) | Outcome::Throttled(end) | Outcome::Failed(end) => end.end_offset,
        other => panic!("it has no end: {other:?}"),
    }
}

#[test]
fn a_first_fetch_claims_only_what_is_durable() {
    let (_world, partition, logs) = unsynced();

    let begun = logs.begin(partition.id(), EPOCH);

    assert_eq!(claimed(begun), Offset(39));
    assert_eq!(partition.flushed_offset(), Offset(39));
}

#[test]
fn a_fetch_after_a_refused_append_or_a_cut_claims_only_what_is_durable() {
    let misfit = Act::Append {
        fetch_offset: Offset(3),
        records: batch(1).to_bytes(Offset(3), EPOCH),
        high_watermark: Offset(30),
        log_start_offset: Offset(12),
    };
    for act in [misfit, Act::Cut(Cut::ToEnd(Offset(36)))] {
        let (_world, partition, logs) = unsynced();
        let work = Work {
            id: partition.id(),
            replica: partition.number(),
            leader_epoch: EPOCH,
            act,
        };

        let outcomes = logs.carry_out(std::slice::from_ref(&work));

        let claimed = claimed(outcomes[0]);
        assert!(claimed >= Offset(36));
        assert_eq!(partition.flushed_offset(), claimed, "{work:?}");
    }
}

#[test]
fn a_log_that_cannot_be_synced_is_not_fetched_for() {
    let (world, partition, logs) = unsynced();
    world.disk.inject(world.disk.operations(), Fault::Io);

    let begun = logs.begin(partition.id(), EPOCH);

    assert!(
        matches!(begun, Outcome::Unready | Outcome::Gone),
        "{begun:?}"
    );
}

#[test]
fn a_log_that_a_bug_has_left_half_changed_claims_nothing() {
    let (world, partition, logs) = unsynced();
    let work = Work {
        id: partition.id(),
        replica: partition.number(),
        leader_epoch: EPOCH,
        act: Act::Append {
            fetch_offset: Offset(39),
            records: batch(1).to_bytes(Offset(39), EPOCH),
            high_watermark: Offset(30),
            log_start_offset: Offset(12),
        },
    };
    world.disk.inject_panic(world.disk.operations());

    let outcomes = logs.carry_out(&[work]);

    assert_eq!(outcomes, [Outcome::Broken]);
    assert_eq!(logs.begin(partition.id(), EPOCH), Outcome::Gone);
}

/// Broker 2 fetches what it follows of this broker, once, saying that it has all up to `offset`.
async fn fetch_as_follower(world: &World, offset: i64) -> FetchAnswer {
    let params = FetchParams {
        follower: Some(FollowerIdentity {
            id: BrokerId(2),
            epoch: 1,
        }),
        interest: Interest::LogEnd,
        ..params(Duration::ZERO)
    };
    let session = (NO_SESSION, FINAL_EPOCH);
    let fetch = world.begin_with(params, session, &[("t", 0, offset)]);
    fetch.unwrap().run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_could_not_be_checked_does_not_say_what_its_follower_has() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic_on("t", &[1, 2]), broker(2, false)]);
    world.append("t", 0, 3).unwrap();
    let partition = world.partition("t", 0);
    let (held, is_held) = mpsc::channel();
    let (done, is_done) = mpsc::channel::<()>();
    let holder = std::thread::spawn({
        let partition = Arc::clone(&partition);
        move || {
            let held = partition.with_log(|_| {
                held.send(()).unwrap();
                // A fetch that waits for the lock must not wait for ever.
                let _ = is_done.recv_timeout(Duration::from_secs(2));
                Ok(())
            });
            held.unwrap();
        }
    });
    is_held.recv().unwrap();

    // An answer without an error would say that it was heard.
    let answer = fetch_as_follower(&world, 3).await;
    assert_eq!(answer.partitions[0].error, ErrorCode::KAFKA_STORAGE_ERROR);
    let _ = done.send(());
    holder.join().unwrap();

    assert_eq!(partition.high_watermark(), Offset(0));
    let answer = fetch_as_follower(&world, 3).await;
    assert_eq!(answer.partitions[0].error, ErrorCode::NONE);
    assert_eq!(partition.high_watermark(), Offset(3));
}
