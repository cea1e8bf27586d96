//! Faults at random, from a seed, for as long as is wanted.

use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, NODES, PARTITIONS, TOPIC};
use crate::random::Random;
use crate::storm::requests::{Change, ask_for};
use crate::workload::Workload;

/// How long it takes if nobody says.
const DEFAULT_SECONDS: u64 = 45;
/// A number that the environment gives.
pub fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("it is a number"))
}

/// Whether tests are wanted, too, of rarer faults that take long; if not, it says so.
pub fn takes_its_time() -> bool {
    let is_wanted = std::env::var_os("FAULTS_ALL").is_some();
    if !is_wanted {
        println!("*** SKIPPED: FAULTS_ALL is not set ***");
    }
    is_wanted
}

#[test]
fn random_faults_lose_nothing() {
    let seconds = number("FAULTS_SECONDS").unwrap_or(DEFAULT_SECONDS);
    let seed = number("FAULTS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("FAULTS_SEED={seed} FAULTS_SECONDS={seconds}");
    let Some(mut cluster) = Cluster::new(30, &[]) else {
        return;
    };
    cluster.start();
    let mut random = Random::new(seed);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut count = 0;
    let workload = Workload::start(cluster.bootstrap());
    while Instant::now() < deadline {
        for _ in 0..=random.below(2) {
            harm(&mut cluster, &mut random);
            count += 1;
            thread::sleep(random.millis(10..4_000));
        }
        cluster.heal();
        if random.one_in(2) {
            cluster.wait_until_in_sync();
            workload.wait_for_acks(1);
        }
        thread::sleep(random.millis(10..3_000));
    }
    cluster.wait_until_in_sync();
    workload.wait_for_acks(20);
    workload.finish(&cluster);
    cluster.assert_same_replicas();
    println!("{count} faults");
}

/// Does some harm to some node.
pub fn harm(cluster: &mut Cluster, random: &mut Random) {
    let node = NODES[random.below(3)];
    let other = NODES[random.below(3)];
    let kind = random.below(10);
    println!("fault {kind} at {node}, {other}");
    match kind {
        0 | 1 => cluster.kill(node),
        2 if cluster.is_well(node) => drop(cluster.nodes.stop(node)),
        3 if cluster.is_well(node) => cluster.pause(node),
        4 => cluster.network.isolate(node),
        5 if node != other => cluster.network.cut(node, &[other]),
        6 if node != other => cluster.network.cut_one_way(node, other),
        7 => NODES.into_iter().for_each(|id| cluster.kill(id)),
        8 | 9 => hand_over(cluster, random),
        _ => {}
    }
}

/// Lets another replica of some partition lead it, as an operator does who moves it.
fn hand_over(cluster: &Cluster, random: &mut Random) {
    let partition = i32::try_from(random.below(PARTITIONS as usize)).expect("few");
    let mut replicas = NODES.to_vec();
    replicas.rotate_left(random.below(NODES.len()));
    if random.one_in(2) {
        replicas.swap(1, 2);
    }
    let Some(witness) = NODES.into_iter().find(|id| cluster.is_well(*id)) else {
        return;
    };
    let address = cluster.nodes.bootstrap(witness);
    println!("{partition} goes to {replicas:?}, by {witness}");
    for change in [
        Change::Move {
            partition,
            replicas,
        },
        Change::Elect { partition },
    ] {
        let outcome = ask_for(&address, TOPIC, &change);
        println!("{change:?}: {outcome:?}");
    }
}
