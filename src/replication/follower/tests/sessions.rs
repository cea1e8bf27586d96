//! Sessions, connections, and who is fetched.

use super::*;

#[test]
fn nothing_is_asked_for_as_long_as_nothing_is_fetched() {
    let mut script = Script::new();

    assert_eq!(script.next(), "wait None");
}

#[test]
fn a_session_begins_with_all_and_goes_on_with_what_changed() {
    let mut script = Script::new();
    script.follow(0, 4, end(5, 4));
    script.follow(1, 4, end(0, -1));
    assert_eq!(
        script.next(),
        "fetch 0.0: 0@5 epoch 4 last 4 1@0 epoch 4 last -1"
    );
    script.answered(vec![idle(0), idle(1)]);

    script.follow(2, 6, end(1, 6));
    script.fetcher.unfollow(&id(0));

    assert_eq!(script.next(), "fetch 42.1: 2@1 epoch 6 last 6 forget [0]");
    script.answered(vec![]);
    assert_eq!(script.next(), "fetch 42.2:");
}

#[test]
fn only_a_partition_to_be_fetched_is_news() {
    let mut script = Script::in_session(2);
    script.next();

    script.fetcher.unfollow(&id(1));
    assert!(!script.fetcher.has_news());
    script.follow(0, 4, end(5, 4));
    assert!(!script.fetcher.has_news(), "it is fetched in this epoch");

    script.follow(2, 4, end(0, -1));
    assert!(script.fetcher.has_news());
    script.next();
    assert!(!script.fetcher.has_news());
}

#[test]
fn a_request_that_was_given_up_closes_its_session() {
    let mut script = Script::in_session(1);
    script.next();

    script.follow(1, 4, end(0, -1));
    script.fetcher.abandoned();

    assert_eq!(
        script.next(),
        "fetch 42.0: 0@5 epoch 4 last 4 1@0 epoch 4 last -1"
    );
}

#[test]
fn a_session_that_the_leader_has_dropped_begins_anew_at_once() {
    let mut script = Script::in_session(1);
    script.next();
    let refusal = FetchResponse {
        error_code: ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        ..FetchResponse::default()
    };

    assert_eq!(script.fetcher.answered(refusal, script.now), []);

    assert_eq!(script.next(), "fetch 0.0: 0@5 epoch 4 last 4");
}

#[test]
fn a_leader_that_takes_no_session_at_all_is_asked_again_later() {
    let mut script = Script::new();
    script.follow(0, 4, end(5, 4));
    script.next();
    let refusal = FetchResponse {
        error_code: ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        ..FetchResponse::default()
    };

    script.fetcher.answered(refusal, script.now);

    assert_eq!(script.next(), "wait Some(1000)");
    script.pass(BACKOFF);
    assert_eq!(script.next(), "fetch 0.0: 0@5 epoch 4 last 4");
}

#[test]
fn nothing_of_an_answer_counts_that_has_other_partitions() {
    let mut script = Script::in_session(2);
    script.next();

    let work = script.answered(vec![records(0, b"batches"), records(9, b"others")]);

    assert_eq!(work, []);
    assert_eq!(
        script.next(),
        "fetch 42.0: 0@5 epoch 4 last 4 1@5 epoch 4 last 4"
    );
}

#[test]
fn without_sessions_each_request_begins_behind_who_was_served() {
    let mut script = Script::new();
    for partition in 0..3 {
        script.follow(partition, 4, end(5, 4));
    }
    script.next();

    let answer = response(0, vec![idle(0), records(1, b"batches"), idle(2)]);
    let work = script.fetcher.answered(answer, script.now);
    script.done(&work[1], Outcome::Ends(end(6, 4)));

    assert_eq!(
        script.next(),
        "fetch 0.0: 2@5 epoch 4 last 4 0@5 epoch 4 last 4 1@6 epoch 4 last 4"
    );
}

#[test]
fn a_lost_connection_is_made_again_after_a_while_with_a_new_session() {
    let mut script = Script::in_session(1);
    script.next();

    script.fetcher.failed(script.now);

    assert_eq!(script.next(), "wait Some(1000)");
    script.follow(1, 4, end(0, -1));
    assert_eq!(script.next(), "wait Some(1000)");
    script.pass(BACKOFF);
    assert_eq!(
        script.next(),
        "fetch 42.0: 0@5 epoch 4 last 4 1@0 epoch 4 last -1"
    );
}

#[test]
fn a_partition_that_another_broker_leads_by_now_leaves_the_session_mid_flight() {
    let mut script = Script::in_session(2);
    script.next();

    script.fetcher.unfollow(&id(0));
    let work = script.answered(vec![records(0, b"late")]);

    assert_eq!(work, []);
    assert_eq!(script.next(), "fetch 42.2: forget [0]");
}

#[test]
fn when_all_is_delayed_the_first_end_of_a_delay_is_waited_for() {
    let mut script = Script::in_session(2);
    script.next();
    script.answered(vec![refused(0, ErrorCode::KAFKA_STORAGE_ERROR)]);
    script.pass(BACKOFF / 2);
    script.next();
    script.answered(vec![refused(1, ErrorCode::KAFKA_STORAGE_ERROR)]);

    assert_eq!(script.next(), "wait Some(500)");
    script.pass(BACKOFF / 2);
    assert_eq!(script.next(), "fetch 42.3: 0@5 epoch 4 last 4 forget [1]");
}
