//! Brokers of ours and of Apache Kafka 4.3.1 hold replicas of the same partitions: each leads, follows, is
//! killed and comes back, and all replicas have the same bytes.

use crate::nodes::{Maker, Nodes};
use crate::replication::{
    assert_same_replicas, create, leader_of_first, producer, read_all, send, wait_until_in_sync,
};
use rdkafka::producer::Producer as _;

use crate::voice::{self, PATIENCE};

const PARTITIONS: i32 = 3;
/// Brokers that are killed are missed after three seconds.
const SETTINGS: [(&str, &str); 2] = [
    ("broker.session.timeout.ms", "3000"),
    ("broker.heartbeat.interval.ms", "500"),
];
/// How many messages are written before and after each death.
const BURST: u64 = 300;

/// Kills each of the brokers 2, 3 and 4 twice under a producer that wants all replicas' word.
fn kill_each_under_load(mut nodes: Nodes) {
    nodes.start_all();
    voice::leader(&nodes, &[1]);
    create(&nodes, 2, PARTITIONS, "2");
    wait_until_in_sync(&nodes, 2, 3);
    let (producer, outcomes) = producer(&nodes, &[("enable.idempotence", "true")]);
    let mut number = 0;
    let mut burst = || {
        for _ in 0..BURST {
            send(&producer, number, (number % PARTITIONS as u64) as i32);
            number += 1;
        }
        number
    };
    for _ in 0..2 {
        for victim in [2, 3, 4] {
            burst();
            nodes.kill(victim);
            burst();
            let witness = if victim == 2 { 3 } else { 2 };
            let leader = leader_of_first(&nodes, witness);
            println!("without {victim}, partition 0 is led by {leader}");
            nodes.start(victim);
            wait_until_in_sync(&nodes, witness, 3);
        }
    }
    let written = burst();
    producer.flush(PATIENCE).expect("all is acknowledged");
    let seen = outcomes.0.lock().expect("no panic");
    assert_eq!(
        seen.0.len() as u64,
        written,
        "not acknowledged: {:?}",
        seen.1
    );
    for partition in 0..PARTITIONS {
        let expected: Vec<String> = (0..written)
            .filter(|number| number % PARTITIONS as u64 == partition as u64)
            .map(|number| format!("message {number}"))
            .collect();
        let read = read_all(&nodes, partition);
        assert!(
            read == expected,
            "partition {partition}: each once, in order"
        );
    }
    assert_same_replicas(&mut nodes, PARTITIONS);
}

#[test]
fn a_broker_of_apaches_is_a_replica_among_ours() {
    let brokers = [Maker::Apache, Maker::Ours, Maker::Ours];
    let nodes = Nodes::with_brokers(80, &[Maker::Ours], &brokers, &SETTINGS);
    if let Some(nodes) = nodes {
        kill_each_under_load(nodes);
    }
}

#[test]
fn a_broker_of_ours_is_a_replica_among_apaches() {
    let brokers = [Maker::Ours, Maker::Apache, Maker::Apache];
    let nodes = Nodes::with_brokers(81, &[Maker::Apache], &brokers, &SETTINGS);
    if let Some(nodes) = nodes {
        kill_each_under_load(nodes);
    }
}
