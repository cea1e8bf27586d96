//! Limits on connections: of one address, of all, and of the process.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};

use broker::network::{
    ConnectionLimits, ConnectionOptions, Listener, ListenerOptions, RunningListener,
};

use crate::peer::{Peer, request};
use crate::toy::{Mode, Setup, World, endpoint, within};

async fn echo(peer: &mut Peer) -> bool {
    let _ = peer.stream.try_write(&request(Mode::Echo, 9, b""));
    peer.receive().await == Some((9, Vec::new()))
}

#[tokio::test]
async fn a_connection_over_the_limit_of_its_address_is_closed() {
    let limits = ConnectionLimits {
        per_ip: 2,
        ..ConnectionLimits::default()
    };
    let world = Setup {
        limits,
        ..Setup::default()
    }
    .start()
    .await;
    let mut first = Peer::connect(&world).await;
    let mut second = Peer::connect(&world).await;
    assert!(echo(&mut first).await && echo(&mut second).await);

    let mut third = Peer::connect(&world).await;
    assert!(third.is_closed().await);
    assert_eq!(world.metrics.connections_refused.get(), 1);

    drop(first);
    while world.network.connections().count() > 1 {
        tokio::task::yield_now().await;
    }
    assert!(echo(&mut Peer::connect(&world).await).await);
}

#[tokio::test]
async fn an_address_may_have_a_limit_of_its_own() {
    let per_ip_overrides = HashMap::from([("127.0.0.1".parse().unwrap(), 1)]);
    let limits = ConnectionLimits {
        per_ip_overrides,
        ..ConnectionLimits::default()
    };
    let host = Some(String::new());
    let world = Setup {
        limits,
        host,
        ..Setup::default()
    }
    .start()
    .await;
    let port = world.listener.address().port();

    let mut first = Peer::connect_to(([127, 0, 0, 1], port).into()).await;
    assert!(echo(&mut first).await);

    assert!(
        Peer::connect_to(([127, 0, 0, 1], port).into())
            .await
            .is_closed()
            .await
    );
}

#[tokio::test]
async fn a_connection_over_the_limit_of_all_waits_for_room() {
    let limits = ConnectionLimits {
        total: 2,
        ..ConnectionLimits::default()
    };
    let world = Setup {
        limits,
        ..Setup::default()
    }
    .start()
    .await;
    let mut first = Peer::connect(&world).await;
    let mut second = Peer::connect(&world).await;
    assert!(echo(&mut first).await && echo(&mut second).await);
    let mut third = Peer::connect(&world).await;
    third.send(&request(Mode::Echo, 3, b"")).await;
    assert_eq!(world.network.connections().count(), 2);

    drop(first);

    assert_eq!(third.receive_ids(1).await, [3]);
}

#[tokio::test]
async fn a_raised_limit_lets_those_in_who_wait() {
    let limits = ConnectionLimits {
        total: 0,
        ..ConnectionLimits::default()
    };
    let world = Setup {
        limits,
        ..Setup::default()
    }
    .start()
    .await;
    let mut peer = Peer::connect(&world).await;
    peer.send(&request(Mode::Echo, 1, b"")).await;

    world
        .network
        .connections()
        .set_limits(ConnectionLimits::default());

    assert_eq!(peer.receive_ids(1).await, [1]);
}

