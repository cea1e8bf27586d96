//! Topics of the loads: created, and waited for until their partitions are as they should be.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::metadata::MetadataPartition;
use rdkafka::producer::{BaseProducer, Producer as _};

use crate::load::{LIMIT, config};

/// Creates `topic`, of which there is one replica, and waits until it has leaders.
pub fn create_single(bootstrap: &str, topic: &str, partitions: i32) {
    create_with(bootstrap, topic, (partitions, 1), &[]);
}

/// As [`create_single`], with so many partitions of so many replicas, and settings of its own.
pub fn create_with(
    bootstrap: &str,
    topic: &str,
    (partitions, replicas): (i32, i32),
    settings: &[(&str, &str)],
) {
    let replication = TopicReplication::Fixed(replicas);
    let new = NewTopic::new(topic, partitions, replication);
    let new = settings
        .iter()
        .fold(new, |new, (name, value)| new.set(name, value));
    create_new(bootstrap, &new);
}

/// Where the replicas of a topic are.
#[derive(Clone, Copy)]
pub enum Layout {
    /// So many partitions of so many replicas, where the cluster puts them.
    Spread(i32, i32),
    /// A leader, and so many partitions, each with replicas on the nodes 1 to the last number.
    LedBy(i32, i32, i32),
}

/// Creates `topic`, which needs two replicas in sync, and waits until it has leaders.
pub fn create(bootstrap: &str, topic: &str, layout: Layout) {
    let (partitions, leader, nodes) = match layout {
        Layout::Spread(partitions, replicas) => {
            let settings = [("min.insync.replicas", "2")];
            return create_with(bootstrap, topic, (partitions, replicas), &settings);
        }
        Layout::LedBy(leader, partitions, nodes) => (partitions, leader, nodes),
    };
    let mut replicas: Vec<i32> = (1..=nodes).collect();
    replicas.sort_by_key(|id| *id != leader);
    let assignment: Vec<&[i32]> = (0..partitions).map(|_| replicas.as_slice()).collect();
    let replication = TopicReplication::Variable(&assignment);
    let new = NewTopic::new(topic, partitions, replication);
    create_new(bootstrap, &new.set("min.insync.replicas", "2"));
}

fn create_new(bootstrap: &str, new: &NewTopic<'_>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let admin: AdminClient<DefaultClientContext> =
        config(bootstrap).create().expect("valid settings");
    let options = AdminOptions::new()
        .operation_timeout(Some(LIMIT))
        .request_timeout(Some(LIMIT));
    let created = runtime
        .block_on(admin.create_topics([new], &options))
        .expect("the broker answers");
    assert!(created[0].is_ok(), "{created:?}");
    let wanted = usize::try_from(new.num_partitions).expect("few");
    wait_until_all(bootstrap, new.name, wanted, |partition| {
        partition.leader() >= 0
    });
}

/// Waits until all partitions of the topics have so many replicas in sync.
pub fn wait_until_in_sync(bootstrap: &str, topics: &[&str], replicas: i32) {
    let wanted = usize::try_from(replicas).expect("few");
    for topic in topics {
        wait_until_all(bootstrap, topic, 1, |partition| {
            partition.isr().len() == wanted
        });
    }
}

/// Waits until all partitions of the topic have leaders that are not `former`.
pub fn wait_until_led_by_others(bootstrap: &str, topic: &str, former: i32) {
    wait_until_all(bootstrap, topic, 1, |partition| {
        partition.leader() >= 0 && partition.leader() != former
    });
}

/// Waits until the topic has at least so many partitions, all of which are as they should be.
fn wait_until_all(
    bootstrap: &str,
    topic: &str,
    least: usize,
    is_right: impl Fn(&MetadataPartition) -> bool,
) {
    let client: BaseProducer = config(bootstrap)
        .set("log_level", "0")
        .create()
        .expect("valid settings");
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        let answer = client
            .client()
            .fetch_metadata(Some(topic), Duration::from_secs(5));
        // A node that was just stopped or killed answers nothing; the next one is asked.
        if let Ok(metadata) = answer {
            let partitions = metadata.topics()[0].partitions();
            if partitions.len() >= least && partitions.iter().all(&is_right) {
                return;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{topic} has not become what it should be");
}
