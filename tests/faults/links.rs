//! Links that carry too little, and peers that are gone without a word.

use std::fs;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, NODES};
use crate::disks::wait_until_gone_from;
use crate::long::takes_its_time;
use crate::network::CLIENTS;
use crate::short::{BEYOND_THE_SESSION, FAIL_OVER, SOME, others, run};
use crate::voice::{self, wait_for};
use crate::workload::Workload;

/// How long a follower may be behind before it is no more in sync.
const LAG: Duration = Duration::from_secs(4);
/// What the slow link carries: a fifth of what is produced to one partition.
const KILOBITS: u32 = 50;
/// How long writes wait at the most once the follower behind the slow link is not waited for.
const BOUND: Duration = Duration::from_secs(2);
/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(8);

#[test]
fn a_follower_behind_a_slow_link_is_waited_for_no_longer_than_its_lag() {
    let lag = LAG.as_millis().to_string();
    let Some(mut cluster) = Cluster::in_memory(50, &[("replica.lag.time.max.ms", &lag)]) else {
        return;
    };
    cluster.start();
    run(&mut cluster, |cluster, workload| {
        // The quorum's records go the same way as the messages: a link to the active controller is another test.
        let [leader, follower] = others(voice::leader(&cluster.nodes, &NODES))[..] else {
            unreachable!("two are left");
        };
        let led = |cluster: &Cluster| -> Vec<i32> {
            let partitions = cluster.partitions(leader).expect("it runs");
            let those = partitions.iter().filter(|it| it.leader_id == leader);
            those.map(|it| it.partition_index).collect()
        };
        let partitions = led(cluster);
        cluster.network.slow_down(leader, follower, KILOBITS);
        let slow_at = Instant::now();
        wait_until_gone_from(cluster, follower, &partitions);
        println!("the follower is left behind after {:?}", slow_at.elapsed());
        assert_eq!(led(cluster), partitions, "nobody else leads for it");
        assert_bounded(workload);
    });
}

#[test]
fn a_slow_link_to_the_active_controller_stops_nobody() {
    if !takes_its_time() {
        return;
    }
    let lag = LAG.as_millis().to_string();
    let Some(mut cluster) = Cluster::in_memory(54, &[("replica.lag.time.max.ms", &lag)]) else {
        return;
    };
    cluster.start();
    run(&mut cluster, |cluster, workload| {
        let controller = voice::leader(&cluster.nodes, &NODES);
        let other = others(controller)[0];
        cluster.network.slow_down(other, controller, KILOBITS);
        // The other may be fenced for it.
        thread::sleep(BEYOND_THE_SESSION);
        assert_bounded(workload);
    });
}

/// Checks how long writes waited so far, and that they hardly wait from now on.
fn assert_bounded(workload: &Workload) {
    workload.wait_for_acks(SOME);
    let gap = workload.longest_gap();
    println!("until then: {gap:?} without an acknowledgement");
    assert!(gap < 2 * LAG + FAIL_OVER, "{gap:?}");
    thread::sleep(WATCHED);
    workload.wait_for_acks(1);
    let gap = workload.longest_gap();
    println!("from then on: {gap:?} without an acknowledgement");
    assert!(gap < BOUND, "{gap:?}");
}

/// The connections with a host that a process holds open, as their local and remote addresses in hexadecimal.
fn connections(process: u32, with: &str) -> Vec<String> {
    let host: Ipv4Addr = with.parse().expect("an address");
    // The table has the number as it lies in the memory of a machine like this one.
    let host = format!("{:08X}:", u32::from_le_bytes(host.octets()));
    let table = fs::read_to_string(format!("/proc/{process}/net/tcp")).expect("it runs");
    let held = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (own, peer, state, inode) = (words[1], words[2], words[3], words[9]);
        // Established; with an inode, or no process holds it any more.
        let is_held = peer.starts_with(&host) && state == "01" && inode != "0";
        is_held.then(|| format!("{own} {peer}"))
    });
    held.collect()
}

/// How long a connection on which nothing comes is kept.
const IDLE: Duration = Duration::from_secs(10);
/// How long a request that has no answer is waited for (`replica.socket.timeout.ms`).
const REQUEST: Duration = Duration::from_secs(30);
/// How long a broker that says nothing leads (`broker.session.timeout.ms`).
const SESSION: Duration = Duration::from_secs(9);

#[test]
fn connections_with_a_peer_that_is_gone_without_a_word_are_given_up() {
    let idle = IDLE.as_millis().to_string();
    let Some(mut cluster) = Cluster::in_memory(51, &[("connections.max.idle.ms", &idle)]) else {
        return;
    };
    cluster.start();
    run(&mut cluster, |cluster, workload| {
        let victim = cluster.leader(0);
        let left = others(victim);
        let host = cluster.nodes.bootstrap(victim);
        let host = host.split(':').next().expect("a host and a port");
        let held = |cluster: &Cluster| -> Vec<String> {
            let of = |id: &i32| connections(cluster.nodes.process(*id).pid(), host);
            left.iter().flat_map(of).collect()
        };
        println!("connections with {victim}: {:?}", held(cluster));
        assert!(!held(cluster).is_empty());

        cluster.network.cut(victim, &[left[0], left[1], CLIENTS]);
        let gone_at = Instant::now();
        // What it would send at its end is not heard either.
        cluster.nodes.kill(victim);
        cluster.leader_among(0, left[0], &left);
        workload.wait_for_acks(SOME);
        let gap = workload.longest_gap();
        println!("{gap:?} without an acknowledgement");
        // Clients do not hear that it is gone, either.
        assert!(gap < SESSION + 2 * FAIL_OVER, "{gap:?}");

        // Idle links, on which a node asks the active controller, are given up when there is something to ask
        // the next one. Until then a node may keep a few, and no more of them come.
        let controller = cluster.nodes.controller(victim);
        let port: u16 = controller
            .split(':')
            .nth(1)
            .expect("a port")
            .parse()
            .expect("a number");
        let link = format!(":{port:04X}");
        let mut told = Vec::new();
        wait_for("no connection with who is gone", || {
            let held = held(cluster);
            let links = held.iter().filter(|it| it.ends_with(&link)).count();
            let is_over = links == held.len() && links <= 2 * left.len();
            if told != held {
                println!("{:?} after it was gone: {held:?}", gone_at.elapsed());
                told = held;
            }
            is_over.then_some(())
        });
        println!("all are given up after {:?}", gone_at.elapsed());
        assert!(gone_at.elapsed() < REQUEST + 2 * IDLE);
    });
}
