//! Throttled replicas: asked for no sooner than they may be.

use super::*;

/// What came for a partition was more than the rate allows.
fn throttled(script: &mut Script, partition: i32) {
    let work = script.work(records(partition, b"abc"));
    script.done(&work, Outcome::Throttled(end(6, 4)));
    script.throttled_until = Some(script.now + Duration::from_millis(300));
}

#[test]
fn a_throttled_partition_is_asked_for_again_when_it_may_be() {
    let mut script = Script::in_session(1);
    script.next();
    throttled(&mut script, 0);

    assert_eq!(script.next(), "wait Some(300)");
    script.pass(Duration::from_millis(300));
    script.throttled_until = None;
    assert_eq!(script.next(), "fetch 42.2: 0@6 epoch 4 last 4");
}

#[test]
fn others_are_fetched_meanwhile_for_no_longer_than_the_throttle_holds() {
    let mut script = Script::in_session(2);
    script.next();
    throttled(&mut script, 0);

    let until = script.throttled_until;
    let Next::Fetch(request) = script.fetcher.next(77, until, script.now) else {
        panic!("there is another partition");
    };
    assert_eq!(request.max_wait_ms, 300);
    assert!(request.topics.is_empty(), "the other one is as before");
    assert_eq!(request.forgotten_topics_data[0].partitions, [0]);

    script.answered(vec![idle(1)]);
    script.throttled_until = None;
    assert_eq!(script.next(), "fetch 42.3: 0@6 epoch 4 last 4");
}

#[test]
fn a_throttled_partition_that_is_followed_no_more_is_forgotten() {
    let mut script = Script::in_session(1);
    script.next();
    throttled(&mut script, 0);

    script.fetcher.unfollow(&id(0));

    script.throttled_until = None;
    assert_eq!(script.next(), "wait None");
}
