//! Consumers that read from a replica in their rack (KIP-392).

use broker::protocol::ErrorCode;
use broker::protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic, PartitionData};
use rdkafka::producer::Producer as _;

use crate::nodes::Nodes;
use crate::replication::{
    OURS, TOPIC, create, leader_of_first, producer, read_all_with, send, wait_until_in_sync,
};
use crate::topics;
use crate::voice::{PATIENCE, ask, ask_at, wait_for};

const SELECTOR: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
const MESSAGES: u64 = 200;

/// Three nodes, each in a rack of its own, with messages on all of them.
fn in_racks(test: u8) -> Nodes {
    let settings = [("replica.selector.class", SELECTOR)];
    let mut nodes = Nodes::combined(test, &OURS, &settings).expect("they are ours");
    for id in nodes.ids() {
        nodes.set(id, "broker.rack", &format!("rack-{id}"));
    }
    nodes.start_all();
    create(&nodes, 1, 1, "2");
    wait_until_in_sync(&nodes, 1, 3);
    let (producer, _) = producer(&nodes, &[]);
    for number in 0..MESSAGES {
        send(&producer, number, 0);
    }
    producer.flush(PATIENCE).expect("all is acknowledged");
    nodes
}

/// A consumer's Fetch of the partition, from `offset`.
fn request(nodes: &Nodes, rack: &str, offset: i64) -> FetchRequest {
    let topic = topics::find(&nodes.bootstrap(1), TOPIC).expect("the topic");
    FetchRequest {
        max_wait_ms: 1_000,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![FetchTopic {
            topic: TOPIC.into(),
            topic_id: topic.topic_id,
            partitions: vec![FetchPartition {
                partition: 0,
                current_leader_epoch: topic.partitions[0].leader_epoch,
                fetch_offset: offset,
                partition_max_bytes: 1 << 20,
                ..FetchPartition::default()
            }],
        }],
        rack_id: rack.to_owned().into(),
        ..FetchRequest::default()
    }
}

fn fetch(nodes: &Nodes, id: i32, rack: &str, offset: i64) -> PartitionData {
    let request = request(nodes, rack, offset);
    let answer = ask(&nodes.bootstrap(id), &request).expect("an answer");
    answer.responses[0].partitions[0].clone()
}

/// How many bytes of records an answer has.
fn size(answer: &PartitionData) -> usize {
    answer.records.len()
}

#[test]
fn a_leader_sends_consumers_to_the_replica_in_their_rack_and_that_serves_them() {
    let nodes = in_racks(130);
    let leader = leader_of_first(&nodes, 1);
    let follower = if leader == 1 { 2 } else { 1 };
    let (there, here) = (format!("rack-{follower}"), format!("rack-{leader}"));

    let sent_away = fetch(&nodes, leader, &there, 0);
    assert_eq!(sent_away.error_code, ErrorCode::NONE);
    assert_eq!(sent_away.preferred_read_replica, follower);
    assert_eq!(size(&sent_away), 0);
    for rack in [&here, "", "rack-of-nobody"] {
        let served = fetch(&nodes, leader, rack, 0);
        assert_eq!(served.preferred_read_replica, -1, "{rack}");
        assert!(size(&served) > 0, "{rack}");
    }

    let served = fetch(&nodes, follower, &there, 0);
    assert_eq!(
        (served.error_code, served.preferred_read_replica),
        (ErrorCode::NONE, -1)
    );
    let end = i64::try_from(MESSAGES).expect("few");
    wait_for("the follower's high watermark", || {
        let answer = fetch(&nodes, follower, &there, 0);
        (answer.high_watermark == end).then_some(())
    });
    let beyond = fetch(&nodes, follower, &there, end + 1);
    assert_eq!(beyond.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);

    // Clients that know nothing of racks are served by leaders alone.
    let old = ask_at(&nodes.bootstrap(follower), &request(&nodes, "", 0), 10);
    let old = &old.expect("an answer").responses[0].partitions[0];
    assert_eq!(old.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
}

#[test]
fn a_consumer_with_a_rack_reads_all_also_when_the_replica_in_its_rack_dies() {
    let mut nodes = in_racks(131);
    let leader = leader_of_first(&nodes, 1);
    let follower = if leader == 3 { 2 } else { 3 };
    let rack = format!("rack-{follower}");
    let settings = [("client.rack", &*rack)];
    let expected: Vec<String> = (0..MESSAGES)
        .map(|number| format!("message {number}"))
        .collect();

    assert_eq!(read_all_with(&nodes, 0, &settings), expected);
    nodes.kill(follower);
    assert_eq!(read_all_with(&nodes, 0, &settings), expected);
}
