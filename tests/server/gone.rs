//! Clients that ask to be waited for, and are gone: their places are free soon, for everybody.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use broker::protocol::messages::api_versions::ApiVersionsRequest;
use broker::protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use broker::protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use broker::protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use broker::protocol::{FramePiece, Request, frame};
use bytes::Bytes;
use socket2::{Domain, Socket, Type};

use crate::support::Broker;

/// As many as the broker allows one address.
const OF_ONE_ADDRESS: usize = 300;
/// Places are free within half a second; the rest is for a machine that is busy.
const SOON: Duration = Duration::from_secs(4);

fn small_broker() -> Broker {
    let all = (2 * OF_ONE_ADDRESS).to_string();
    let of_one = OF_ONE_ADDRESS.to_string();
    Broker::start_with(&[
        ("max.connections", &all),
        ("max.connections.per.ip", &of_one),
        ("group.initial.rebalance.delay.ms", "3600000"),
    ])
}

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

/// The first member of a group waits for others.
fn endless_join() -> Vec<u8> {
    let request = JoinGroupRequest {
        group_id: "lonely".into(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: i32::MAX,
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Bytes::new(),
        }],
        ..JoinGroupRequest::default()
    };
    encoded(&request, 2)
}

/// Whether a client of this address gets an answer; a broker that has no place for it closes, or
/// leaves it waiting.
fn is_served(ip: [u8; 4], broker: &Broker) -> bool {
    let mut socket = connect_from(ip, broker);
    let limit = Duration::from_millis(500);
    socket.set_read_timeout(Some(limit)).expect("not zero");
    let sent = socket.write_all(&encoded(&ApiVersionsRequest::default(), 0));
    sent.is_ok() && socket.read_exact(&mut [0; 8]).is_ok()
}

fn assert_served_soon(ip: [u8; 4], broker: &Broker) {
    let begin = Instant::now();
    while !is_served(ip, broker) {
        assert!(begin.elapsed() < SOON, "no place for {ip:?}");
    }
}

/// All places are taken by clients that ask for `request`, and are gone at once.
fn attack(request: &[u8]) {
    let broker = small_broker();
    create_quiet_topic(&broker);
    for ip in [[127, 0, 0, 1], [127, 0, 0, 2]] {
        for _ in 0..OF_ONE_ADDRESS {
            let mut socket = connect_from(ip, &broker);
            // It is closed at once where the address has too many.
            let _ = socket.write_all(request);
        }
    }

    assert_served_soon([127, 0, 0, 3], &broker);
    assert_served_soon([127, 0, 0, 1], &broker);
}

#[test]
fn fetches_of_clients_that_are_gone_hold_no_place() {
    attack(&endless_fetch());
}

#[test]
fn joins_of_clients_that_are_gone_hold_no_place() {
    attack(&endless_join());
}

#[test]
fn two_requests_of_a_client_that_is_gone_hold_no_place() {
    attack(&[endless_fetch(), endless_fetch()].concat());
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
