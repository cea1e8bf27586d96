//! Eligible leader replicas (KIP-966): a broker that was the last one in sync, and comes back without its
//! records, leads nobody into losing theirs.

use std::fs;
use std::ops::Range;

use broker::protocol::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, TopicRequest,
};
use broker::protocol::messages::metadata::MetadataResponsePartition;
use rdkafka::producer::Producer as _;

use crate::nodes::{Maker, Nodes};
use crate::replication::{TOPIC, create, partitions, producer, read_all, send, wait_until_in_sync};
use crate::voice::{PATIENCE, ask, wait_for};

/// How many messages the partition has.
pub const MESSAGES: u64 = 500;

/// One controller, and three brokers with a replica each of one partition, of which two must be in sync.
pub fn cluster(test: u8) -> Nodes {
    let mut nodes =
        Nodes::with_brokers(test, &[Maker::Ours], &[Maker::Ours; 3], &[]).expect("all ours");
    nodes.start_all();
    create(&nodes, 2, 1, "2");
    wait_until_in_sync(&nodes, 2, 3);
    write(&nodes, 0..MESSAGES);
    nodes
}

/// Writes messages with these numbers, by a producer that wants all replicas' word.
pub fn write(nodes: &Nodes, numbers: Range<u64>) {
    let count = numbers.end - numbers.start;
    let (producer, outcomes) = producer(nodes, &[("enable.idempotence", "true")]);
    for number in numbers {
        send(&producer, number, 0);
    }
    producer.flush(PATIENCE).expect("all is acknowledged");
    let acknowledged = outcomes.0.lock().expect("no panic").0.len();
    assert_eq!(acknowledged as u64, count);
}

/// What a node says of the partition.
pub fn first(nodes: &Nodes, witness: i32) -> Option<MetadataResponsePartition> {
    let partitions = partitions(nodes, witness)?;
    partitions.into_iter().find(|it| it.partition_index == 0)
}

/// Waits until these are in sync, as a node says.
pub fn wait_for_in_sync(nodes: &Nodes, witness: i32, expected: &[i32]) {
    wait_for("the in-sync set", || {
        let mut isr = first(nodes, witness)?.isr_nodes;
        isr.sort_unstable();
        (isr == expected).then_some(())
    });
}

/// Stops all brokers but the last, which is alone in sync then, and kills that.
fn leave_alone_and_kill(nodes: &mut Nodes) {
    nodes.stop(2);
    wait_for_in_sync(nodes, 4, &[3, 4]);
    nodes.stop(3);
    wait_for_in_sync(nodes, 4, &[4]);
    nodes.kill(4);
}

/// The eligible leaders and the last known one, as clients are told.
fn told(nodes: &Nodes, witness: i32) -> (Option<Vec<i32>>, Option<Vec<i32>>) {
    let request = DescribeTopicPartitionsRequest {
        topics: vec![TopicRequest { name: TOPIC.into() }],
        response_partition_limit: 10,
        ..DescribeTopicPartitionsRequest::default()
    };
    let mut answer = ask(&nodes.bootstrap(witness), &request).expect("an answer");
    let partition = answer.topics.remove(0).partitions.remove(0);
    (partition.eligible_leader_replicas, partition.last_known_elr)
}

/// Broker 4 runs without its records. It must not lead before one is back that has them.
fn assert_nothing_is_lost(nodes: &mut Nodes) {
    assert_eq!(told(nodes, 4).0, Some(vec![3]));
    let partition = first(nodes, 4).expect("an answer");
    assert_eq!(partition.leader_id, -1, "{partition:?}");
    assert!(partition.isr_nodes.is_empty(), "{partition:?}");

    nodes.start(3);
    wait_for("a leader", || {
        let leader = first(nodes, 4)?.leader_id;
        (leader >= 0).then(|| assert_eq!(leader, 3))
    });
    nodes.start(2);
    wait_until_in_sync(nodes, 2, 3);
    let expected: Vec<String> = (0..MESSAGES)
        .map(|number| format!("message {number}"))
        .collect();
    assert_eq!(read_all(nodes, 0), expected);
}

#[test]
fn the_last_one_in_sync_that_lost_its_logs_does_not_lead_before_an_eligible_one_is_back() {
    let mut nodes = cluster(90);
    leave_alone_and_kill(&mut nodes);
    let logs = nodes.data_dir(4).join(format!("{TOPIC}-0"));
    fs::remove_dir_all(logs).expect("the folder can be removed");
    nodes.start(4);

    assert_nothing_is_lost(&mut nodes);
}

#[test]
fn the_last_one_in_sync_with_another_disk_does_not_lead_before_an_eligible_one_is_back() {
    let mut nodes = cluster(91);
    leave_alone_and_kill(&mut nodes);
    nodes.wipe(4);
    nodes.start(4);

    assert_nothing_is_lost(&mut nodes);
}

#[test]
fn the_last_one_in_sync_that_stopped_in_order_leads_again_at_once() {
    let mut nodes = cluster(92);
    nodes.stop(2);
    wait_for_in_sync(&nodes, 4, &[3, 4]);
    nodes.stop(3);
    wait_for_in_sync(&nodes, 4, &[4]);
    nodes.stop(4);

    nodes.start(4);

    let partition = first(&nodes, 4).expect("an answer");
    assert_eq!(partition.leader_id, 4, "{partition:?}");
}

#[test]
fn after_a_crash_of_all_the_last_leader_leads_with_what_was_acknowledged() {
    let mut nodes = cluster(93);
    for broker in 2..=4 {
        nodes.kill(broker);
    }

    for broker in 2..=4 {
        nodes.spawn(broker);
    }
    for broker in 2..=4 {
        nodes.wait_for_line(broker, "ready after");
    }

    wait_until_in_sync(&nodes, 2, 3);
    let expected: Vec<String> = (0..MESSAGES)
        .map(|number| format!("message {number}"))
        .collect();
    assert_eq!(read_all(&nodes, 0), expected);
}
