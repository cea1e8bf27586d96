//! Bytes that no client sends: the connection ends, the broker goes on.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use broker::network::{Client, ClientOptions};
use broker::protocol::messages::metadata::MetadataRequest;

use crate::support::Broker;
use crate::support::process::memory;

/// Sends `bytes`, and returns all that comes until the broker closes, or an answer is there.
pub fn exchange(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).expect("the broker listens");
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("not zero");
    // The broker may close before all is written.
    let _ = socket.write_all(bytes);
    let _ = socket.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = socket.read_to_end(&mut answer);
    answer
}

async fn still_serves(broker: &Broker) {
    let mut client = Client::connect(broker.bootstrap(), ClientOptions::default())
        .await
        .expect("it listens");
    client
        .call(&MetadataRequest::default(), 9)
        .await
        .expect("it answers");
}

#[tokio::test]
async fn http_and_tls_on_the_port_are_told_by_name_and_closed() {
    let http: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let tls = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 0, 0, 0];
    for (name, bytes) in [("HTTP", http), ("TLS", tls)] {
        // One each: such lines are rate-limited.
        let mut broker = Broker::start();

        let answer = exchange(broker.bootstrap(), bytes);
        let line = broker.wait_for_log(name);

        assert!(answer.is_empty() && line.contains("127.0.0.1"), "{line}");
        still_serves(&broker).await;
    }
}

#[tokio::test]
async fn impossible_sizes_and_garbage_end_the_connection_only() {
    let broker = Broker::start();
    let size = |size: i32| size.to_be_bytes().to_vec();
    let garbage: Vec<u8> = (0..4096_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    // A Metadata request of version 9 whose array claims 2^32 - 2 elements.
    let array_bomb = [
        &[0, 0, 0, 17, 0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0][..],
        &[0xff, 0xff, 0xff, 0xff, 0x0f, 0],
    ]
    .concat();

    for bytes in [
        size(-1),
        size(0),
        size(3),
        size(i32::MAX),
        garbage,
        array_bomb,
    ] {
        assert!(exchange(broker.bootstrap(), &bytes).is_empty());
    }

    still_serves(&broker).await;
}

#[tokio::test]
async fn a_thousand_claims_of_the_largest_request_cost_no_memory() {
    let broker = Broker::start();
    still_serves(&broker).await;
    let before = resident_mib(broker.pid());

    let claims: Vec<TcpStream> = (0..1000)
        .map(|_| {
            let mut socket = TcpStream::connect(broker.bootstrap()).expect("the broker listens");
            socket
                .write_all(&(100_i32 << 20).to_be_bytes())
                .expect("it is read");
            socket.write_all(&[0, 0, 0, 9]).expect("it is read");
            socket
        })
        .collect();
    still_serves(&broker).await;
    let after = resident_mib(broker.pid());

    assert_eq!(claims.len(), 1000);
    assert!(after - before < 40.0, "{before} MiB became {after} MiB");
}

fn resident_mib(pid: u32) -> f64 {
    memory(pid, "VmRSS") as f64 / f64::from(1 << 20)
}
