//! The memory of requests is bounded, and waiting for it ends.

use std::time::Duration;

use broker::network::ConnectionOptions;

use crate::peer::{Peer, produce, request};
use crate::toy::{Event, Mode, Setup, within};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_claimed_length_costs_nothing_until_it_arrives() {
    let world = Setup {
        memory: Some(10 * MIB as u64),
        ..Setup::default()
    }
    .start()
    .await;
    let mut claim = produce(Mode::Echo, 0, &[0; 1000]);
    claim[..4].copy_from_slice(&(100_i32 << 20).to_be_bytes());
    let mut claims = Vec::new();
    for _ in 0..200 {
        let mut peer = Peer::connect(&world).await;
        peer.send(&claim).await;
        claims.push(peer);
    }
    let mut honest = Peer::connect(&world).await;

    let body = vec![5; 5 * MIB];
    honest.send(&produce(Mode::Echo, 1, &body)).await;

    assert_eq!(honest.receive().await, Some((1, body)));
    assert!(world.network.memory().used() <= 6 * MIB as u64);
}

#[tokio::test]
async fn many_large_requests_at_once_share_the_budget_and_all_are_served() {
    let limit = 8 * MIB as u64;
    let world = Setup {
        memory: Some(limit),
        ..Setup::default()
    }
    .start()
    .await;
    let body = vec![3; 3 * MIB];
    let mut peers = tokio::task::JoinSet::new();
    for id in 0..20 {
        let mut peer = Peer::connect(&world).await;
        let body = body.clone();
        peers.spawn(async move {
            peer.send(&produce(Mode::Echo, id, &body)).await;
            assert_eq!(peer.receive().await, Some((id, body)));
        });
    }

    let mut most = 0;
    while !peers.is_empty() {
        most = most.max(world.network.memory().used());
        tokio::select! {
            Some(served) = peers.join_next() => served.unwrap(),
            () = tokio::task::yield_now() => {}
        }
    }

    assert!(
        most <= limit + 3 * MIB as u64 + 1000,
        "{most} bytes were charged"
    );
}

#[tokio::test]
async fn half_sent_requests_hold_at_most_the_budget_and_give_way_at_their_deadline() {
    let limit = 8 * MIB as u64;
    let options = ConnectionOptions {
        request_stall: Duration::from_millis(300),
        ..ConnectionOptions::default()
    };
    let world = Setup {
        memory: Some(limit),
        options,
        ..Setup::default()
    }
    .start()
    .await;
    let half = produce(Mode::Echo, 0, &vec![0; 2 * MIB]);
    let mut stalled = Vec::new();
    for _ in 0..40 {
        let peer = Peer::connect(&world).await;
        // What does not fit the system's buffers is not read by the broker.
        let _ = peer.stream.try_write(&half[..MIB]);
        stalled.push(peer);
    }
    let mut honest = Peer::connect(&world).await;

    let body = vec![5; 3 * MIB];
    honest.send(&produce(Mode::Echo, 1, &body)).await;

    assert_eq!(honest.receive().await, Some((1, body)));
    assert!(world.network.memory().used() <= limit + 2 * MIB as u64);
}

#[tokio::test]
async fn who_stops_sending_gives_way_sooner_when_others_wait_for_memory() {
    let options = ConnectionOptions {
        request_stall: Duration::from_secs(5),
        ..ConnectionOptions::default()
    };
    let world = Setup {
        memory: Some(8 * MIB as u64),
        options,
        ..Setup::default()
    }
    .start()
    .await;
    let half = produce(Mode::Echo, 0, &vec![0; 2 * MIB]);
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut peer = Peer::connect(&world).await;
        peer.send(&half[..100_000]).await;
        stalled.push(peer);
    }
    let mut honest = Peer::connect(&world).await;
    let begin = std::time::Instant::now();

    honest
        .send(&produce(Mode::Echo, 1, &vec![5; 2 * MIB]))
        .await;

    assert_eq!(honest.receive_ids(1).await, [1]);
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn small_and_other_requests_are_served_while_producers_wait_for_memory() {
    let world = Setup {
        memory: Some(4 * MIB as u64),
        ..Setup::default()
    }
    .start()
    .await;
    let mut holders = Vec::new();
    for id in 0..2 {
        let mut peer = Peer::connect(&world).await;
        peer.send(&produce(Mode::Hold, id, &vec![0; 3 * MIB])).await;
        world.toy.until(Event::Started(id)).await;
        holders.push(peer);
    }
    let mut waiting = Peer::connect(&world).await;
    let _ = waiting
        .stream
        .try_write(&produce(Mode::Echo, 2, &vec![0; MIB])[..MIB / 8]);
    while world.network.memory().waiting() == 0 {
        tokio::task::yield_now().await;
    }

    let mut small = Peer::connect(&world).await;
    small.send(&produce(Mode::Echo, 3, b"small")).await;
    assert_eq!(small.receive().await, Some((3, b"small".to_vec())));
    let mut fetch = Peer::connect(&world).await;
    let body = vec![1; 300 << 10];
    fetch.send(&request(Mode::Echo, 4, &body)).await;
    assert_eq!(fetch.receive().await, Some((4, body)));

    world.toy.release([0]);
    let rest = &produce(Mode::Echo, 2, &vec![0; MIB])[MIB / 8..];
    within(tokio::io::AsyncWriteExt::write_all(
        &mut waiting.stream,
        rest,
    ))
    .await
    .unwrap();
    assert_eq!(waiting.receive_ids(1).await, [2]);
}

