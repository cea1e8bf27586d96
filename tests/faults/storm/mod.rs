//! Admin requests at random, from a seed, while nodes are killed and cut off: in the end all brokers say the
//! same of all topics, and nothing that what was acknowledged does not allow.
//!
//! `STORM_SECONDS=600 FAULTS_SEED=7 cargo test --release --test faults storm -- --nocapture` for longer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use broker::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use broker::protocol::messages::list_partition_reassignments::ListPartitionReassignmentsRequest;

use self::model::{Model, Topic};
use self::requests::{Change, RETENTION, TOPIC_RESOURCE, ask_for};
use crate::cluster::{Cluster, NODES};
use crate::long::{harm, number};
use crate::random::Random;
use crate::short::run;
use crate::voice::{self, ask};

mod model;
pub mod requests;

/// How long it takes if nobody says.
const DEFAULT_SECONDS: u64 = 60;
/// How many topics there may be at a time whose state is known.
const NAMES: usize = 12;

#[test]
fn a_storm_of_admin_requests_leaves_what_it_was_told() {
    let seconds = number("STORM_SECONDS").unwrap_or(DEFAULT_SECONDS);
    let seed = number("FAULTS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("FAULTS_SEED={seed} STORM_SECONDS={seconds}");
    let settings = [("log.segment.delete.delay.ms", "500")];
    let Some(mut cluster) = Cluster::in_memory(60, &settings) else {
        return;
    };
    cluster.start();
    run(&mut cluster, |cluster, workload| {
        let nodes = NODES.map(|id| cluster.nodes.bootstrap(id));
        let has_ended = AtomicBool::new(false);
        let model = thread::scope(|scope| {
            let admin = scope.spawn(|| administer(&nodes, seed, &has_ended));
            let mut random = Random::new(seed);
            let deadline = Instant::now() + Duration::from_secs(seconds);
            while Instant::now() < deadline {
                harm(cluster, &mut random);
                thread::sleep(random.millis(500..3_000));
                cluster.heal();
                thread::sleep(random.millis(500..5_000));
            }
            has_ended.store(true, Ordering::Relaxed);
            admin.join().expect("the admin's thread ends")
        });
        cluster.wait_until_in_sync();
        workload.wait_for_acks(1);
        let (names, open) = model.counts();
        println!("{names} names, the fate of {open} is open");
        assert_settles(cluster, &model);
        voice::wait_until_level(&cluster.nodes, &NODES);
    });
}

/// Asks one node or another for changes until all is over.
fn administer(nodes: &[String; 3], seed: u64, has_ended: &AtomicBool) -> Model {
    let mut random = Random::new(!seed);
    let mut model = Model::default();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    while !has_ended.load(Ordering::Relaxed) {
        let name = model.name(random.below(NAMES), NAMES);
        let change = change(&mut random, model.topic(&name));
        let outcome = ask_for(&nodes[random.below(3)], &name, &change);
        model.note(&name, &change, outcome);
        let kind = format!("{change:?}");
        let kind = kind.split(' ').next().expect("a word");
        *counts.entry(format!("{kind} {outcome:?}")).or_default() += 1;
    }
    println!("{counts:?}");
    let done = counts.iter().filter(|(what, _)| what.ends_with("Done"));
    let done: usize = done.map(|(_, count)| count).sum();
    assert!(done > 20, "only {done} requests had an effect");
    model
}

/// A change that a topic, or the lack of one, allows.
fn change(random: &mut Random, topic: Option<&Topic>) -> Change {
    let Some(topic) = topic else {
        return Change::Create {
            partitions: 1 + random.below(4) as i32,
            replicas: 2 + random.below(2) as i16,
        };
    };
    let partition = random.below(topic.partitions as usize) as i32;
    match random.below(10) {
        0 | 1 => Change::Delete,
        2 | 3 => Change::Grow {
            partitions: topic.partitions + 1 + random.below(2) as i32,
        },
        4 | 5 => Change::Keep {
            retention: 3_600_000 + random.below(1_000_000) as i64,
        },
        6 | 7 => {
            let mut replicas = NODES.to_vec();
            replicas.rotate_left(random.below(3));
            replicas.truncate(1 + random.below(3));
            Change::Move {
                partition,
                replicas,
            }
        }
        8 => Change::DeleteRecords { partition },
        _ => Change::Elect { partition },
    }
}

/// Waits until nothing moves any more, and all nodes say the same, which the model allows; and until each has
/// folders of what it should have, and no others.
fn assert_settles(cluster: &Cluster, model: &Model) {
    let deadline = Instant::now() + voice::PATIENCE;
    loop {
        let complaints = complaints(cluster, model);
        if complaints.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{complaints:#?}");
        thread::sleep(Duration::from_millis(200));
    }
}

fn complaints(cluster: &Cluster, model: &Model) -> Vec<String> {
    let request = ListPartitionReassignmentsRequest::default();
    match ask(&cluster.nodes.bootstrap(1), &request) {
        Some(answer) if answer.topics.is_empty() => {}
        moving => return vec![format!("still moving: {moving:?}")],
    }
    let mut complaints = Vec::new();
    let mut first = None;
    for id in NODES {
        let Some(Seen { topics, replicas }) = seen(cluster, id) else {
            return vec![format!("{id} says nothing")];
        };
        complaints.extend(model.complaints(&topics));
        if *first.get_or_insert_with(|| replicas.clone()) != replicas {
            complaints.push(format!("{id} says {replicas:?}, another {first:?}"));
        }
        let wanted: BTreeSet<String> = replicas
            .into_iter()
            .filter(|(_, replicas)| replicas.contains(&id))
            .map(|(folder, _)| folder)
            .collect();
        let found = folders(cluster, id);
        for orphan in found.difference(&wanted) {
            complaints.push(format!("{id} has {orphan}"));
        }
        for missing in wanted.difference(&found) {
            complaints.push(format!("{id} lacks {missing}"));
        }
    }
    complaints
}

/// What a node says of all topics.
struct Seen {
    /// Those of the storm.
    topics: BTreeMap<String, Topic>,
    /// The replicas of all partitions, by their folders' names.
    replicas: BTreeMap<String, Vec<i32>>,
}

fn seen(cluster: &Cluster, id: i32) -> Option<Seen> {
    let mut topics = BTreeMap::new();
    let mut all = BTreeMap::new();
    for topic in cluster.metadata(id)?.topics {
        let name = topic.name?.to_string();
        let replicas: BTreeMap<i32, Vec<i32>> = topic
            .partitions
            .into_iter()
            .map(|it| (it.partition_index, it.replica_nodes))
            .collect();
        let folders = replicas.iter();
        all.extend(folders.map(|(index, them)| (format!("{name}-{index}"), them.clone())));
        if name.starts_with("storm-") {
            let topic = Topic {
                partitions: i32::try_from(replicas.len()).expect("few"),
                retention: retention(&cluster.nodes.bootstrap(id), &name)?,
                replicas,
            };
            topics.insert(name, topic);
        }
    }
    Some(Seen {
        topics,
        replicas: all,
    })
}

/// A topic's own `retention.ms`, if it has one; the outer `None` is no answer.
fn retention(node: &str, name: &str) -> Option<Option<i64>> {
    /// The config is the topic's own.
    const DYNAMIC_TOPIC: i8 = 1;
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: name.to_owned().into(),
            configuration_keys: Some(vec![RETENTION.into()]),
        }],
        ..DescribeConfigsRequest::default()
    };
    let answer = ask(node, &request)?.results.into_iter().next()?;
    let config = answer.configs.into_iter().next()?;
    let is_own = config.config_source == DYNAMIC_TOPIC;
    let own = config.value.filter(|_| is_own);
    Some(own.map(|value| value.parse().expect("a number")))
}

/// The folders of partitions that a node has, and of what is left of some. What was deleted while the node was
/// down is kept for its operator, as a stray.
fn folders(cluster: &Cluster, id: i32) -> BTreeSet<String> {
    let entries = cluster.nodes.data_dirs(id).into_iter();
    let entries = entries.filter_map(|dir| fs::read_dir(dir).ok()).flatten();
    let folders = entries
        .map_while(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir()));
    folders
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "__cluster_metadata-0" && !name.ends_with("-stray"))
        .collect()
}
