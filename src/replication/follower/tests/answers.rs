//! What becomes of the answer for one partition.

use super::*;

#[test]
fn what_was_fetched_is_appended_and_the_next_fetch_goes_on_behind_it() {
    let mut script = Script::in_session(1);
    assert_eq!(script.next(), "fetch 42.1:");

    let work = script.work(records(0, b"batches"));

    let append = Act::Append {
        fetch_offset: Offset(5),
        records: Bytes::from_static(b"batches"),
        high_watermark: Offset(5),
        log_start_offset: Offset(0),
    };
    assert_eq!((work.leader_epoch, &work.act), (LeaderEpoch(4), &append));
    script.done(&work, Outcome::Ends(end(8, 4)));
    assert_eq!(script.next(), "fetch 42.2: 0@8 epoch 4 last 4");
}

#[test]
fn an_answer_without_records_still_tells_the_watermark() {
    let mut script = Script::in_session(1);
    script.next();

    let work = script.work(PartitionData {
        high_watermark: 4,
        log_start_offset: 2,
        ..idle(0)
    });

    let append = Act::Append {
        fetch_offset: Offset(5),
        records: Bytes::new(),
        high_watermark: Offset(4),
        log_start_offset: Offset(2),
    };
    assert_eq!(work.act, append);
    let raised = FollowerEnd {
        log_start_offset: Offset(2),
        ..end(5, 4)
    };
    script.done(&work, Outcome::Ends(raised));
    assert_eq!(
        script.next(),
        "fetch 42.2: 0@5 epoch 4 last 4",
        "the leader learns the follower's log start"
    );
}

#[test]
fn logs_that_part_several_epochs_ago_are_cut_step_by_step() {
    let mut script = Script::new();
    script.follow(0, 9, end(50, 8));
    assert_eq!(script.next(), "fetch 0.0: 0@50 epoch 9 last 8");

    for (epoch, leaders_end, cut, line) in [
        (6, 40, end(30, 5), "fetch 42.1: 0@30 epoch 9 last 5"),
        (3, 20, end(20, 3), "fetch 42.2: 0@20 epoch 9 last 3"),
    ] {
        let work = script.work(diverging(0, epoch, leaders_end));
        let diverging = Cut::Diverging(crate::storage::leader_epochs::EpochEnd {
            epoch: LeaderEpoch(epoch),
            end_offset: Offset(leaders_end),
        });
        assert_eq!(work.act, Act::Cut(diverging));
        script.done(&work, Outcome::Ends(cut));
        assert_eq!(script.next(), line);
    }
}

#[test]
fn a_divergence_that_changes_nothing_is_not_asked_about_at_once() {
    let mut script = Script::in_session(1);
    script.next();

    let work = script.work(diverging(0, 4, 90));
    script.done(&work, Outcome::Ends(end(5, 4)));

    assert_eq!(script.next(), "wait Some(1000)");
    script.pass(BACKOFF);
    assert_eq!(script.next(), "fetch 42.2:", "as the session knows it");
}

#[test]
fn a_divergence_without_an_end_is_no_reason_to_cut() {
    let mut script = Script::in_session(1);
    script.next();

    assert_eq!(script.answered(vec![diverging(0, 3, -1)]), []);
    assert_eq!(script.next(), "wait Some(1000)");
}

#[test]
fn a_follower_behind_the_leaders_log_starts_over_where_that_starts() {
    let mut script = Script::in_session(1);
    script.next();

    assert_eq!(
        script.answered(vec![refused(0, ErrorCode::OFFSET_OUT_OF_RANGE)]),
        []
    );
    assert_eq!(script.next(), "search [0]");
    let [work] = <[Work; 1]>::try_from(script.searched(0, leader_log(20, 30))).unwrap();
    assert_eq!(work.act, Act::Cut(Cut::StartOver(Offset(20))));
    script.done(&work, Outcome::Ends(end(20, -1)));

    assert_eq!(script.next(), "fetch 42.2: 0@20 epoch 4 last -1");
}

#[test]
fn a_follower_ahead_of_the_leaders_log_is_cut_to_its_end() {
    let mut script = Script::in_session(1);
    script.next();

    script.answered(vec![refused(0, ErrorCode::OFFSET_OUT_OF_RANGE)]);
    assert_eq!(script.next(), "search [0]");
    let [work] = <[Work; 1]>::try_from(script.searched(0, leader_log(0, 3))).unwrap();
    assert_eq!(work.act, Act::Cut(Cut::ToEnd(Offset(3))));
    script.done(&work, Outcome::Ends(end(3, 2)));

    assert_eq!(script.next(), "fetch 42.2: 0@3 epoch 4 last 2");
}

