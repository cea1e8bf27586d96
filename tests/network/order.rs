//! Requests overlap only where they may, and answers keep the order of requests.

use crate::peer::{Peer, commit, produce, request};
use crate::toy::{Event, Mode, Setup, within};

#[tokio::test]
async fn every_request_is_answered_with_its_own_answer_in_order() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    let bodies: Vec<Vec<u8>> = (0..200).map(|id| vec![id as u8; id * 37]).collect();
    let sent: Vec<u8> = (0..)
        .zip(&bodies)
        .flat_map(|(id, b)| request(Mode::Echo, id, b))
        .collect();

    peer.send(&sent).await;

    for (id, body) in (0..).zip(bodies) {
        assert_eq!(peer.receive().await, Some((id, body)));
    }
}

#[tokio::test]
async fn frames_of_all_sizes_arrive_whole_however_they_are_cut() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    for (id, size) in (0..).zip([
        0,
        1,
        16_371,
        16_384,
        32_757,
        32_760,
        32_761,
        65_536,
        3 << 20,
        4_456_440,
        4_456_441,
        20 << 20,
    ]) {
        let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let two = [
            request(Mode::Echo, id, &body),
            request(Mode::Echo, id + 100, &body),
        ]
        .concat();
        let (reader, mut writer) = peer.stream.split();

        let send = async {
            for piece in two.chunks(size / 3 + 7) {
                tokio::io::AsyncWriteExt::write_all(&mut writer, piece)
                    .await
                    .unwrap();
                tokio::task::yield_now().await;
            }
        };
        let receive = async {
            let mut reader = reader;
            let mut answers = vec![0; 2 * (8 + size)];
            tokio::io::AsyncReadExt::read_exact(&mut reader, &mut answers)
                .await
                .unwrap();
            answers
        };
        let ((), answers) = within(async { tokio::join!(send, receive) }).await;

        assert!(answers[8..8 + size] == body, "{size} bytes");
        assert!(answers[16 + size..] == body, "{size} bytes again");
    }
}

#[tokio::test]
async fn produce_requests_overlap_and_their_answers_keep_the_order() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    let sent: Vec<u8> = (0..5)
        .flat_map(|id| produce(Mode::Pipelined, id, b""))
        .collect();

    peer.send(&sent).await;
    world.toy.until(Event::Started(4)).await;
    world.toy.release([4, 3, 2, 1]);
    world.toy.until(Event::Finished(1)).await;
    world.toy.release([0]);

    assert_eq!(peer.receive_ids(5).await, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn no_more_than_the_fixed_depth_overlaps() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    let sent: Vec<u8> = (0..100)
        .flat_map(|id| produce(Mode::Pipelined, id, b""))
        .collect();

    peer.send(&sent).await;
    world.toy.until(Event::Started(63)).await;
    world.toy.release(0..100);

    assert_eq!(peer.receive_ids(100).await, (0..100).collect::<Vec<_>>());
    let events = world.toy.events.borrow().clone();
    let place = |event| events.iter().position(|other| *other == event).unwrap();
    assert!(place(Event::Started(64)) > place(Event::Finished(0)));
}

#[tokio::test]
async fn any_other_request_waits_for_earlier_answers_and_is_answered_before_the_next_starts() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    let sent = [
        produce(Mode::Pipelined, 0, b""),
        produce(Mode::Pipelined, 1, b""),
        request(Mode::Later, 2, b""),
        produce(Mode::Pipelined, 3, b""),
        request(Mode::Echo, 4, b""),
    ];

    peer.send(&sent.concat()).await;
    world.toy.until(Event::Started(1)).await;
    world.toy.release([0, 1]);
    world.toy.until(Event::Started(2)).await;
    world.toy.release([2, 3]);

    assert_eq!(peer.receive_ids(5).await, [0, 1, 2, 3, 4]);
    let expected = [
        Event::Started(0),
        Event::Started(1),
        Event::Finished(0),
        Event::Finished(1),
        Event::Started(2),
        Event::Finished(2),
        Event::Started(3),
        Event::Finished(3),
        Event::Started(4),
    ];
    assert_eq!(*world.toy.events.borrow(), expected);
}

