//! Fetches that wait, their sessions, and requests whose client is gone.

use super::*;

#[tokio::test]
async fn a_waiting_fetch_is_woken_by_an_append_and_not_before() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    let fetch = world.fetch(&[("t", 0, 0)], LONG, FINAL_EPOCH);
    let waiting = tokio::spawn(fetch.run());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished());

    world.append("t", 0, 1).unwrap();

    let answer = waiting.await.unwrap();
    assert_eq!(support::base_offsets(&answer.partitions[0].records), [0]);
}

#[tokio::test]
async fn a_fetch_waits_until_there_is_enough() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 2)]);
    world.append("t", 0, 1).unwrap();
    let params = FetchParams {
        min_bytes: 2 * u32::try_from(batch(1).size()).unwrap(),
        ..support::params(LONG)
    };
    let wanted = [("t", 0, 0), ("t", 1, 0)];
    let fetch = world.begin_with(params, (NO_SESSION, FINAL_EPOCH), &wanted);
    let fetch = fetch.unwrap();
    let waiting = tokio::spawn(fetch.run());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished());

    world.append("t", 1, 1).unwrap();

    let answer = waiting.await.unwrap();
    let sizes: Vec<_> = answer
        .partitions
        .iter()
        .map(|it| it.records.len())
        .collect();
    assert_eq!(sizes, [batch(1).size(); 2]);
}

#[tokio::test]
async fn a_fetch_that_finds_nothing_ends_at_its_deadline() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);

    let fetch = world.fetch(&[("t", 0, 0)], Duration::from_millis(10), FINAL_EPOCH);
    let answer = fetch.run().await;

    assert!(answer.partitions[0].records.is_empty());
    assert_eq!(answer.partitions[0].error, ErrorCode::NONE);
}

#[tokio::test]
async fn errors_are_told_at_once_and_by_partition() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1), Change::topic_on("elsewhere", &[2])]);
    let wanted = [
        ("t", 0, 7),
        ("t", 9, 0),
        ("none", 0, 0),
        ("elsewhere", 0, 0),
    ];

    let fetch = world.fetch(&wanted, LONG, FINAL_EPOCH);
    let answer = fetch.run().await;

    let codes: Vec<_> = answer.partitions.iter().map(|it| it.error).collect();
    let expected = [
        ErrorCode::OFFSET_OUT_OF_RANGE,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ];
    assert_eq!(codes, expected);
}

#[tokio::test]
async fn an_incremental_fetch_answers_what_is_new() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 3)]);
    let all = [("t", 0, 0), ("t", 1, 0), ("t", 2, 0)];
    let first = world.fetch(&all, Duration::ZERO, INITIAL_EPOCH).run().await;
    assert_ne!(first.session_id, NO_SESSION);
    assert_eq!(first.partitions.len(), 3);

    let none = world
        .fetch_in(first.session_id, 1, &[], Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(
        (none.session_id, none.partitions.len()),
        (first.session_id, 0)
    );

    world.append("t", 1, 2).unwrap();
    let one = world
        .fetch_in(first.session_id, 2, &[], LONG)
        .await
        .unwrap();
    let [answer] = &one.partitions[..] else {
        panic!("{one:?}");
    };
    assert_eq!((answer.partition, answer.high_watermark), (1, Offset(2)));

    let none = world
        .fetch_in(first.session_id, 3, &[("t", 1, 2)], Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(none.partitions, []);
    let late = world
        .fetch_in(first.session_id, 3, &[], Duration::ZERO)
        .await;
    assert_eq!(late.unwrap_err(), SessionError::InvalidEpoch);
    let unknown = world
        .fetch_in(first.session_id ^ 1, 1, &[], Duration::ZERO)
        .await;
    assert_eq!(unknown.unwrap_err(), SessionError::NotFound);
}

#[tokio::test]
async fn an_incremental_fetch_is_woken_by_any_of_its_partitions() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 50)]);
    let all: Vec<_> = (0..50).map(|partition| ("t", partition, 0)).collect();
    let first = world.fetch(&all, Duration::ZERO, INITIAL_EPOCH).run().await;
    world
        .fetch_in(first.session_id, 1, &[], Duration::ZERO)
        .await
        .unwrap();

    let fetch = world.begin_in(first.session_id, 2, &[], LONG).unwrap();
    let waiting = tokio::spawn(fetch.run());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished());
    world.append("t", 33, 1).unwrap();

    let answer = waiting.await.unwrap();
    assert_eq!(answer.partitions.len(), 1);
    assert_eq!(answer.partitions[0].partition, 33);
}

