//! A broker that stops in order: its partitions are led by others before it is gone, and clients hardly
//! notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use broker::protocol::ErrorCode;
use broker::protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use broker::protocol::messages::metadata::{MetadataRequest, MetadataResponsePartition};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::nodes::{Maker, Nodes};
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

fn partitions(nodes: &Nodes, id: i32) -> Option<Vec<MetadataResponsePartition>> {
    let request = MetadataRequest {
        topics: None,
        ..MetadataRequest::default()
    };
    let answer = ask(&nodes.bootstrap(id), &request)?;
    let mut topics = answer.topics.into_iter();
    let topic = topics.find(|topic| topic.name.as_deref() == Some(TOPIC))?;
    Some(topic.partitions)
}

fn create(nodes: &Nodes, partitions: i32) {
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: TOPIC.into(),
            num_partitions: partitions,
            replication_factor: 3,
            configs: vec![CreatableTopicConfig {
                name: "min.insync.replicas".into(),
                value: Some("2".into()),
            }],
            ..CreatableTopic::default()
        }],
        timeout_ms: 60_000,
        validate_only: false,
    };
    let answer = ask(&nodes.bootstrap(1), &request);
    // Of very many folders the answer may come late; whether all are in sync is seen below.
    if let Some(answer) = answer {
        let code = answer.topics[0].error_code;
        assert!([ErrorCode::NONE, ErrorCode::REQUEST_TIMED_OUT].contains(&code));
    }
}

/// Sends one message after the other to a partition until told to stop, each when the one before is
/// acknowledged. The longest time that one took.
fn longest_wait(bootstrap: &str, partition: i32, stop: &AtomicBool) -> Duration {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        .create()
        .expect("librdkafka's settings");
    let mut longest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let record = BaseRecord::<(), str>::to(TOPIC).payload("message");
        let begun = Instant::now();
        producer
            .send(record.partition(partition))
            .map_err(|(error, _)| error)
            .expect("room");
        producer.flush(voice::PATIENCE).expect("it is acknowledged");
        longest = longest.max(begun.elapsed());
    }
    longest
}

#[test]
fn a_broker_that_stops_hands_its_partitions_over_at_once() {
    let mut nodes = Nodes::combined(77, &OURS, &[("replication.factor.max", "3")]).expect("ours");
    nodes.start_all();
    let count = 3 * led();
    create(&nodes, count);
    let all = wait_for("all replicas in sync", || {
        let all = partitions(&nodes, 1)?;
        let mut in_sync = all.iter().filter(|it| it.isr_nodes.len() == 3);
        (in_sync.by_ref().count() == count as usize).then_some(all)
    });
    let controller = voice::leader(&nodes, &nodes.ids());
    let bootstrap: Vec<String> = nodes.ids().iter().map(|id| nodes.bootstrap(*id)).collect();
    for victim in [1 + controller % 3, controller] {
        let led: Vec<_> = all.iter().filter(|it| it.leader_id == victim).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let sending = {
            let (bootstrap, stop) = (bootstrap.join(","), Arc::clone(&stop));
            let partition = led[0].partition_index;
            thread::spawn(move || longest_wait(&bootstrap, partition, &stop))
        };
        thread::sleep(Duration::from_secs(1));

        let begun = Instant::now();
        let output = nodes.stop(victim);
        let took = begun.elapsed();

        thread::sleep(Duration::from_millis(500));
        stop.store(true, Ordering::Relaxed);
        let longest = sending.join().expect("no panic");
        let led = led.len();
        println!(
            "stopped broker {victim} (the controller is {controller}), which led {led}, in {took:?}; the longest wait for an acknowledgement: {longest:?}"
        );
        assert!(!output.contains("did not take over in time"), "{output}");
        assert!(
            took < SOON + Duration::from_millis(led as u64 * 3),
            "{took:?}"
        );
        assert!(longest < SOON, "{longest:?}");
        nodes.start(victim);
        wait_for("all replicas in sync", || {
            let all = partitions(&nodes, victim)?;
            let mut all = all.iter();
            all.all(|it| it.isr_nodes.len() == 3).then_some(())
        });
    }
}
