//! Peers that send nonsense, too much, too slowly, or do not read.

use std::sync::atomic::Ordering;
use std::time::Duration;

use broker::network::ConnectionOptions;

use crate::peer::{Peer, request};
use crate::toy::{Event, Mode, Setup};

fn short_deadlines() -> Setup {
    let options = ConnectionOptions {
        request_stall: Duration::from_millis(200),
        max_idle: Duration::from_millis(400),
        ..ConnectionOptions::default()
    };
    Setup {
        options,
        ..Setup::default()
    }
}

#[tokio::test]
async fn lengths_that_are_no_lengths_of_requests_close_the_connection() {
    let world = Setup::default().start().await;
    let limit = 100 << 20;
    for length in [-1, i32::MIN, 0, 3, 7, limit + 1, i32::MAX] {
        let mut peer = Peer::connect(&world).await;

        peer.send(&length.to_be_bytes()).await;

        assert!(peer.is_closed().await, "{length}");
    }
    while world.metrics.connections_malformed.get() < 7 {
        tokio::task::yield_now().await;
    }
    assert!(world.toy.started().is_empty());
}

#[tokio::test]
async fn requests_before_a_malformed_one_are_answered() {
    let world = Setup::default().start().await;
    let mut peer = Peer::connect(&world).await;
    let sent = [
        request(Mode::Echo, 1, b""),
        request(Mode::Later, 2, b""),
        vec![0xff; 100],
    ];

    peer.send(&sent.concat()).await;
    world.toy.until(Event::Started(2)).await;
    world.toy.release([2]);

    assert_eq!(peer.receive_ids(2).await, [1, 2]);
    assert!(peer.is_closed().await);
}

#[tokio::test]
async fn http_and_tls_peers_are_closed_at_once() {
    let options = ConnectionOptions {
        request_max_bytes: i32::MAX as u32,
        ..ConnectionOptions::default()
    };
    let world = Setup {
        options,
        ..Setup::default()
    }
    .start()
    .await;
    let client_hello = [
        0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03,
    ];
    for first in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &client_hello] {
        let mut peer = Peer::connect(&world).await;

        peer.send(first).await;

        assert!(peer.is_closed().await);
    }
    assert_eq!(world.metrics.connections_malformed.get(), 2);
}

#[tokio::test]
async fn a_request_that_stops_arriving_meets_its_deadline_and_frees_its_memory() {
    let world = short_deadlines().start().await;
    let whole = request(Mode::Echo, 0, &vec![0; 1 << 20]);
    for begun in [2, 6, 5_000, 500_000] {
        let mut peer = Peer::connect(&world).await;

        peer.send(&whole[..begun]).await;

        assert!(peer.is_closed().await, "{begun} bytes");
    }
    assert_eq!(world.metrics.connections_stalled.get(), 4);
    assert_eq!(world.network.memory().used(), 0);
}

#[tokio::test]
async fn a_trickle_of_bytes_does_not_renew_the_deadline() {
    let world = short_deadlines().start().await;
    let mut peer = Peer::connect(&world).await;
    let whole = request(Mode::Echo, 0, &[0; 5_000]);
    let mut tick = tokio::time::interval(Duration::from_millis(20));

    let mut sent = 0;
    let closed = loop {
        tick.tick().await;
        if tokio::io::AsyncWriteExt::write_all(&mut peer.stream, &whole[sent..=sent])
            .await
            .is_err()
        {
            break true;
        }
        sent += 1;
        if sent == 100 {
            break false;
        }
    };

    assert!(closed, "after 2 seconds of one byte each 20 ms");
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let world = short_deadlines().start().await;
    let mut idle = Peer::connect(&world).await;
    let mut busy = Peer::connect(&world).await;
    busy.send(&request(Mode::Later, 1, b"")).await;

    assert!(idle.is_closed().await);
    assert_eq!(world.metrics.connections_idle.get(), 1);
    world.toy.release([1]);

    assert_eq!(busy.receive_ids(1).await, [1]);
}

#[tokio::test]
async fn requests_of_a_peer_that_does_not_read_are_not_started() {
    let options = ConnectionOptions {
        send_buffer_bytes: Some(64 << 10),
        max_idle: Duration::from_millis(500),
        ..ConnectionOptions::default()
    };
    let world = Setup {
        options,
        ..Setup::default()
    }
    .start()
    .await;
    let mut peer = Peer::connect(&world).await;
    let answer_size = 64_u32 << 10;
    let one = request(Mode::Big, 0, &answer_size.to_be_bytes());
    let flood: Vec<u8> = one.repeat(10_000);

    peer.send(&flood).await;
    // The peer reads nothing until the broker has given up on it.
    while world.metrics.connections_stalled.get() == 0 {
        tokio::task::yield_now().await;
    }

    let made = world.toy.made.load(Ordering::SeqCst);
    assert!(
        made < 16 << 20,
        "{made} bytes of answers, of 640 MiB asked for"
    );
}

#[tokio::test]
async fn a_peer_that_reads_slowly_gets_every_answer() {
    let options = ConnectionOptions {
        send_buffer_bytes: Some(16 << 10),
        ..ConnectionOptions::default()
    };
    let world = Setup {
        options,
        ..Setup::default()
    }
    .start()
    .await;
    let mut peer = Peer::connect(&world).await;
    let size = 100_000_u32;
    let sent: Vec<u8> = (0..20)
        .flat_map(|id| request(Mode::Big, id, &size.to_be_bytes()))
        .collect();

    peer.send(&sent).await;

    for id in 0..20 {
        assert_eq!(peer.receive().await, Some((id, vec![7; size as usize])));
    }
}
