//! Peers that are gone while their requests wait: nothing is kept for them.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use broker::network::{ConnectionLimits, ConnectionOptions};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;

use crate::peer::{Peer, produce, request};
use crate::toy::{Event, Mode, Setup, World, within};

/// Waits until nobody is connected; the answers that the test holds back are never released.
async fn emptied(world: &World) {
    let empty = async {
        while world.network.connections().count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    within(empty).await;
}

#[tokio::test]
async fn a_request_that_waits_is_dropped_when_its_peer_closes() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    peer.send(&request(Mode::Later, 1, b"")).await;
    world.toy.until(Event::Started(1)).await;

    drop(peer);

    world.toy.until(Event::Dropped(1)).await;
    emptied(&world).await;
}

#[tokio::test]
async fn requests_behind_the_one_that_waits_do_not_hide_that_the_peer_is_gone() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    let behind = request(Mode::Later, 2, &[0; 40_000]);
    let sent = [request(Mode::Later, 1, b""), behind].concat();
    peer.send(&sent).await;
    world.toy.until(Event::Started(1)).await;

    drop(peer);

    world.toy.until(Event::Dropped(1)).await;
    emptied(&world).await;
    assert_eq!(world.toy.started(), [1]);
}

#[tokio::test]
async fn a_reset_drops_all_that_waits() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    let many: Vec<u8> = (0..100)
        .flat_map(|id| produce(Mode::Pipelined, id, b""))
        .collect();
    peer.send(&many).await;
    world.toy.until(Event::Started(63)).await;

    socket2::SockRef::from(&peer.stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(peer);

    world.toy.until(Event::Dropped(63)).await;
    emptied(&world).await;
}

#[tokio::test]
async fn a_peer_that_only_stops_sending_gets_the_answers_that_come_soon() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    let sent = [
        request(Mode::Echo, 1, b""),
        request(Mode::Later, 2, b""),
        request(Mode::Echo, 3, b""),
    ];
    peer.send(&sent.concat()).await;
    peer.stream.shutdown().await.unwrap();
    world.toy.until(Event::Started(2)).await;

    world.toy.release([2]);

    assert_eq!(peer.receive_ids(3).await, [1, 2, 3]);
    assert!(peer.is_closed().await);
}

#[tokio::test]
async fn an_answer_that_never_comes_is_given_up_after_the_idle_limit() {
    let options = ConnectionOptions {
        max_idle: Duration::from_millis(100),
        ..ConnectionOptions::default()
    };
    let world = Setup {
        options,
        ..Setup::default()
    }
    .start()
    .await;
    let mut peer = Peer::connect(&world).await;
    let begin = Instant::now();

    peer.send(&request(Mode::Later, 1, b"")).await;

    assert!(peer.is_closed().await);
    world.toy.until(Event::Dropped(1)).await;
    assert!(
        begin.elapsed() >= Duration::from_secs(5),
        "the answer may be a little late"
    );
}

async fn connect_from(ip: [u8; 4], to: SocketAddr) -> Peer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((IpAddr::from(ip), 0).into()).unwrap();
    let stream = within(socket.connect(to)).await.unwrap();
    Peer { stream }
}

async fn answers(peer: &mut Peer) -> bool {
    let _ = peer.stream.try_write(&request(Mode::Echo, 9, b""));
    peer.receive().await == Some((9, Vec::new()))
}

#[tokio::test]
async fn the_last_tenth_of_all_connections_is_for_addresses_that_hold_few() {
    let limits = ConnectionLimits {
        total: 20,
        per_ip: 20,
        ..ConnectionLimits::default()
    };
    let world = Setup {
        limits,
        ..Setup::default()
    }
    .start()
    .await;
    let address = world.listener.address();
    let mut greedy = Vec::new();
    for _ in 0..18 {
        let mut peer = connect_from([127, 0, 0, 1], address).await;
        assert!(answers(&mut peer).await);
        greedy.push(peer);
    }

    let mut one_more = connect_from([127, 0, 0, 1], address).await;
    let mut other = connect_from([127, 0, 0, 2], address).await;

    assert!(one_more.is_closed().await);
    assert!(answers(&mut other).await);
}
