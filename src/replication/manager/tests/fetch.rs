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

/// The partitions of an answer that have records.
fn with_records(answer: &FetchAnswer) -> Vec<i32> {
    let partitions = answer.partitions.iter();
    let with_records = partitions.filter(|it| !it.records.is_empty());
    with_records.map(|it| it.partition).collect()
}

/// A topic of so many partitions with a record each, and what asks for all of them.
fn world_of_records(count: i32) -> (World, Vec<(&'static str, i32, i64)>) {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", count)]);
    for partition in 0..count {
        world.append("t", partition, 1).unwrap();
    }
    (world, (0..count).map(|it| ("t", it, 0)).collect())
}

#[tokio::test]
async fn an_answer_has_records_of_a_bounded_number_of_partitions_and_waits_for_no_more() {
    let (world, all) = world_of_records(300);
    let params = FetchParams {
        min_bytes: 1 << 20,
        ..support::params(LONG)
    };

    let fetch = world.begin_with(params, (NO_SESSION, FINAL_EPOCH), &all);
    let answer = fetch.unwrap().run().await;

    assert_eq!(answer.partitions.len(), 300);
    assert!(
        answer
            .partitions
            .iter()
            .all(|it| it.error == ErrorCode::NONE)
    );
    assert_eq!(with_records(&answer), (0..256).collect::<Vec<_>>());
}

#[tokio::test]
async fn partitions_that_an_answer_leaves_out_come_first_in_the_next_of_the_session() {
    let (world, all) = world_of_records(300);
    let first = world.fetch(&all, Duration::ZERO, INITIAL_EPOCH).run().await;
    assert_eq!(with_records(&first), (0..256).collect::<Vec<_>>());

    let read: Vec<_> = (0..256).map(|it| ("t", it, 1)).collect();
    let second = world.fetch_in(first.session_id, 1, &read, LONG).await;
    assert_eq!(
        with_records(&second.unwrap()),
        (256..300).collect::<Vec<_>>()
    );

    // Without new offsets the client wants the same again, now behind what it had no records of.
    let unread: Vec<_> = (0..300).map(|it| ("t", it, 0)).collect();
    let third = world.fetch_in(first.session_id, 2, &unread, LONG).await;
    let third = with_records(&third.unwrap());
    let fourth = world.fetch_in(first.session_id, 3, &[], LONG).await;
    let fourth = with_records(&fourth.unwrap());
    assert_eq!((third.len(), fourth.len()), (256, 256));
    let left_out: Vec<i32> = (0..300).filter(|it| !third.contains(it)).collect();
    assert_eq!(fourth[..left_out.len()], left_out);
}

#[tokio::test]
async fn records_without_a_descriptor_are_waited_for_and_not_forgotten() {
    let (world, all) = world_of_records(2);
    let first = world.fetch(&all[..1], Duration::ZERO, INITIAL_EPOCH);
    let session = first.run().await.session_id;
    world.disk.lend(false);

    let none = world.fetch_in(session, 1, &[("t", 0, 0)], Duration::ZERO);
    assert_eq!(none.await.unwrap().partitions, []);
    let in_session = world.begin_in(session, 2, &[], LONG).unwrap();
    let alone = world.fetch(&all[1..], LONG, FINAL_EPOCH);
    let waiting = [tokio::spawn(in_session.run()), tokio::spawn(alone.run())];
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(waiting.iter().all(|it| !it.is_finished()));
    world.disk.lend(true);

    for (partition, waits) in (0..).zip(waiting) {
        assert_eq!(with_records(&waits.await.unwrap()), [partition]);
    }
}

#[tokio::test]
async fn a_fetch_that_finds_no_descriptor_ends_at_its_deadline() {
    let (world, all) = world_of_records(1);
    world.disk.lend(false);

    let answer = world.fetch(&all, Duration::from_millis(50), FINAL_EPOCH);
    let answer = answer.run().await;

    assert_eq!(answer.partitions[0].error, ErrorCode::NONE);
    assert_eq!(answer.partitions[0].high_watermark, Offset(1));
    assert!(answer.partitions[0].records.is_empty());
}
