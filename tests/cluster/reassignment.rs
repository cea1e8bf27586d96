//! Replicas that move to other brokers: by AlterPartitionReassignments and by Apache Kafka's tool, at the rate
//! that is asked for, and while brokers die.

use std::fs;
use std::time::{Duration, Instant};

use broker::protocol::ErrorCode;
use broker::protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use broker::protocol::messages::list_partition_reassignments::ListPartitionReassignmentsRequest;

use crate::apache::Apache;
use crate::nodes::{Maker, Nodes};
use crate::replication::{
    TOPIC, create, leader_of_first, partitions, producer, read_all, send, wait_until_in_sync,
};
use crate::support::path_text;
use crate::topics;
use crate::voice::{PATIENCE, ask, wait_for};

/// Kafka's numbers for what has a config.
const BROKER: i8 = 4;
const TOPIC_RESOURCE: i8 = 2;
/// All brokers, as a name of a config.
const ALL: &str = "";

/// A controller, which is node 1, and four brokers.
fn four_brokers(test: u8) -> Nodes {
    let brokers = [Maker::Ours; 4];
    let mut nodes = Nodes::with_brokers(test, &[Maker::Ours], &brokers, &[]).expect("ours");
    nodes.start_all();
    nodes
}

/// Asks for other replicas of some partitions; `None` ends a move.
fn reassign(nodes: &Nodes, indexes: &[i32], replicas: Option<&[i32]>) -> Vec<ErrorCode> {
    let partitions = indexes.iter().map(|index| ReassignablePartition {
        partition_index: *index,
        replicas: replicas.map(<[i32]>::to_vec),
    });
    let request = AlterPartitionReassignmentsRequest {
        topics: vec![ReassignableTopic {
            name: TOPIC.into(),
            partitions: partitions.collect(),
        }],
        ..AlterPartitionReassignmentsRequest::default()
    };
    let answer = ask(&nodes.bootstrap(2), &request).expect("an answer");
    assert_eq!(answer.error_code, ErrorCode::NONE);
    let partitions = answer.responses[0].partitions.iter();
    partitions.map(|it| it.error_code).collect()
}

/// How many partitions are on their way.
fn moving(nodes: &Nodes) -> Option<usize> {
    let request = ListPartitionReassignmentsRequest::default();
    let answer = ask(&nodes.bootstrap(2), &request)?;
    assert_eq!(answer.error_code, ErrorCode::NONE);
    let topics = answer.topics.iter();
    Some(topics.map(|topic| topic.partitions.len()).sum())
}

/// Waits until nothing moves any more, and all partitions have these replicas, all in sync.
fn wait_until_moved(nodes: &Nodes, replicas: &[i32]) {
    wait_for("the end of the moves", || {
        (moving(nodes)? == 0).then_some(())?;
        let partitions = partitions(nodes, 2)?;
        let is_there = partitions
            .iter()
            .all(|it| it.replica_nodes == replicas && it.isr_nodes.len() == replicas.len());
        is_there.then_some(())
    });
}

/// Sets a config, or takes it away.
fn set(nodes: &Nodes, resource: (i8, &str), key: &str, value: Option<&str>) {
    topics::configure(&nodes.bootstrap(2), resource, key, value);
}

/// The folders of the topic's partitions on a node.
fn folders(nodes: &Nodes, id: i32) -> usize {
    let entries = fs::read_dir(nodes.data_dir(id)).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names = names.map(|name| name.to_string_lossy().into_owned());
    // What moved away while a broker was down is put aside there, as a stray.
    let is_live = |name: &str| {
        let is_kept = name.ends_with("-delete") || name.ends_with("-stray");
        name.starts_with(TOPIC) && !is_kept
    };
    names.by_ref().filter(|name| is_live(name)).count()
}

#[test]
fn partitions_move_while_brokers_die_and_nothing_is_lost() {
    let mut nodes = four_brokers(120);
    create(&nodes, 2, 3, "2");
    assert_eq!(
        reassign(&nodes, &[0, 1, 2], Some(&[2, 3, 4])),
        [ErrorCode::NONE; 3]
    );
    wait_until_moved(&nodes, &[2, 3, 4]);
    let (producer, outcomes) = producer(&nodes, &[("enable.idempotence", "true")]);
    let mut number = 0;
    let mut produce = |count: u64| {
        for _ in 0..count {
            send(&producer, number, (number % 3) as i32);
            number += 1;
        }
        number
    };
    produce(3_000);

    // The move begins while the broker is down that it goes to, and its leader dies in the midst of it.
    nodes.kill(5);
    assert_eq!(
        reassign(&nodes, &[0, 1, 2], Some(&[5, 4, 3])),
        [ErrorCode::NONE; 3]
    );
    produce(3_000);
    let leader = leader_of_first(&nodes, 3);
    nodes.kill(leader);
    produce(3_000);
    nodes.spawn(5);
    produce(3_000);
    nodes.wait_until_ready(5);
    nodes.start(leader);
    let sent = produce(3_000);
    producer_done(&producer);
    wait_until_moved(&nodes, &[5, 4, 3]);

    wait_for("nothing left where they were", || {
        (folders(&nodes, 2) == 0).then_some(())
    });
    let acknowledged = outcomes.0.lock().expect("no panic").0.len();
    assert_eq!(acknowledged as u64, sent);
    for partition in 0..3 {
        let of_partition = (0..sent).filter(|number| number % 3 == partition);
        let expected: Vec<String> = of_partition
            .map(|number| format!("message {number}"))
            .collect();
        let read = read_all(&nodes, partition as i32);
        assert_eq!(read, expected, "partition {partition}: in order, each once");
    }
}

