//! A stop loses no answer of a request that was started, and ends in time.

use std::time::{Duration, Instant};

use crate::peer::{Peer, produce, request};
use crate::toy::{Event, Mode, Setup, World};

#[tokio::test]
async fn started_requests_are_finished_and_answered() {
    let World {
        toy,
        network,
        listener,
        ..
    } = Setup::default().start().await;
    let address = listener.address();
    let mut peers = Vec::new();
    for id in 0..10 {
        let mut peer = Peer::connect_to(address).await;
        // The second one is read, perhaps, but not started.
        let two = [
            request(Mode::Later, id, &[1; 100_000]),
            request(Mode::Echo, 100 + id, b""),
        ];
        peer.send(&two.concat()).await;
        peers.push(peer);
    }
    for id in 0..10 {
        toy.until(Event::Started(id)).await;
    }

    let stop = tokio::spawn(listener.stop(Duration::from_secs(10)));
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    toy.release(0..10);

    for (id, mut peer) in (0..).zip(peers) {
        assert_eq!(peer.receive().await, Some((id, vec![1; 100_000])));
        assert!(peer.is_closed().await);
    }
    stop.await.unwrap();
    assert_eq!(network.connections().count(), 0);
    assert!(toy.started().iter().all(|id| *id < 100));
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut() {
    let World {
        toy,
        network,
        listener,
        ..
    } = Setup::default().start().await;
    let mut peer = Peer::connect_to(listener.address()).await;
    peer.send(&produce(Mode::Pipelined, 1, b"")).await;
    toy.until(Event::Started(1)).await;
    let begin = Instant::now();

    listener.stop(Duration::from_millis(200)).await;

    assert!(begin.elapsed() < Duration::from_secs(5));
    assert!(peer.is_closed().await);
    assert_eq!(network.connections().count(), 0);
    toy.until(Event::Dropped(1)).await;
}

#[tokio::test]
async fn idle_connections_are_closed_at_once_by_a_stop() {
    let World {
        network, listener, ..
    } = Setup::default().start().await;
    let mut peer = Peer::connect_to(listener.address()).await;
    peer.send(&request(Mode::Echo, 1, b"")).await;
    assert_eq!(peer.receive_ids(1).await, [1]);

    let stop = tokio::spawn(listener.stop(Duration::from_secs(20)));

    assert!(peer.is_closed().await);
    drop(peer);
    stop.await.unwrap();
    assert_eq!(network.connections().count(), 0);
}

#[tokio::test]
async fn a_connection_closes_when_asked() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    peer.send(&request(Mode::Later, 1, b"")).await;
    world.toy.until(Event::Started(1)).await;

    world.network.connections().list()[0].close();
    world.toy.release([1]);

    assert_eq!(peer.receive_ids(1).await, [1]);
    assert!(peer.is_closed().await);
}