#[tokio::test]
async fn connections_are_spaced_by_the_creation_rate() {
    let limits = ConnectionLimits {
        creation_rate: Some(20),
        ..ConnectionLimits::default()
    };
    let world = Setup {
        limits,
        ..Setup::default()
    }
    .start()
    .await;
    let begin = Instant::now();

    // A second's worth at once, then one each 50 ms.
    for _ in 0..28 {
        assert!(echo(&mut Peer::connect(&world).await).await);
    }

    assert!(
        begin.elapsed() >= Duration::from_millis(300),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn a_listener_for_brokers_only_is_exempt_from_the_limit_of_all() {
    let limits = ConnectionLimits {
        total: 0,
        ..ConnectionLimits::default()
    };
    let world = Setup {
        limits,
        ..Setup::default()
    }
    .start()
    .await;
    let running = for_brokers(&world).await;

    assert!(echo(&mut Peer::connect_to(running.address()).await).await);
}

async fn for_brokers(world: &World) -> RunningListener {
    let mut options = ListenerOptions::new(endpoint("127.0.0.1", 0));
    options.endpoint.listener = "REPLICATION".to_owned();
    options.brokers_only = true;
    let listener = Listener::bind(options, &ConnectionOptions::default())
        .await
        .unwrap();
    listener.serve(world.network.clone())
}

#[tokio::test]
async fn connections_of_brokers_take_no_place_of_a_client() {
    let limits = ConnectionLimits {
        total: 1,
        ..ConnectionLimits::default()
    };
    let world = Setup {
        limits,
        ..Setup::default()
    }
    .start()
    .await;
    let running = for_brokers(&world).await;
    let mut broker = Peer::connect_to(running.address()).await;
    assert!(echo(&mut broker).await);

    assert!(echo(&mut Peer::connect(&world).await).await);
}

#[tokio::test]
async fn one_host_cannot_take_all_connections_of_brokers() {
    let world = Setup::default().start().await;
    let running = for_brokers(&world).await;
    let mut greedy = Vec::new();
    let refused = loop {
        let mut peer = Peer::connect_to(running.address()).await;
        if !echo(&mut peer).await {
            break greedy.len();
        }
        greedy.push(peer);
    };

    assert!(refused < 2_000, "{refused}");
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind(([127, 0, 0, 9], 0).into()).unwrap();
    let stream = within(other.connect(running.address())).await.unwrap();
    assert!(echo(&mut Peer { stream }).await);
}

#[tokio::test]
async fn the_last_connections_are_for_brokers_where_they_share_a_listener() {
    let limits = ConnectionLimits {
        total: 40,
        ..ConnectionLimits::default()
    };
    let world = Setup {
        limits,
        ..Setup::default()
    }
    .start()
    .await;
    let broker = IpAddr::from([127, 0, 0, 77]);
    world
        .network
        .connections()
        .set_broker_addresses(HashSet::from([broker]));
    let mut others = Vec::new();
    for number in 1..=38 {
        let mut peer = from(&world, [127, 0, 1, number].into()).await;
        assert!(echo(&mut peer).await, "{number}");
        others.push(peer);
    }

    assert!(!echo(&mut from(&world, [127, 0, 1, 39].into()).await).await);
    let mut replica = from(&world, broker).await;
    assert!(echo(&mut replica).await);
    assert!(echo(&mut from(&world, broker).await).await);
}

async fn from(world: &World, address: IpAddr) -> Peer {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    let stream = within(socket.connect(world.listener.address())).await;
    Peer {
        stream: stream.unwrap(),
    }
}

#[tokio::test]
async fn an_empty_host_listens_on_ipv6_and_ipv4() {
    let world = Setup {
        host: Some(String::new()),
        ..Setup::default()
    }
    .start()
    .await;
    let port = world.listener.address().port();

    assert!(echo(&mut Peer::connect_to(([127, 0, 0, 1], port).into()).await).await);

    if world.listener.address().is_ipv6() {
        let loopback = std::net::Ipv6Addr::LOCALHOST;
        assert!(echo(&mut Peer::connect_to((loopback, port).into()).await).await);
    }
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_says_what_to_do() {
    let world = Setup::default().start().await;
    let options = ListenerOptions::new(endpoint("127.0.0.1", world.listener.address().port()));

    let error = Listener::bind(options, &ConnectionOptions::default())
        .await
        .unwrap_err();

    let text = error.to_string();
    assert!(
        text.contains("PLAINTEXT://127.0.0.1:") && text.contains("listeners"),
        "{text}"
    );
}

fn limit_open_files(limit: u64) {
    let mut limits = getrlimit(Resource::Nofile);
    limits.current = Some(limit);
    setrlimit(Resource::Nofile, limits).unwrap();
}

/// Run as a process of its own by the test below: the limit of files holds for the whole process.
#[tokio::test]
#[ignore = "lowers the limit of open files of its process"]
async fn accepting_rests_while_descriptors_are_out() {
    let world = Setup::default().start().await;
    let mut first = Peer::connect(&world).await;
    assert!(echo(&mut first).await);
    // The peer has its descriptor already; the one that the listener needs is refused.
    let late = tokio::net::TcpSocket::new_v4().unwrap();
    limit_open_files(3);

    let stream = within(late.connect(world.listener.address()))
        .await
        .unwrap();
    while world.metrics.accept_failures.get() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(echo(&mut first).await, "those who are connected are served");
    limit_open_files(1000);

    assert!(echo(&mut Peer { stream }).await);
    assert!(
        world.metrics.accept_failures.get() < 5,
        "it rests between its tries"
    );
}

#[test]
fn running_out_of_descriptors_neither_spins_nor_stops_the_listener() {
    let name = "limits::accepting_rests_while_descriptors_are_out";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .output()
        .unwrap();

    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