fn producer_done(producer: &rdkafka::producer::ThreadedProducer<crate::replication::Outcomes>) {
    use rdkafka::producer::Producer as _;
    producer.flush(PATIENCE).expect("all is acknowledged");
}

#[test]
fn a_move_that_is_cancelled_leaves_the_replicas_as_they_were() {
    let mut nodes = four_brokers(121);
    create(&nodes, 2, 1, "1");
    assert_eq!(reassign(&nodes, &[0], Some(&[2, 3])), [ErrorCode::NONE]);
    wait_until_moved(&nodes, &[2, 3]);
    nodes.kill(5);
    assert_eq!(reassign(&nodes, &[0], Some(&[5, 4])), [ErrorCode::NONE]);
    assert_eq!(moving(&nodes), Some(1));

    assert_eq!(reassign(&nodes, &[0], None), [ErrorCode::NONE]);
    assert_eq!(moving(&nodes), Some(0));

    wait_until_moved(&nodes, &[2, 3]);
    wait_for("nothing left where it went", || {
        (folders(&nodes, 4) == 0).then_some(())
    });
    let none = ErrorCode::NO_REASSIGNMENT_IN_PROGRESS;
    assert_eq!(reassign(&nodes, &[0], None), [none]);
    let refused = ErrorCode::INVALID_REPLICA_ASSIGNMENT;
    for bad in [&[2, 2][..], &[2, 77], &[]] {
        assert_eq!(reassign(&nodes, &[0], Some(bad)), [refused], "{bad:?}");
    }
    assert_eq!(
        reassign(&nodes, &[9], Some(&[2])),
        [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]
    );
}

/// 9 MB on broker 2 alone.
fn nine_megabytes(nodes: &Nodes) {
    let code = topics::create(&nodes.bootstrap(2), TOPIC, (1, 1), &[]);
    assert_eq!(code, Some(ErrorCode::NONE));
    assert_eq!(reassign(nodes, &[0], Some(&[2])), [ErrorCode::NONE]);
    wait_until_moved(nodes, &[2]);
    let (producer, _) = producer(nodes, &[]);
    let value = vec![7; 10_000];
    for _ in 0..900 {
        let record = rdkafka::producer::BaseRecord::with_opaque_to(TOPIC, Box::new(0))
            .key("k")
            .payload(&value)
            .partition(0);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("room");
    }
    producer_done(&producer);
}

#[test]
fn a_throttled_move_takes_as_long_as_its_rate_says_and_a_higher_rate_counts_at_once() {
    for (test, side) in [(122, "leader"), (123, "follower")] {
        let nodes = four_brokers(test);
        nine_megabytes(&nodes);
        let rate = format!("{side}.replication.throttled.rate");
        let replicas = format!("{side}.replication.throttled.replicas");
        set(&nodes, (BROKER, ALL), &rate, Some("1500000"));
        set(&nodes, (TOPIC_RESOURCE, TOPIC), &replicas, Some("*"));

        let started = Instant::now();
        assert_eq!(reassign(&nodes, &[0], Some(&[3])), [ErrorCode::NONE]);
        wait_until_moved(&nodes, &[3]);

        // 9 MB, less one answer, and a quarter of a second.
        let took = started.elapsed();
        println!("{side}: 9 MB at 1.5 MB/s in {took:?}");
        assert!(took > Duration::from_millis(4_600), "{side}: {took:?}");
        assert!(took < Duration::from_secs(20), "{side}: {took:?}");

        set(&nodes, (BROKER, ALL), &rate, Some("0"));
        assert_eq!(reassign(&nodes, &[0], Some(&[4])), [ErrorCode::NONE]);
        wait_for("a folder where it goes", || {
            (folders(&nodes, 4) == 1).then_some(())
        });
        assert_eq!(moving(&nodes), Some(1), "nothing may pass");
        let raised = Instant::now();
        set(&nodes, (BROKER, ALL), &rate, None);
        wait_until_moved(&nodes, &[4]);
        println!("{side}: the rest in {:?}", raised.elapsed());
        assert!(raised.elapsed() < Duration::from_secs(5), "{side}");
    }
}