#[test]
fn a_follower_that_is_in_range_by_now_fetches_on_after_a_while() {
    let mut script = Script::in_session(1);
    script.next();

    script.answered(vec![refused(0, ErrorCode::OFFSET_OUT_OF_RANGE)]);
    script.next();
    assert_eq!(script.searched(0, leader_log(0, 30)), []);

    assert_eq!(script.next(), "wait Some(1000)");
    script.pass(BACKOFF);
    assert_eq!(script.next(), "fetch 42.2:");
}

#[test]
fn a_search_that_is_refused_is_made_again_later() {
    let mut script = Script::in_session(1);
    script.next();
    script.answered(vec![refused(0, ErrorCode::OFFSET_OUT_OF_RANGE)]);
    script.next();

    script.searched(0, Err(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert_eq!(script.next(), "wait Some(1000)");
    script.pass(BACKOFF);
    assert_eq!(script.next(), "search [0]");
    script.searched(0, Err(ErrorCode::FENCED_LEADER_EPOCH));
    assert_eq!(script.next(), "wait None");
}

#[test]
fn a_refused_partition_is_let_alone_while_the_others_go_on() {
    for error in [
        ErrorCode::INCONSISTENT_TOPIC_ID,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::UNKNOWN_SERVER_ERROR,
    ] {
        let mut script = Script::in_session(2);
        script.next();

        assert_eq!(script.answered(vec![refused(0, error)]), []);

        assert_eq!(script.next(), "fetch 42.2: forget [0]", "{error:?}");
        script.pass(BACKOFF);
        script.answered(vec![]);
        assert_eq!(script.next(), "fetch 42.3: 0@5 epoch 4 last 4");
    }
}

#[test]
fn a_leader_that_does_not_know_of_it_yet_is_asked_again_soon_and_then_less_often() {
    for error in [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::UNKNOWN_LEADER_EPOCH,
        ErrorCode::UNKNOWN_TOPIC_ID,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ] {
        let mut script = Script::in_session(1);
        script.next();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert_eq!(script.answered(vec![refused(0, error)]), []);
            let waits = script.next();
            let pause = waits.trim_start_matches("wait Some(").trim_end_matches(')');
            let pause = pause.parse().expect("it waits");
            pauses.push(pause);
            script.pass(Duration::from_millis(pause));
            assert!(script.next().starts_with("fetch"), "{error:?}");
        }
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1_000, 1_000]);

        let work = script.work(idle(0));
        script.done(&work, Outcome::Ends(end(5, 4)));
        script.next();
        script.answered(vec![refused(0, error)]);
        assert_eq!(script.next(), "wait Some(20)", "it has led meanwhile");
    }
}

#[test]
fn a_fenced_follower_waits_for_the_metadata() {
    let mut script = Script::in_session(1);
    script.next();

    script.answered(vec![refused(0, ErrorCode::FENCED_LEADER_EPOCH)]);
    assert_eq!(script.next(), "wait None");
    script.follow(0, 4, end(5, 4));
    assert_eq!(script.next(), "wait None", "this epoch is over");

    script.follow(0, 5, end(5, 4));
    assert_eq!(script.next(), "fetch 42.2: 0@5 epoch 5 last 4");
}

#[test]
fn a_late_answer_of_an_older_epoch_is_no_work() {
    let mut script = Script::in_session(2);
    script.next();

    script.follow(0, 5, end(5, 4));
    let work = script.answered(vec![records(0, b"late"), records(1, b"batches")]);

    assert_eq!(work.len(), 1);
    assert_eq!(work[0].id, id(1));
    assert!(script.next().contains("0@5 epoch 5 last 4"));
}

#[test]
fn a_late_answer_for_another_end_of_the_log_is_no_work() {
    let mut script = Script::in_session(1);
    script.next();

    script.fetcher.unfollow(&id(0));
    script.follow(0, 4, end(3, 4));

    assert_eq!(script.answered(vec![records(0, b"late")]), []);
}

#[test]
fn the_outcome_of_a_work_of_an_older_epoch_changes_nothing() {
    let mut script = Script::in_session(1);
    script.next();
    let work = script.work(records(0, b"batches"));

    script.follow(0, 5, end(5, 4));
    script.done(&work, Outcome::Gone);

    assert_eq!(script.next(), "fetch 42.2: 0@5 epoch 5 last 4");
}

#[test]
fn batches_that_do_not_fit_the_log_are_asked_for_again_later() {
    let mut script = Script::in_session(2);
    script.next();

    let work = script.work(records(0, b"garbage"));
    script.done(&work, Outcome::Failed(end(5, 4)));

    assert_eq!(script.next(), "fetch 42.2: forget [0]");
    script.answered(vec![]);
    script.pass(BACKOFF);
    assert_eq!(script.next(), "fetch 42.3: 0@5 epoch 4 last 4");
}

#[test]
fn a_partition_that_is_gone_is_forgotten() {
    let mut script = Script::in_session(2);
    script.next();

    let work = script.work(records(0, b"batches"));
    script.done(&work, Outcome::Gone);

    assert_eq!(script.next(), "fetch 42.2: forget [0]");
}
