//! Brokers and controllers on different nodes: what clients ask of any node is done by the active controller,
//! and each broker finds it.

use std::thread;
use std::time::{Duration, Instant};

use broker::protocol::ErrorCode;
use broker::protocol::messages::metadata::MetadataResponse;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rustix::process::Signal;

use crate::nodes::{Maker, Nodes};
use crate::topics;
use crate::voice::{self, PATIENCE, wait_for};

const OURS: [Maker; 3] = [Maker::Ours; 3];

/// Asks `id` to create a topic, and returns the answer's code.
fn create(nodes: &Nodes, id: i32, name: &str, partitions: i32, replicas: i16) -> ErrorCode {
    topics::create(&nodes.bootstrap(id), name, (partitions, replicas), &[]).expect("an answer")
}

fn metadata(nodes: &Nodes, id: i32) -> Option<MetadataResponse> {
    topics::metadata(&nodes.bootstrap(id))
}

fn bootstrap(nodes: &Nodes, ids: &[i32]) -> String {
    let all: Vec<String> = ids.iter().map(|id| nodes.bootstrap(*id)).collect();
    all.join(",")
}

fn produce(nodes: &Nodes, ids: &[i32], topic: &str, count: usize) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap(nodes, ids))
        .set("enable.idempotence", "true")
        .create()
        .expect("librdkafka's settings");
    for number in 0..count {
        let (key, value) = (number.to_string(), format!("message {number}"));
        let record = BaseRecord::to(topic).key(&key).payload(&value);
        producer.send(record).expect("the queue has room");
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE).expect("all is acknowledged");
    assert_eq!(producer.in_flight_count(), 0);
}

/// Reads `count` messages as a member of a group, and commits.
fn consume(nodes: &Nodes, ids: &[i32], group: &str, topic: &str, count: usize) -> Vec<String> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap(nodes, ids))
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("librdkafka's settings");
    consumer.subscribe(&[topic]).expect("a name");
    let mut read = Vec::new();
    wait_for("all messages", || {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) {
            let value = message.payload().expect("a value");
            read.push(String::from_utf8_lossy(value).into_owned());
        }
        (read.len() >= count).then_some(())
    });
    read.sort();
    read
}

fn written(count: usize) -> Vec<String> {
    let mut all: Vec<String> = (0..count)
        .map(|number| format!("message {number}"))
        .collect();
    all.sort();
    all
}

#[test]
fn any_node_creates_topics_and_clients_reach_all_their_partitions() {
    let mut nodes = Nodes::combined(50, &OURS, &[]).expect("they are ours");
    nodes.start_all();
    let all = nodes.ids();
    for id in &all {
        let name = format!("by-{id}");
        assert_eq!(create(&nodes, *id, &name, 6, 1), ErrorCode::NONE, "{name}");
        let seen = metadata(&nodes, *id).expect("an answer");
        let mut names = seen.topics.iter().filter_map(|topic| topic.name.as_deref());
        assert!(
            names.any(|there| there == name),
            "its maker finds {name} at once"
        );
        assert_eq!(seen.brokers.len(), 3);
    }
    for id in &all {
        let name = format!("by-{id}");
        produce(&nodes, &all, &name, 300);
        let group = format!("of-{name}");
        assert_eq!(consume(&nodes, &all, &group, &name, 300), written(300));
    }
}

#[test]
fn a_node_that_is_killed_comes_back_with_what_it_led() {
    let mut nodes = Nodes::combined(51, &OURS, &[]).expect("they are ours");
    nodes.start_all();
    let all = nodes.ids();
    assert_eq!(create(&nodes, 1, "kept", 6, 1), ErrorCode::NONE);
    produce(&nodes, &all, "kept", 200);
    for id in &all {
        nodes.kill(*id);
        let others: Vec<i32> = all.iter().copied().filter(|other| other != id).collect();
        let name = format!("without-{id}");
        wait_for("a topic by those that are left", || {
            let code = create(&nodes, others[0], &name, 1, 1);
            [ErrorCode::NONE, ErrorCode::TOPIC_ALREADY_EXISTS]
                .contains(&code)
                .then_some(())
        });
        nodes.start(*id);
    }
    let read = consume(&nodes, &all, "after", "kept", 200);
    assert_eq!(read, written(200));
}