/// `kafka-reassign-partitions` of Apache Kafka, a cluster with a topic on brokers 2 and 3, and files for it.
struct Tool {
    apache: Apache,
    nodes: Nodes,
    directory: tempfile::TempDir,
}

impl Tool {
    fn start(test: u8) -> Option<Self> {
        let apache = Apache::find()?;
        let nodes = four_brokers(test);
        create(&nodes, 2, 2, "1");
        wait_until_in_sync(&nodes, 2, 3);
        let (producer, _) = producer(&nodes, &[]);
        for number in 0..100 {
            send(&producer, number, 0);
        }
        producer_done(&producer);
        let begun = reassign(&nodes, &[0, 1], Some(&[2, 3]));
        assert_eq!(begun, [ErrorCode::NONE; 2]);
        wait_until_moved(&nodes, &[2, 3]);
        let directory = tempfile::tempdir().expect("a directory");
        Some(Self {
            apache,
            nodes,
            directory,
        })
    }

    /// Writes a file, and returns its path.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.directory.path().join(name);
        fs::write(&path, text).expect("it can be written");
        path_text(&path).to_owned()
    }

    /// The output of the tool, which must succeed, and have said this.
    fn run(&self, arguments: &[&str], said: &str) -> String {
        const CLASS: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
        let bootstrap = self.nodes.bootstrap(2);
        let mut all = vec!["--bootstrap-server", &bootstrap];
        all.extend(arguments);
        let output = self.apache.run(CLASS, &all).expect_success();
        assert!(output.contains(said), "{output}");
        output
    }

    /// Has it plan a move of all to brokers 4 and 5. Returns the file with the plan.
    fn plan(&self) -> String {
        let wanted = format!(r#"{{"topics":[{{"topic":"{TOPIC}"}}],"version":1}}"#);
        let wanted = self.file("topics.json", &wanted);
        let generated = self.run(
            &[
                "--generate",
                "--topics-to-move-json-file",
                &wanted,
                "--broker-list",
                "4,5",
            ],
            "Proposed partition reassignment configuration",
        );
        let plan = generated.lines().last().expect("a plan");
        self.file("plan.json", plan)
    }
}

#[test]
fn the_tool_of_apache_kafka_plans_throttles_and_verifies_moves() {
    let Some(tool) = Tool::start(124) else { return };
    let plan = tool.plan();

    tool.run(
        &[
            "--execute",
            "--reassignment-json-file",
            &plan,
            "--throttle",
            "50000000",
        ],
        "Successfully started partition reassignments",
    );

    wait_for("the end of the moves", || {
        (moving(&tool.nodes)? == 0).then_some(())
    });
    let verify = ["--verify", "--reassignment-json-file", &plan];
    let verified = tool.run(&verify, "Clearing broker-level throttles");
    assert!(
        verified.contains("Clearing topic-level throttles"),
        "{verified}"
    );
    assert_eq!(verified.matches("is completed.").count(), 2, "{verified}");
    for partition in partitions(&tool.nodes, 2).expect("an answer") {
        let mut replicas = partition.replica_nodes;
        replicas.sort_unstable();
        assert_eq!(replicas, [4, 5]);
    }
}

#[test]
fn the_tool_of_apache_kafka_lists_and_cancels_moves() {
    let Some(tool) = Tool::start(125) else { return };
    // Nothing may pass, so the move cannot end.
    let (rate, replicas) = (
        "leader.replication.throttled.rate",
        "leader.replication.throttled.replicas",
    );
    set(&tool.nodes, (BROKER, ALL), rate, Some("0"));
    set(&tool.nodes, (TOPIC_RESOURCE, TOPIC), replicas, Some("*"));
    let wanted = format!(
        r#"{{"version":1,"partitions":[{{"topic":"{TOPIC}","partition":0,"replicas":[4,3]}}]}}"#
    );
    let wanted = tool.file("wanted.json", &wanted);
    let with_file = |what| [what, "--reassignment-json-file", &*wanted];

    tool.run(
        &with_file("--execute"),
        "Successfully started partition reassignment",
    );
    tool.run(&["--list"], &format!("{TOPIC}-0: replicas: 4,3,2."));
    tool.run(
        &with_file("--cancel"),
        "Successfully cancelled partition reassignment",
    );

    assert_eq!(moving(&tool.nodes), Some(0));
    let partitions = partitions(&tool.nodes, 2).expect("an answer");
    let mut replicas = partitions[0].replica_nodes.clone();
    replicas.sort_unstable();
    assert_eq!(replicas, [2, 3]);
}