#[tokio::test]
async fn a_fetch_that_is_dropped_leaves_its_news_to_the_next() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 2)]);
    let all = [("t", 0, 0), ("t", 1, 0)];
    let first = world.fetch(&all, Duration::ZERO, INITIAL_EPOCH).run().await;
    world
        .fetch_in(first.session_id, 1, &[], Duration::ZERO)
        .await
        .unwrap();
    world.append("t", 1, 1).unwrap();
    let params = FetchParams {
        min_bytes: 1_000_000,
        ..support::params(LONG)
    };
    let dropped = world
        .begin_with(params, (first.session_id, 2), &[])
        .unwrap();
    let cut = tokio::time::timeout(Duration::from_millis(20), dropped.run()).await;
    assert!(cut.is_err());

    let next = world
        .fetch_in(first.session_id, 3, &[], Duration::ZERO)
        .await
        .unwrap();

    assert_eq!(next.partitions.len(), 1);
}

#[tokio::test]
async fn a_fetch_that_is_dropped_while_it_waits_leaves_nothing_behind() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    let partition = world.partition("t", 0);
    let fetch = world.fetch(&[("t", 0, 0)], LONG, FINAL_EPOCH);
    let mut waiting = Box::pin(fetch.run());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    assert_eq!(partition.watchers().len(), 1);

    drop(waiting);

    assert!(partition.watchers().is_empty());
}

#[tokio::test]
async fn a_produce_that_is_dropped_while_it_waits_is_not_waited_for() {
    let world = World::new(&["/a"]);
    world.apply(&[broker(2, false), Change::topic_on("t", &[1, 2])]);
    let wait = AckWait::new(1);
    assert_eq!(world.append_waiting("t", 0, &wait), Ok(Offset(0)));
    let mut waiting = Box::pin(world.manager.wait_for_acks(wait, LONG));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());

    drop(waiting);

    world.apply(&[broker(2, true), Change::isr("t", &[1])]);
    assert_eq!(world.partition("t", 0).high_watermark(), Offset(1));
}

#[tokio::test]
async fn a_session_follows_a_topic_that_is_deleted_and_made_again() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    world.append("t", 0, 1).unwrap();
    let first = world
        .fetch(&[("t", 0, 1)], Duration::ZERO, INITIAL_EPOCH)
        .run()
        .await;
    world
        .fetch_in(first.session_id, 1, &[], Duration::ZERO)
        .await
        .unwrap();

    world.apply(&[Change::delete("t")]);
    let gone = world
        .fetch_in(first.session_id, 2, &[], LONG)
        .await
        .unwrap();
    assert_eq!(
        gone.partitions[0].error,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );

    world.apply(&[Change::topic("t", 1)]);
    let again = world
        .fetch_in(first.session_id, 3, &[("t", 0, 0)], Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(again.partitions[0].error, ErrorCode::NONE);
    assert_eq!(again.partitions[0].high_watermark, Offset(0));
    world.append("t", 0, 1).unwrap();
    let woken = world
        .fetch_in(first.session_id, 4, &[], LONG)
        .await
        .unwrap();
    assert_eq!(woken.partitions[0].high_watermark, Offset(1));
}
