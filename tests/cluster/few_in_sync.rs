//! Fewer replicas in sync than there must be: nothing is committed. And a leader that was not in sync, where that is
//! allowed: what it lacks is lost, and all replicas are alike again.

use std::time::Duration;

use broker::protocol::ErrorCode;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use rdkafka::{Offset, TopicPartitionList};

use crate::eligible_leaders::{MESSAGES, cluster, first, wait_for_in_sync, write};
use crate::nodes::{Maker, Nodes};
use crate::replication::{
    TOPIC, assert_same_replicas, bootstrap, producer, read_all, send, wait_until_in_sync,
};
use crate::topics;
use crate::voice::{PATIENCE, wait_for};

/// The leader of the partition, and the other brokers.
fn roles(nodes: &Nodes) -> (i32, Vec<i32>) {
    let leader = first(nodes, 2).expect("an answer").leader_id;
    let brokers = nodes.brokers();
    let others = brokers.into_iter().filter(|id| *id != leader).collect();
    (leader, others)
}

/// The offset up to which consumers may read.
fn high_watermark(nodes: &Nodes) -> i64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap(nodes))
        .create()
        .expect("librdkafka's settings");
    let marks = consumer.fetch_watermarks(TOPIC, 0, PATIENCE);
    marks.expect("an answer").1
}

fn texts(numbers: impl Iterator<Item = u64>) -> Vec<String> {
    numbers.map(|number| format!("message {number}")).collect()
}

#[test]
fn nothing_is_committed_while_too_few_are_in_sync_whatever_its_producer_waits_for() {
    let mut nodes = cluster(94);
    let (leader, others) = roles(&nodes);
    for other in &others {
        nodes.kill(*other);
    }
    wait_for_in_sync(&nodes, leader, &[leader]);

    let (cautious, refused) = producer(&nodes, &[("message.timeout.ms", "4000"), ("retries", "0")]);
    send(&cautious, 1_000_000, 0);
    cautious.flush(PATIENCE).expect("it has an outcome");
    assert_eq!(
        refused.0.lock().expect("no panic").1,
        [RDKafkaErrorCode::NotEnoughReplicas]
    );
    let (hasty, taken) = producer(&nodes, &[("acks", "1")]);
    send(&hasty, MESSAGES, 0);
    hasty.flush(PATIENCE).expect("the leader has it");
    assert_eq!(taken.0.lock().expect("no panic").0.len(), 1);
    assert_eq!(high_watermark(&nodes), MESSAGES as i64);
    assert_eq!(read_all(&nodes, 0), texts(0..MESSAGES));

    nodes.start(others[0]);
    wait_for("the high watermark", || {
        (high_watermark(&nodes) == MESSAGES as i64 + 1).then_some(())
    });
    assert_eq!(read_all(&nodes, 0), texts(0..=MESSAGES));
    nodes.start(others[1]);
    wait_until_in_sync(&nodes, leader, 3);
    assert_same_replicas(&mut nodes, 1);
}

/// A consumer that has read `count` messages of the partition, and wants to be told if something is wrong.
fn reader(nodes: &Nodes, count: u64) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap(nodes))
        .set("group.id", "reader")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .set("topic.metadata.refresh.interval.ms", "500")
        .create()
        .expect("librdkafka's settings");
    let mut assigned = TopicPartitionList::new();
    let added = assigned.add_partition_offset(TOPIC, 0, Offset::Beginning);
    added.expect("an offset");
    consumer.assign(&assigned).expect("an assignment");
    let mut read = 0;
    wait_for("all messages", || {
        // That others are down is told as an error, too.
        read += u64::from(consumer.poll(Duration::from_millis(500))?.is_ok());
        (read == count).then_some(())
    });
    consumer
}

#[test]
fn a_leader_that_was_not_in_sync_loses_what_it_lacks_and_all_replicas_follow_it() {
    let brokers = [Maker::Ours; 3];
    let mut nodes = Nodes::with_brokers(95, &[Maker::Ours], &brokers, &[]).expect("all ours");
    nodes.start_all();
    let settings = [
        ("min.insync.replicas", "1"),
        ("unclean.leader.election.enable", "true"),
    ];
    let created = topics::create(&nodes.bootstrap(2), TOPIC, (1, 3), &settings);
    assert_eq!(created, Some(ErrorCode::NONE));
    wait_until_in_sync(&nodes, 2, 3);
    write(&nodes, 0..500);
    let (leader, others) = roles(&nodes);
    for other in &others {
        nodes.kill(*other);
    }
    wait_for_in_sync(&nodes, leader, &[leader]);
    write(&nodes, 500..600);
    let reader = reader(&nodes, 600);
    nodes.kill(leader);

    nodes.start(others[0]);
    wait_for("a leader that was not in sync", || {
        (first(&nodes, others[0])?.leader_id == others[0]).then_some(())
    });
    write(&nodes, 1_000..1_050);
    wait_for("an error for who read what is lost", || {
        let seen = reader.poll(Duration::from_millis(500))?;
        let error = seen.expect_err("its position is beyond all that may be read");
        println!("{error}");
        // librdkafka says the one or the other, as it hears of the new leader or of the end first.
        let expected = [
            RDKafkaErrorCode::LogTruncation,
            RDKafkaErrorCode::AutoOffsetReset,
        ];
        let KafkaError::MessageConsumption(code) = error else {
            return None;
        };
        expected.contains(&code).then_some(())
    });
    nodes.start(others[1]);
    nodes.start(leader);
    wait_until_in_sync(&nodes, others[0], 3);

    assert_same_replicas(&mut nodes, 1);
    assert_eq!(read_all(&nodes, 0), texts((0..500).chain(1_000..1_050)));
}