#[tokio::test]
async fn memory_given_back_early_is_free_before_the_answer() {
    let world = Setup {
        memory: Some(4 * MIB as u64),
        ..Setup::default()
    }
    .start()
    .await;
    let mut peer = Peer::connect(&world).await;

    peer.send(&request(Mode::Later, 0, &vec![0; MIB])).await;
    world.toy.until(Event::Started(0)).await;

    while world.network.memory().used() > 0 {
        tokio::task::yield_now().await;
    }
    world.toy.release([0]);
    assert_eq!(peer.receive_ids(1).await, [0]);
}

#[tokio::test]
async fn answers_that_are_not_read_are_charged_and_hold_back_who_reads_none_and_nobody_else() {
    let limit = 2 * MIB as u64;
    let options = ConnectionOptions {
        request_stall: Duration::from_secs(2),
        send_buffer_bytes: Some(16 << 10),
        ..ConnectionOptions::default()
    };
    let world = Setup {
        memory: Some(limit),
        options,
        ..Setup::default()
    }
    .start()
    .await;
    // Smaller than what any one of them might hold unread.
    let answer = 50_u32 << 10;
    let requests: Vec<u8> = (0..100)
        .flat_map(|id| request(Mode::Big, id, &answer.to_be_bytes()))
        .collect();
    let mut deaf = Vec::new();
    for _ in 0..40 {
        let mut peer = Peer::connect(&world).await;
        peer.send(&requests).await;
        deaf.push(peer);
    }
    let used_up = async {
        while world.network.memory().used() <= limit / 2 {
            tokio::task::yield_now().await;
        }
    };
    within(used_up).await;

    let mut honest = Peer::connect(&world).await;
    honest.send(&request(Mode::Echo, 1, b"small")).await;
    assert_eq!(honest.receive().await, Some((1, b"small".to_vec())));
    // What one may hold unread is noticed when it has that.
    let most = limit / 2 + u64::from(answer) * deaf.len() as u64 + (512 << 10);
    assert!(world.network.memory().used() <= most);

    let closed = async {
        while world.network.connections().count() > 1 {
            tokio::task::yield_now().await;
        }
    };
    within(closed).await;
    assert_eq!(world.network.memory().used(), 0);
}

#[tokio::test]
async fn heavy_answers_that_are_not_read_hold_half_of_the_budget_and_those_who_read_have_theirs() {
    let limit = 4 * MIB as u64;
    let options = ConnectionOptions {
        send_buffer_bytes: Some(16 << 10),
        ..ConnectionOptions::default()
    };
    let world = Setup {
        memory: Some(limit),
        options,
        ..Setup::default()
    }
    .start()
    .await;
    let answer = 300_u32 << 10;
    let heavy = request(Mode::Heavy, 1, &answer.to_be_bytes());
    let mut deaf = Vec::new();
    for _ in 0..20 {
        let mut peer = Peer::connect(&world).await;
        peer.send(&heavy).await;
        deaf.push(peer);
    }
    let mut honest = Peer::connect(&world).await;
    honest.send(&heavy).await;
    let mut most = 0;
    let mut receives = Box::pin(honest.receive());
    let received = loop {
        tokio::select! {
            biased;
            received = &mut receives => break received,
            () = tokio::task::yield_now() => {}
        }
        most = most.max(world.network.memory().used());
    };

    // Behind all others, most of which are closed for it.
    let (id, body) = received.unwrap();
    assert_eq!((id, body.len()), (1, answer as usize));
    let bound = limit / 2 + 2 * u64::from(answer);
    assert!(
        most <= bound,
        "{most} bytes were charged, more than {bound}"
    );
    assert!(world.network.connections().count() < 14);
}

#[tokio::test]
async fn an_answer_is_charged_until_all_of_it_is_taken() {
    let options = ConnectionOptions {
        send_buffer_bytes: Some(16 << 10),
        ..ConnectionOptions::default()
    };
    let world = Setup {
        memory: Some(64 * MIB as u64),
        options,
        ..Setup::default()
    }
    .start()
    .await;
    let answer = 8 * MIB as u32;
    let mut peer = Peer::connect(&world).await;
    // The system's buffer, which grows while a peer reads, could take all that is left.
    let socket = socket2::SockRef::from(&peer.stream);
    socket.set_recv_buffer_size(64 << 10).unwrap();
    peer.send(&request(Mode::Big, 1, &answer.to_be_bytes()))
        .await;

    let mut most = vec![0; 7 * MIB];
    within(tokio::io::AsyncReadExt::read_exact(
        &mut peer.stream,
        &mut most,
    ))
    .await
    .unwrap();
    assert!(world.network.memory().used() >= u64::from(answer));

    let mut rest = vec![0; MIB + 8];
    within(tokio::io::AsyncReadExt::read_exact(
        &mut peer.stream,
        &mut rest,
    ))
    .await
    .unwrap();
    while world.network.memory().used() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn requests_behind_one_that_waits_are_charged() {
    let world = Setup {
        memory: Some(8 * MIB as u64),
        ..Setup::default()
    }
    .start()
    .await;
    let echo = request(Mode::Echo, 1, b"");
    let mut peer = Peer::connect(&world).await;
    // From now on much is read at once of this peer.
    peer.send(&echo.repeat(4_000)).await;
    peer.receive_ids(4_000).await;

    let mut requests = request(Mode::Later, 2, b"");
    requests.extend(echo.repeat(2_000));
    peer.send(&requests).await;
    world.toy.until(Event::Started(2)).await;
    let behind = (echo.len() * 1_000) as u64;
    let charged = async {
        while world.network.memory().used() < behind {
            tokio::task::yield_now().await;
        }
    };
    within(charged).await;

    world.toy.release([2]);
    assert_eq!(peer.receive_ids(2_001).await.len(), 2_001);
    while world.network.memory().used() > 0 {
        tokio::task::yield_now().await;
    }
}