#[tokio::test]
async fn commits_overlap_with_each_other_and_with_nothing_else() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    let sent = [
        produce(Mode::Pipelined, 0, b""),
        commit(Mode::Pipelined, 1, b""),
        commit(Mode::Pipelined, 2, b""),
        produce(Mode::Pipelined, 3, b""),
    ];

    peer.send(&sent.concat()).await;
    world.toy.until(Event::Started(0)).await;
    world.toy.release([0]);
    world.toy.until(Event::Started(2)).await;
    world.toy.release([2, 1, 3]);

    assert_eq!(peer.receive_ids(4).await, [0, 1, 2, 3]);
    let events = world.toy.events.borrow().clone();
    let place = |event| events.iter().position(|other| *other == event).unwrap();
    assert!(place(Event::Finished(0)) < place(Event::Started(1)));
    assert!(place(Event::Started(2)) < place(Event::Finished(1)));
    assert!(place(Event::Finished(2)) < place(Event::Started(3)));
}

#[tokio::test]
async fn a_request_without_answer_leaves_no_gap() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    let sent = [
        produce(Mode::Pipelined, 0, b""),
        produce(Mode::NoAnswer, 1, b""),
        produce(Mode::Pipelined, 2, b""),
    ];

    peer.send(&sent.concat()).await;
    world.toy.until(Event::Started(2)).await;
    world.toy.release([0, 2]);

    assert_eq!(peer.receive_ids(2).await, [0, 2]);
}

#[tokio::test]
async fn a_refused_request_closes_the_connection_after_earlier_answers() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    let sent = [
        produce(Mode::Pipelined, 0, b"first"),
        produce(Mode::Close, 1, b""),
        produce(Mode::Pipelined, 2, b""),
    ];

    peer.send(&sent.concat()).await;
    world.toy.until(Event::Started(1)).await;
    world.toy.release([0]);

    assert_eq!(peer.receive().await, Some((0, b"first".to_vec())));
    assert!(peer.is_closed().await);
    assert_eq!(world.toy.started(), [0, 1]);
}

#[tokio::test]
async fn a_panic_closes_its_connection_and_no_other() {
    let world = Setup::default().start().await;
    let mut victim = Peer::connect(&world).await;
    let mut bystander = Peer::connect(&world).await;
    bystander.send(&request(Mode::Later, 1, b"")).await;
    world.toy.until(Event::Started(1)).await;

    victim.send(&request(Mode::Panic, 2, b"")).await;
    assert!(victim.is_closed().await);
    world.toy.release([1]);

    assert_eq!(bystander.receive_ids(1).await, [1]);
    assert_eq!(world.metrics.connection_panics.get(), 1);
}

#[tokio::test]
async fn a_muted_connection_is_answered_at_once_and_its_next_request_waits() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    let mute = 1000_u32;
    let sent = [
        request(Mode::Mute, 0, &mute.to_be_bytes()),
        request(Mode::Echo, 1, b""),
    ];
    let begin = std::time::Instant::now();

    peer.send(&sent.concat()).await;

    assert_eq!(peer.receive_ids(1).await, [0]);
    assert!(
        begin.elapsed().as_millis() < 1000,
        "the answer does not wait"
    );
    assert_eq!(peer.receive_ids(1).await, [1]);
    assert!(begin.elapsed().as_millis() >= 1000, "the next request does");
}

#[tokio::test]
async fn a_peer_that_ends_its_sending_still_gets_its_answers() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;

    peer.send(&request(Mode::Later, 0, b"")).await;
    tokio::io::AsyncWriteExt::shutdown(&mut peer.stream)
        .await
        .unwrap();
    world.toy.until(Event::Started(0)).await;
    world.toy.release([0]);

    assert_eq!(peer.receive_ids(1).await, [0]);
    assert!(peer.is_closed().await);
}
