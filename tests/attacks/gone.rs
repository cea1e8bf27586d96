//! Clients that ask to be waited for, and are gone: every place is free within a second.

use std::time::{Duration, Instant};

use broker::protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use broker::protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use bytes::Bytes;

use crate::victim::{Victim, within};
use crate::wire::{Wire, coordinate_groups, create_topic, encoded};

/// Who attacks, and how many connections each opens: more would be refused by the reserve.
const ADDRESSES: [[u8; 4]; 2] = [[127, 0, 0, 2], [127, 0, 0, 3]];
const OF_EACH: usize = 4_400;
/// A debug build serves a tenth of that.
const OF_EACH_DEBUG: usize = 440;
const A_SECOND: Duration = Duration::from_secs(1);

/// How peers go.
#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    Reset,
    /// They send no more, and would still read.
    Half,
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

fn victim() -> Victim {
    let victim = Victim::start_with(&[("group.initial.rebalance.delay.ms", "3600000")]);
    create_topic(victim.address(), "quiet", 1);
    coordinate_groups(victim.address());
    victim
}

fn attack(what: &str, sent: &[u8], end: End) {
    let victim = victim();
    let of_each = if crate::victim::is_strict() {
        OF_EACH
    } else {
        OF_EACH_DEBUG
    };
    let witness = victim.witness();
    let with_witness = victim.quiet_sockets + 2;
    let open = Instant::now();
    let peers: Vec<Wire> = (0..of_each)
        .flat_map(|_| ADDRESSES)
        .map(|ip| {
            let mut peer = Wire::from(ip, victim.address()).expect("there is a place");
            peer.send_what_fits(sent);
            peer
        })
        .collect();
    let opened = open.elapsed();
    while victim.sockets() < with_witness + peers.len() {
        assert!(open.elapsed() < Duration::from_secs(60), "all have a place");
    }

    let count = peers.len();
    let mut halves = Vec::new();
    for peer in peers {
        match end {
            End::Close => drop(peer),
            End::Reset => peer.reset(),
            End::Half => {
                let shutdown = peer.socket.shutdown(std::net::Shutdown::Write);
                shutdown.expect("it is open");
                halves.push(peer);
            }
        }
    }
    let free = victim.time_until_sockets(with_witness);

    let name = format!("{count} {what}, {end:?}");
    println!("{name}: opened in {opened:?}, free {free:?} after the last");
    witness.finish(&name);
    assert!(free < within(A_SECOND), "{name}: free after {free:?}");
}

#[test]
fn fetches_of_peers_that_close_hold_no_place() {
    attack("fetches", &endless_fetch(), End::Close);
}

#[test]
fn fetches_of_peers_that_reset_hold_no_place() {
    attack("fetches", &endless_fetch(), End::Reset);
}

#[test]
fn joins_of_peers_that_close_hold_no_place() {
    attack("joins", &endless_join(), End::Close);
}

#[test]
fn fetches_with_a_thousand_requests_behind_them_hold_no_place() {
    let behind = endless_fetch().repeat(200);
    attack("times 200 fetches", &behind, End::Half);
}

#[test]
fn joins_with_much_behind_them_hold_no_place() {
    let behind = [endless_join(), endless_fetch().repeat(100)].concat();
    attack("joins with 100 fetches", &behind, End::Close);
}
