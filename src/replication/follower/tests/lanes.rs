//! Two lanes: which partitions are for the other one.

use super::*;
use crate::replication::follower::lane::{Lane, LaneChange};

/// An answer comes after which the log ends at `log_end`, while the leader's high watermark is `high_watermark`.
fn fetched(script: &mut Script, partition: i32, log_end: i64, high_watermark: i64) {
    script.next();
    let work = script.work(PartitionData {
        high_watermark,
        ..records(partition, b"abc")
    });
    script.done(&work, Outcome::Ends(end(log_end, 4)));
}

/// Two answers in a row leave the log of a partition behind.
fn falls_behind(script: &mut Script, partition: i32) {
    fetched(script, partition, 6, 20);
    fetched(script, partition, 7, 21);
}

fn change(partition: i32, log_end: i64) -> LaneChange {
    LaneChange {
        id: id(partition),
        leader_epoch: LeaderEpoch(4),
        end: end(log_end, 4),
        is_throttled: false,
    }
}

#[test]
fn what_two_answers_leave_behind_is_for_the_other_lane() {
    let mut script = Script::in_session(2);
    fetched(&mut script, 0, 6, 20);
    assert_eq!(script.fetcher.misplaced(), []);
    fetched(&mut script, 0, 7, 21);

    assert_eq!(script.fetcher.misplaced(), [change(0, 7)]);
    script.fetcher.unfollow(&id(0));
    assert_eq!(script.fetcher.misplaced(), []);
    assert_eq!(script.next(), "fetch 42.3: forget [0]");
}

#[test]
fn what_has_all_that_is_committed_stays() {
    let mut script = Script::in_session(2);
    fetched(&mut script, 0, 6, 20);
    fetched(&mut script, 0, 20, 20);
    fetched(&mut script, 0, 21, 22);

    assert_eq!(script.fetcher.misplaced(), []);
}

#[test]
fn where_all_are_behind_nobody_is_in_their_way() {
    let mut script = Script::in_session(2);
    falls_behind(&mut script, 0);
    falls_behind(&mut script, 1);

    assert_eq!(script.fetcher.misplaced(), []);
    script.follow(2, 4, end(5, 4));
    assert_eq!(
        script.fetcher.misplaced(),
        [change(0, 7), change(1, 7)],
        "of this one it is not known yet"
    );
}

#[test]
fn what_is_behind_is_for_its_lane_until_it_has_all_that_is_committed() {
    let mut script = Script::on(Lane::Behind);
    script.follow(0, 4, end(5, 4));
    assert_eq!(script.fetcher.misplaced(), []);
    fetched(&mut script, 0, 9, 20);
    assert_eq!(script.fetcher.misplaced(), []);
    fetched(&mut script, 0, 20, 20);

    assert_eq!(script.fetcher.misplaced(), [change(0, 20)]);
}

#[test]
fn what_is_taken_over_is_fetched_from_where_the_other_was() {
    let mut script = Script::in_session(1);

    script.fetcher.take_over(&change(3, 9));

    assert_eq!(script.next(), "fetch 42.1: 3@9 epoch 4 last 4");
}

#[test]
fn what_waits_for_the_throttle_waits_on_the_other_lane_too() {
    let mut script = Script::on(Lane::Behind);
    script.throttled_until = Some(script.now + Duration::from_millis(300));

    script.fetcher.take_over(&LaneChange {
        is_throttled: true,
        ..change(0, 9)
    });

    assert_eq!(script.next(), "wait Some(300)");
}

#[test]
fn no_answer_is_given_up_for_what_is_behind() {
    for (lane, is_given_up) in [(Lane::Prompt, true), (Lane::Behind, false)] {
        let mut script = Script::on(lane);
        script.follow(0, 4, end(5, 4));
        script.next();

        script.follow(1, 4, end(5, 4));

        assert_eq!(script.fetcher.has_news(), is_given_up, "{lane:?}");
    }
}

#[test]
fn a_throttled_partition_may_go_and_one_that_is_let_alone_may_not() {
    let mut script = Script::in_session(3);
    falls_behind(&mut script, 0);
    falls_behind(&mut script, 1);
    script.throttled_until = Some(script.now + Duration::from_millis(300));
    for (partition, outcome) in [
        (0, Outcome::Throttled(end(8, 4))),
        (1, Outcome::Failed(end(7, 4))),
    ] {
        script.next();
        let work = script.work(PartitionData {
            high_watermark: 30,
            ..records(partition, b"abc")
        });
        script.done(&work, outcome);
    }

    let throttled = LaneChange {
        is_throttled: true,
        ..change(0, 8)
    };
    assert_eq!(script.fetcher.misplaced(), [throttled]);
}