/// Three nodes that are level, the one whose controller is active, and the others.
fn at_work(test: u8) -> (Nodes, i32, Vec<i32>) {
    let mut nodes = Nodes::combined(test, &OURS, &[]).expect("they are ours");
    nodes.start_all();
    let all = nodes.ids();
    let leader = voice::leader(&nodes, &all);
    voice::write(&nodes, &all, 1);
    voice::wait_until_level(&nodes, &all);
    let others = all.into_iter().filter(|id| *id != leader).collect();
    (nodes, leader, others)
}

#[test]
fn a_broker_that_is_killed_is_fenced_long_before_its_session_ends() {
    let (mut nodes, leader, others) = at_work(56);
    let all = nodes.ids();
    // First one that is a broker only to the others, then the active controller itself.
    for (victim, witness) in [(others[0], others[1]), (leader, others[1])] {
        for other in all.iter().filter(|id| **id != victim) {
            let reached = format!("accept connections broker={victim} ");
            nodes.wait_for_line(*other, &reached);
        }
        let started = Instant::now();
        nodes.kill(victim);
        wait_until_not_counted_on(&nodes, victim, witness);
        let took = started.elapsed();
        println!("node {victim} was fenced {took:?} after its death");
        assert!(took < SESSION / 2, "{took:?}");
        nodes.start(victim);
        voice::wait_until_level(&nodes, &all);
    }
}

#[test]
fn a_broker_that_dies_before_a_new_controller_heard_of_it_is_fenced_long_before_its_session_ends() {
    let (mut nodes, leader, others) = at_work(57);
    let (victim, witness) = (others[0], others[1]);
    nodes.wait_for_line(witness, &format!("accept connections broker={victim} "));

    nodes.signal(victim, Signal::STOP);
    nodes.kill(leader);
    nodes.start(leader);
    voice::leader(&nodes, &[leader, witness]);
    // For so long the new controller looks after all brokers more closely.
    thread::sleep(Duration::from_secs(1));
    let killed_at = Instant::now();
    nodes.kill(victim);
    wait_until_not_counted_on(&nodes, victim, witness);

    let took = killed_at.elapsed();
    println!("node {victim} was fenced {took:?} after its death");
    assert!(took < SESSION / 3, "{took:?}");
}

fn wait_until_not_counted_on(nodes: &Nodes, victim: i32, witness: i32) {
    wait_for("the others count on it no more", || {
        let seen = metadata(nodes, witness)?;
        let counts = seen.brokers.iter().any(|broker| broker.node_id == victim);
        (!counts).then_some(())
    });
}

/// The default of broker.session.timeout.ms.
const SESSION: Duration = Duration::from_secs(9);

#[test]
fn more_replicas_than_brokers_are_refused() {
    let mut nodes = Nodes::combined(52, &OURS, &[]).expect("they are ours");
    nodes.start_all();

    let code = create(&nodes, 1, "four", 1, 4);

    assert_eq!(code, ErrorCode::INVALID_REPLICATION_FACTOR);
}

fn brokers_serve_topics_of(controllers: Maker, brokers: Maker, test: u8) {
    let nodes = Nodes::with_brokers(test, &[controllers], &[brokers, brokers], &[]);
    let Some(mut nodes) = nodes else { return };
    nodes.start_all();
    voice::leader(&nodes, &[1]);
    assert_eq!(create(&nodes, 2, "shared", 4, 1), ErrorCode::NONE);
    wait_for("both brokers know it", || {
        let knows = |id| metadata(&nodes, id).is_some_and(|seen| seen.topics.len() == 1);
        (knows(2) && knows(3)).then_some(())
    });
    produce(&nodes, &[2, 3], "shared", 200);
    assert_eq!(
        consume(&nodes, &[2, 3], "readers", "shared", 200),
        written(200)
    );
}

#[test]
fn brokers_of_apaches_follow_a_controller_of_ours() {
    brokers_serve_topics_of(Maker::Ours, Maker::Apache, 53);
}

#[test]
fn brokers_of_ours_register_with_a_controller_of_apaches() {
    brokers_serve_topics_of(Maker::Apache, Maker::Ours, 54);
}

#[test]
fn brokers_of_ours_are_apart_from_their_controllers() {
    brokers_serve_topics_of(Maker::Ours, Maker::Ours, 55);
}
