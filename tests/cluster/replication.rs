//! Partitions with three replicas: what is acknowledged survives the death of any broker, and the replicas
//! have the same bytes.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use broker::protocol::ErrorCode;
use broker::protocol::messages::metadata::MetadataResponsePartition;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::sync::{Arc, Mutex};

use crate::nodes::{Maker, Nodes};
use crate::topics;
use crate::voice::{PATIENCE, wait_for};

pub const OURS: [Maker; 3] = [Maker::Ours; 3];
pub const TOPIC: &str = "replicated";

/// Creates the topic with three replicas.
pub fn create(nodes: &Nodes, id: i32, partitions: i32, min_in_sync: &str) {
    let settings = [("min.insync.replicas", min_in_sync)];
    let code = topics::create(&nodes.bootstrap(id), TOPIC, (partitions, 3), &settings);
    assert_eq!(code, Some(ErrorCode::NONE));
}

pub fn partitions(nodes: &Nodes, id: i32) -> Option<Vec<MetadataResponsePartition>> {
    Some(topics::find(&nodes.bootstrap(id), TOPIC)?.partitions)
}

/// Waits until all replicas of all partitions are in sync.
pub fn wait_until_in_sync(nodes: &Nodes, witness: i32, replicas: usize) {
    let mut told = Vec::new();
    wait_for("all replicas in sync", || {
        let partitions = partitions(nodes, witness)?;
        let sets = || partitions.iter().map(|partition| &partition.isr_nodes);
        let seen: Vec<_> = partitions
            .iter()
            .map(|it| (it.partition_index, it.leader_id, it.isr_nodes.clone()))
            .collect();
        if told != seen {
            println!("partition, leader, in sync, as {witness} says: {seen:?}");
            told = seen;
        }
        sets().all(|set| set.len() == replicas).then_some(())
    });
}

pub fn leader_of_first(nodes: &Nodes, witness: i32) -> i32 {
    wait_for("a leader of partition 0", || {
        let partitions = partitions(nodes, witness)?;
        let first = partitions.iter().find(|it| it.partition_index == 0)?;
        (first.leader_id >= 0).then_some(first.leader_id)
    })
}

/// Where clients begin.
pub fn bootstrap(nodes: &Nodes) -> String {
    let all: Vec<String> = nodes
        .brokers()
        .iter()
        .map(|id| nodes.bootstrap(*id))
        .collect();
    all.join(",")
}

/// What became of each message.
#[derive(Clone, Default)]
pub struct Outcomes(pub Arc<Mutex<(BTreeSet<u64>, Vec<RDKafkaErrorCode>)>>);

impl ClientContext for Outcomes {}

impl ProducerContext for Outcomes {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<u64>) {
        let mut outcomes = self.0.lock().expect("no panic");
        match result {
            Ok(_) => drop(outcomes.0.insert(*number)),
            Err((error, _)) => outcomes.1.extend(error.rdkafka_error_code()),
        }
    }
}

pub fn producer(
    nodes: &Nodes,
    settings: &[(&str, &str)],
) -> (ThreadedProducer<Outcomes>, Outcomes) {
    let outcomes = Outcomes::default();
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap(nodes))
        .set("acks", "all");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    let producer = config.create_with_context(outcomes.clone());
    (producer.expect("librdkafka's settings"), outcomes)
}

pub fn send(producer: &ThreadedProducer<Outcomes>, number: u64, partition: i32) {
    let value = format!("message {number}");
    let record = BaseRecord::with_opaque_to(TOPIC, Box::new(number))
        .key(&value)
        .payload(&value)
        .partition(partition);
    if let Err((error, _)) = producer.send(record) {
        let acknowledged = &producer.context().0.lock().expect("no panic").0;
        let last: Vec<u64> = acknowledged.iter().rev().take(12).copied().collect();
        panic!(
            "{error}: {:?}; acknowledged last: {last:?}",
            producer.client().fatal_error()
        );
    }
}

/// All messages of a partition, in order.
pub fn read_all(nodes: &Nodes, partition: i32) -> Vec<String> {
    read_all_with(nodes, partition, &[])
}

/// The same, by a consumer with these settings.
pub fn read_all_with(nodes: &Nodes, partition: i32, settings: &[(&str, &str)]) -> Vec<String> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap(nodes))
        .set("group.id", "unused")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    let consumer: BaseConsumer = config.create().expect("librdkafka's settings");
    let mut assigned = TopicPartitionList::new();
    assigned
        .add_partition_offset(TOPIC, partition, Offset::Beginning)
        .expect("an offset");
    consumer.assign(&assigned).expect("an assignment");
    let mut read = Vec::new();
    wait_for("the end of the partition", || {
        loop {
            match consumer.poll(Duration::from_millis(500)) {
                Some(Ok(message)) => {
                    let value = message.payload().expect("a value");
                    read.push(String::from_utf8_lossy(value).into_owned());
                }
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => return Some(()),
                _ => return None,
            }
        }
    });
    read
}

