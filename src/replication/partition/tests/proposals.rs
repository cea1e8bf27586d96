//! Changes of the in-sync set: which proposal an outcome ends, and what counts until then.

use super::*;
use crate::metadata::IsrOutcome;

/// Brokers 1 to 3 have replicas, and broker 1 leads in epoch 5, with partition epoch 1.
fn led(isr: &[i32]) -> Script {
    let script = Script::new(config(|_| {}));
    assert!(assigned(&script, 1, isr));
    script
}

fn assigned(script: &Script, partition_epoch: i32, isr: &[i32]) -> bool {
    let isr: Vec<_> = isr.iter().copied().map(BrokerId).collect();
    let replicas = [1, 2, 3].map(BrokerId);
    script.role(1, 5, partition_epoch, &replicas, &isr)
}

/// Broker `follower` fetches at `end_offset`; returns what the controller is to be asked for.
fn proposed(script: &Script, follower: i32, end_offset: i64) -> Option<IsrChange> {
    let fetch = FollowerFetch {
        id: BrokerId(follower),
        end_offset: Offset(end_offset),
        log_start_offset: Offset(0),
        broker_epoch: 80,
        at: script.start,
        session: None,
    };
    let epoch = script.partition.leader().1;
    script
        .partition
        .follower_fetched(epoch, &fetch, || true)
        .unwrap()
        .expect("it is heard")
        .change
}

fn taken(isr: &[i32], partition_epoch: i32) -> IsrOutcome {
    IsrOutcome::Taken {
        isr: isr.iter().copied().map(BrokerId).collect(),
        partition_epoch,
    }
}

fn end(script: &Script, change: &IsrChange, outcome: &IsrOutcome) {
    script
        .partition
        .proposal_ended(change, outcome, script.start);
}

/// Whether broker 3 must have a record before it is committed, when nobody else but the leader must.
fn waits_for_broker_3(script: &Script) -> bool {
    let before = script.partition.end_offset().0;
    script.produce(1);
    // Long after its last Fetch broker 3 counts only if it is in sync, or about to be.
    script
        .partition
        .set_eligible(|_, _| false, |_| true, script.start);
    let committed = script.partition.high_watermark().0;
    assert!(committed == before || committed == before + 1);
    committed == before
}

#[test]
fn a_follower_joins_when_the_controller_has_taken_it() {
    let script = led(&[1]);

    let change = proposed(&script, 3, 0).unwrap();

    let expected = vec![(BrokerId(1), -1), (BrokerId(3), 80)];
    assert_eq!((change.partition_epoch, &change.isr), (1, &expected));
    assert_eq!(
        proposed(&script, 2, 0),
        None,
        "one change is open at a time"
    );
    end(&script, &change, &taken(&[1, 3], 2));
    let next = proposed(&script, 2, 0).unwrap();
    assert_eq!((next.partition_epoch, next.isr.len()), (2, 3));
}

#[test]
fn a_follower_without_an_epoch_never_joins() {
    let script = led(&[1]);
    let fetch = FollowerFetch {
        id: BrokerId(3),
        end_offset: Offset(0),
        log_start_offset: Offset(0),
        broker_epoch: -1,
        at: script.start,
        session: None,
    };

    let epoch = script.partition.leader().1;
    let change = script
        .partition
        .follower_fetched(epoch, &fetch, || true)
        .unwrap();
    assert_eq!(change, Some(Heard { change: None }));
}

#[test]
fn a_refused_change_counts_no_more_and_may_be_proposed_again() {
    let script = led(&[1]);
    let change = proposed(&script, 3, 0).unwrap();
    assert!(waits_for_broker_3(&script));

    end(&script, &change, &IsrOutcome::Refused);

    assert!(!waits_for_broker_3(&script));
    let end_offset = script.partition.end_offset().0;
    let again = proposed(&script, 3, end_offset).unwrap();
    assert_eq!(again.partition_epoch, 1);
}

#[test]
fn newer_metadata_ends_a_change_whose_outcome_is_unknown() {
    let script = led(&[1]);
    proposed(&script, 3, 0).unwrap();

    assert!(assigned(&script, 2, &[1]));

    assert!(!waits_for_broker_3(&script));
}

#[test]
fn metadata_that_the_answer_came_before_leaves_the_next_change_open() {
    let script = led(&[1, 2, 3]);
    let lag = script.start + Duration::from_secs(31);
    let change = script.partition.propose_change(lag).unwrap();
    end(&script, &change, &taken(&[1], 2));
    proposed(&script, 3, 0).unwrap();

    assert!(assigned(&script, 2, &[1]));

    assert!(
        waits_for_broker_3(&script),
        "the controller may take broker 3 at any time"
    );
}

#[test]
fn the_outcome_of_an_older_change_does_not_end_the_next_one() {
    for outcome in [IsrOutcome::Refused, taken(&[1], 2)] {
        let script = led(&[1]);
        let older = proposed(&script, 2, 0).unwrap();
        assert!(assigned(&script, 2, &[1]));
        proposed(&script, 3, 0).unwrap();

        end(&script, &older, &outcome);

        assert!(waits_for_broker_3(&script), "{outcome:?}");
    }
}

#[test]
fn followers_that_lag_are_left_out_and_the_watermark_moves_once_that_is_taken() {
    let script = led(&[1, 2]);
    script.produce(1);
    let change = |after: u64| {
        let now = script.start + Duration::from_secs(after);
        script.partition.propose_change(now)
    };
    assert_eq!(change(30), None);

    let shrinking = change(31).unwrap();
    assert_eq!(shrinking.isr, [(BrokerId(1), -1)]);
    assert_eq!(change(32), None, "it is asked for already");
    assert_eq!(script.partition.high_watermark(), Offset(0));

    end(&script, &shrinking, &taken(&[1], 2));
    assert_eq!(script.partition.high_watermark(), Offset(1));
}

#[test]
fn whether_a_follower_may_join_is_asked_while_no_newer_answer_can_come() {
    let script = led(&[1]);
    let fetch = FollowerFetch {
        id: BrokerId(3),
        end_offset: Offset(0),
        log_start_offset: Offset(0),
        broker_epoch: 80,
        at: script.start,
        session: None,
    };
    let (partition, epoch) = (&script.partition, script.partition.leader().1);

    let asked = partition.follower_fetched(epoch, &fetch, || {
        assert!(partition.state.is_locked(), "else the metadata may change");
        false
    });

    assert_eq!(asked.unwrap(), Some(Heard { change: None }));
}
