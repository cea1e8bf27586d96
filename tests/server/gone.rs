//! Clients that ask to be waited for, for longer than a connection may say nothing.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use broker::protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use broker::protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use broker::protocol::{FramePiece, Request, frame};
use bytes::Bytes;
use socket2::{Domain, Socket, Type};

use crate::support::Broker;

fn connect_from(ip: [u8; 4], broker: &Broker) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let from = SocketAddr::from((IpAddr::from(ip), 0));
    socket.bind(&from.into()).expect("all of 127/8 is ours");
    let to: SocketAddr = broker.bootstrap().parse().expect("an address");
    socket.connect(&to.into()).expect("the broker listens");
    TcpStream::from(socket)
}

fn encoded<R: Request>(request: &R, version: i16) -> Vec<u8> {
    let frame = frame::request(1, None, request, version);
    let bytes = frame.pieces.iter().map(|piece| match piece {
        FramePiece::Bytes(bytes) => bytes.clone(),
        FramePiece::File(_) => unreachable!("it has no records"),
    });
    bytes.collect::<Vec<Bytes>>().concat()
}

fn create_quiet_topic(broker: &Broker) {
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some("quiet".into()),
            ..MetadataRequestTopic::default()
        }]),
        allow_auto_topic_creation: true,
        ..MetadataRequest::default()
    };
    let mut socket = connect_from([127, 0, 0, 9], broker);
    let sent = socket.write_all(&encoded(&request, 4));
    sent.expect("it is read");
    socket
        .read_exact(&mut [0; 8])
        .expect("it is there when it is told");
}

/// A fetch of an empty topic waits for as long as it asks to.
fn endless_fetch() -> Vec<u8> {
    let partition = FetchPartition {
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let request = FetchRequest {
        replica_id: -1,
        max_wait_ms: i32::MAX,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![FetchTopic {
            topic: "quiet".into(),
            partitions: vec![partition],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    encoded(&request, 6)
}

#[test]
fn a_fetch_waits_no_longer_than_a_connection_may_be_idle_and_is_answered() {
    let broker = Broker::start_with(&[("connections.max.idle.ms", "1000")]);
    create_quiet_topic(&broker);
    let mut socket = connect_from([127, 0, 0, 1], &broker);
    let begin = Instant::now();

    socket.write_all(&endless_fetch()).expect("it is read");
    let mut answer = [0; 8];
    socket.read_exact(&mut answer).expect("an answer");

    assert_eq!(answer[4..], 1_i32.to_be_bytes());
    assert!(begin.elapsed() >= Duration::from_secs(1));
}
