//! A broker that stops in order: its partitions are led by others before it is gone, and clients hardly
//! notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use broker::model::{Offset, Uuid};
use broker::protocol::ErrorCode;
use broker::protocol::messages::metadata::MetadataResponseTopic;
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::records::{BatchBuilder, NewRecord};
use rustix::process::Signal;

use crate::nodes::{Maker, Nodes};
use crate::topics;
use crate::voice::{self, ask, wait_for};

const OURS: [Maker; 3] = [Maker::Ours; 3];
const TOPIC: &str = "many";
/// Far below the interval of heartbeats (2 s), by which all brokers would tell that they have seen who
/// leads in place of the one that stops.
const SOON: Duration = Duration::from_millis(1500);
/// How many partitions each broker leads; `LED=1000` measures more.
const LED: i32 = 20;

fn led() -> i32 {
    let led = std::env::var("LED").ok();
    led.and_then(|led| led.parse().ok()).unwrap_or(LED)
}

fn topic(nodes: &Nodes, id: i32) -> Option<MetadataResponseTopic> {
    topics::find(&nodes.bootstrap(id), TOPIC)
}

fn create(nodes: &Nodes, partitions: i32) {
    let settings = [("min.insync.replicas", "2")];
    let code = topics::create(&nodes.bootstrap(1), TOPIC, (partitions, 3), &settings);
    // Of very many folders the answer may come late; whether all are in sync is seen below.
    if let Some(code) = code {
        assert!([ErrorCode::NONE, ErrorCode::REQUEST_TIMED_OUT].contains(&code));
    }
}

/// Offers messages to all brokers in turn until told to stop, and waits for each to be acknowledged by all
/// in-sync replicas or refused. The longest time between two that were acknowledged.
///
/// A client waits for longer, as it pauses between tries; that says nothing of the brokers.
fn longest_gap(
    addresses: &[String],
    topic_id: Uuid,
    partition: i32,
    stop: &AtomicBool,
) -> Duration {
    let mut batch = BatchBuilder::new(Offset::ZERO);
    batch.append(NewRecord::default());
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 5_000,
        topic_data: vec![TopicProduceData {
            topic_id,
            partition_data: vec![PartitionProduceData {
                index: partition,
                records: Some(batch.build()),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    let (mut longest, mut last) = (Duration::ZERO, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        for address in addresses {
            let answer = ask(address, &request);
            let code = answer.map(|it| it.responses[0].partition_responses[0].error_code);
            if code == Some(ErrorCode::NONE) {
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
        }
    }
    longest.max(last.elapsed())
}

#[test]
fn a_broker_that_stops_hands_its_partitions_over_at_once() {
    // A follower that asks the next leader too early pauses, and would be most of what is measured.
    let settings = [("replica.fetch.backoff.ms", "20")];
    let mut nodes = Nodes::combined(77, &OURS, &settings).expect("they are ours");
    nodes.start_all();
    let count = 3 * led();
    create(&nodes, count);
    let in_sync = |nodes: &Nodes, id: i32| {
        wait_for("all replicas in sync", || {
            let topic = topic(nodes, id)?;
            let mut all = topic.partitions.iter();
            let is_whole = topic.partitions.len() == count as usize;
            (is_whole && all.all(|it| it.isr_nodes.len() == 3)).then_some(topic)
        })
    };
    let created = in_sync(&nodes, 1);
    let controller = voice::leader(&nodes, &nodes.ids());
    let addresses: Vec<String> = nodes.ids().iter().map(|id| nodes.bootstrap(*id)).collect();
    for victim in [1 + controller % 3, controller] {
        let led = created.partitions.iter();
        let led: Vec<_> = led.filter(|it| it.leader_id == victim).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let sending = {
            let (addresses, stop) = (addresses.clone(), Arc::clone(&stop));
            let (topic_id, partition) = (created.topic_id, led[0].partition_index);
            thread::spawn(move || longest_gap(&addresses, topic_id, partition, &stop))
        };

        let begun = Instant::now();
        let output = nodes.stop(victim);
        let took = begun.elapsed();
        stop.store(true, Ordering::Relaxed);
        let longest = sending.join().expect("no panic");

        let led = led.len();
        println!(
            "broker {victim}, which led {led}, stopped in {took:?}, the controller being \
             {controller}; the longest time without an acknowledgement: {longest:?}"
        );
        assert!(!output.contains("did not take over in time"), "{output}");
        assert!(longest < SOON, "{longest:?}");
        nodes.start(victim);
        in_sync(&nodes, victim);
    }
}

#[test]
fn three_nodes_that_are_told_to_stop_at_once_wait_for_nobody() {
    let mut nodes = Nodes::combined(78, &OURS, &[]).expect("they are ours");
    nodes.start_all();
    let all = nodes.ids();
    voice::write(&nodes, &all, 1);
    voice::wait_until_level(&nodes, &all);

    let begun = Instant::now();
    for id in &all {
        nodes.signal(*id, Signal::TERM);
    }
    for id in &all {
        let output = nodes.ended(*id);
        println!("node {id} has ended after {:?}", begun.elapsed());
        assert!(output.contains("stopped"), "{output}");
    }
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
}