/// Waits until the logs of all replicas end alike, stops the nodes, and compares the bytes.
pub fn assert_same_replicas(nodes: &mut Nodes, partitions: i32) {
    let log = |nodes: &Nodes, id: i32, partition: i32| {
        let path = nodes.data_dir(id).join(format!("{TOPIC}-{partition}"));
        let mut content = fs::read(path.join("00000000000000000000.log")).unwrap_or_default();
        let end = content.iter().rposition(|byte| *byte != 0);
        content.truncate(end.map_or(0, |end| end + 1));
        content
    };
    let ids = nodes.brokers();
    for partition in 0..partitions {
        wait_for("equal logs", || {
            let logs: Vec<_> = ids.iter().map(|id| log(nodes, *id, partition)).collect();
            let is_equal = logs.iter().all(|log| *log == logs[0]) && logs[0].len() > 61;
            is_equal.then_some(())
        });
    }
}

#[test]
fn three_replicas_have_the_same_bytes_and_one_may_be_down() {
    let mut nodes = Nodes::combined(70, &OURS, &[]).expect("they are ours");
    nodes.start_all();
    create(&nodes, 1, 3, "2");
    wait_until_in_sync(&nodes, 1, 3);
    let (producer, outcomes) = producer(&nodes, &[("enable.idempotence", "true")]);
    for number in 0..3000 {
        send(&producer, number, (number % 3) as i32);
    }
    producer.flush(PATIENCE).expect("all is acknowledged");

    let victim = leader_of_first(&nodes, 1);
    let witness = nodes
        .ids()
        .into_iter()
        .find(|id| *id != victim)
        .expect("others");
    let killed = Instant::now();
    nodes.kill(victim);
    send(&producer, 3000, 0);
    producer
        .flush(PATIENCE)
        .expect("it is acknowledged by the others");
    println!(
        "after {:?} the partition of a killed leader takes messages",
        killed.elapsed()
    );
    for number in 3001..4000 {
        send(&producer, number, (number % 3) as i32);
    }
    producer.flush(PATIENCE).expect("all is acknowledged");
    wait_until_in_sync(&nodes, witness, 2);
    let started = Instant::now();
    nodes.start(victim);
    wait_until_in_sync(&nodes, witness, 3);
    // Nothing is written now: it is taken in when it is unfenced, and not only when lags are looked at.
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(outcomes.0.lock().expect("no panic").0.len(), 4000);
    assert_same_replicas(&mut nodes, 3);
    let mut all: Vec<String> = (0..3)
        .flat_map(|partition| read_all(&nodes, partition))
        .collect();
    all.sort();
    let mut expected: Vec<String> = (0..4000)
        .map(|number| format!("message {number}"))
        .collect();
    expected.sort();
    assert_eq!(all, expected);
}

#[test]
fn too_few_replicas_in_sync_take_no_messages_that_all_must_have() {
    let mut nodes = Nodes::combined(71, &OURS, &[]).expect("they are ours");
    nodes.start_all();
    create(&nodes, 1, 1, "3");
    wait_until_in_sync(&nodes, 1, 3);
    let settings = [("message.timeout.ms", "4000"), ("retries", "0")];
    let (producer, outcomes) = producer(&nodes, &settings);
    send(&producer, 1, 0);
    producer.flush(PATIENCE).expect("it is acknowledged");
    let leader = leader_of_first(&nodes, 1);
    let victim = nodes
        .ids()
        .into_iter()
        .find(|id| *id != leader)
        .expect("others");
    nodes.kill(victim);
    wait_until_in_sync(&nodes, leader, 2);
    let seen = partitions(&nodes, leader).expect("an answer");
    assert_eq!(
        seen[0].replica_nodes.len(),
        3,
        "who is down is a replica still"
    );
    assert_eq!(seen[0].offline_replicas, [victim]);
    assert_eq!(seen[0].error_code, ErrorCode::NONE);

    send(&producer, 2, 0);
    producer.flush(PATIENCE).expect("it has an outcome");

    let outcomes = outcomes.0.lock().expect("no panic");
    assert_eq!(outcomes.0, BTreeSet::from([1]));
    let expected = [
        RDKafkaErrorCode::NotEnoughReplicas,
        RDKafkaErrorCode::NotEnoughReplicasAfterAppend,
    ];
    assert!(expected.contains(&outcomes.1[0]), "{:?}", outcomes.1);
}

#[test]
fn nothing_acknowledged_is_lost_while_brokers_are_killed_in_turn() {
    let mut nodes = Nodes::combined(72, &OURS, &[]).expect("they are ours");
    nodes.start_all();
    create(&nodes, 1, 3, "2");
    wait_until_in_sync(&nodes, 1, 3);
    let (producer, outcomes) = producer(&nodes, &[("enable.idempotence", "true")]);
    let mut number = 0;
    for round in 0..6 {
        let victim = 1 + round % 3;
        for _ in 0..300 {
            send(&producer, number, (number % 3) as i32);
            number += 1;
        }
        nodes.kill(victim);
        for _ in 0..300 {
            send(&producer, number, (number % 3) as i32);
            number += 1;
        }
        producer.flush(PATIENCE).expect("all is acknowledged");
        nodes.start(victim);
        wait_until_in_sync(&nodes, victim, 3);
    }
    let acknowledged = outcomes.0.lock().expect("no panic").0.clone();
    assert_eq!(
        acknowledged.len() as u64,
        number,
        "{:?}",
        outcomes.0.lock().expect("no panic").1
    );
    for partition in 0..3 {
        let read = read_all(&nodes, partition);
        let expected: Vec<String> = (0..number)
            .filter(|number| *number % 3 == partition as u64)
            .map(|number| format!("message {number}"))
            .collect();
        assert_eq!(read, expected, "partition {partition}: in order, each once");
    }
    assert_same_replicas(&mut nodes, 3);
}
