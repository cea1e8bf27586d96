//! Metadata snapshots and restarts: what was created, written and committed after a snapshot is there,
//! and a metadata log that went back in time costs no data.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::producer::BaseRecord;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{LIMIT, config, consumer, flush, producer, receive, watermarks};
use crate::support::Broker;

const SNAPSHOT_INTERVAL: &str = "metadata.log.max.snapshot.interval.ms";
const OFTEN: &str = "1";
/// No snapshot comes within a test.
const RARELY: &str = "3600000";

fn broker() -> Broker {
    Broker::start_with(&[
        (SNAPSHOT_INTERVAL, OFTEN),
        ("group.initial.rebalance.delay.ms", "0"),
        ("offsets.topic.num.partitions", "2"),
    ])
}

fn write(broker: &Broker, topic: &str, count: usize) {
    let sending = producer(broker, &[]);
    for n in 0..count {
        let value = n.to_string();
        let record = BaseRecord::<(), str>::to(topic)
            .partition(0)
            .payload(&value);
        sending.send(record).map_err(|(error, _)| error).unwrap();
    }
    flush(&sending);
}

fn committer(broker: &Broker, group: &str) -> BaseConsumer {
    let mut config = config(broker, &[("enable.auto.commit", "false")]);
    config.set("group.id", group);
    config.create().expect("the settings are librdkafka's")
}

fn commit(broker: &Broker, group: &str, topic: &str, offset: i64) {
    let mut offsets = TopicPartitionList::new();
    offsets
        .add_partition_offset(topic, 0, Offset::Offset(offset))
        .unwrap();
    committer(broker, group)
        .commit(&offsets, CommitMode::Sync)
        .expect("the offset is committed");
}

fn committed(broker: &Broker, group: &str, topic: &str) -> Offset {
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, 0);
    let found = committer(broker, group)
        .committed_offsets(asked, LIMIT)
        .expect("the offset is told");
    found.elements()[0].offset()
}

/// The ends of the snapshots in the metadata folder, ascending.
fn snapshots(broker: &Broker) -> Vec<u64> {
    let folder = broker.data_dir().join("__cluster_metadata-0");
    let entries = fs::read_dir(folder).expect("there is a metadata log");
    let mut ends: Vec<u64> = entries
        .filter_map(|entry| {
            let name = entry.expect("the folder can be read").file_name();
            let end = name.to_str()?.strip_suffix(".checkpoint")?;
            end.split('-').next()?.parse().ok()
        })
        .collect();
    ends.sort_unstable();
    ends
}

/// Waits for a snapshot that is newer than all that are there.
fn await_snapshot(broker: &Broker) {
    let newest = snapshots(broker).last().copied();
    let deadline = Instant::now() + LIMIT;
    while snapshots(broker).last().copied() <= newest {
        assert!(Instant::now() < deadline, "no snapshot after {newest:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn strays(broker: &Broker) -> Vec<String> {
    let entries = fs::read_dir(broker.data_dir()).expect("the data directory can be read");
    let names = entries.map(|entry| entry.expect("it can be read").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.ends_with("-stray"))
        .collect()
}

/// Makes a topic with as many messages as its number says, and commits half of them.
fn make(broker: &Broker, number: usize) {
    let topic = format!("t-{number}");
    write(broker, &topic, 2 * number + 2);
    commit(broker, "readers", &topic, number as i64);
}

fn check(broker: &Broker, number: usize) {
    let (topic, count) = (format!("t-{number}"), 2 * number + 2);
    assert_eq!(watermarks(broker, &topic, 0), (0, count as i64), "{topic}");
    let reading = consumer(broker, &topic, 0, Offset::Beginning);
    for (message, n) in receive(&reading, count).into_iter().zip(0..) {
        assert_eq!(message.value, Some(n.to_string()), "{topic}");
    }
    let offset = Offset::Offset(number as i64);
    assert_eq!(committed(broker, "readers", &topic), offset, "{topic}");
}

/// Each round makes two topics, one after the other, and ends with a restart. The round's newest
/// snapshot stands before both, between them, or after both.
fn survives(restart: impl Fn(&mut Broker)) {
    const TOPICS: usize = 2;
    let mut broker = broker();
    for (round, place) in (0..=TOPICS).enumerate() {
        for step in 0..=TOPICS {
            if step == place {
                await_snapshot(&broker);
                broker.set(SNAPSHOT_INTERVAL, RARELY);
                restart(&mut broker);
            }
            if step < TOPICS {
                make(&broker, round * TOPICS + step);
            }
        }
        let newest = snapshots(&broker);
        broker.set(SNAPSHOT_INTERVAL, RARELY);
        restart(&mut broker);
        assert_eq!(snapshots(&broker), newest, "no snapshot came in between");
        (0..(round + 1) * TOPICS).for_each(|number| check(&broker, number));
        assert_eq!(strays(&broker), Vec::<String>::new());
        broker.set(SNAPSHOT_INTERVAL, OFTEN);
        restart(&mut broker);
    }
}

#[test]
fn what_came_after_a_snapshot_is_there_after_a_stop() {
    survives(|broker| {
        assert!(broker.stop().status.success());
        broker.start_again();
    });
}

#[test]
fn what_came_after_a_snapshot_is_there_after_a_kill() {
    survives(Broker::crash_and_restart);
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_metadata_log_that_is_older_than_the_replicas_stops_the_broker_and_costs_nothing() {
    let mut broker = Broker::start();
    write(&broker, "before", 1);
    broker.stop();
    let metadata = broker.data_dir().join("__cluster_metadata-0");
    let (old, new) = (
        broker.directory().join("old"),
        broker.directory().join("new"),
    );
    copy_folder(&metadata, &old);
    broker.start_again();
    write(&broker, "after", 3);
    broker.kill();
    fs::rename(&metadata, &new).unwrap();
    fs::rename(&old, &metadata).unwrap();

    let refused = broker.spawn().wait(LIMIT);

    assert!(!refused.status.success());
    assert!(
        refused.output.contains("remove the file .applied-metadata"),
        "{}",
        refused.output
    );
    assert_eq!(strays(&broker), Vec::<String>::new());
    fs::remove_dir_all(&metadata).unwrap();
    fs::rename(&new, &metadata).unwrap();
    broker.start_again();
    assert_eq!(watermarks(&broker, "after", 0), (0, 3));
}

#[test]
fn a_stray_folder_with_records_is_told_of_and_can_be_given_back() {
    let mut broker = Broker::start();
    write(&broker, "t", 3);
    broker.stop();
    let folder = broker.data_dir().join("t-0");
    let stray = broker.data_dir().join(format!("t-0.{:032x}-stray", 7));
    fs::rename(&folder, &stray).unwrap();

    broker.start_again();
    let log = broker.log();
    assert!(
        log.contains("a stray folder holds records that are not served"),
        "{log}"
    );
    assert_eq!(watermarks(&broker, "t", 0), (0, 0));
    broker.stop();
    fs::remove_dir_all(&folder).unwrap();
    fs::rename(&stray, &folder).unwrap();
    broker.start_again();

    assert_eq!(watermarks(&broker, "t", 0), (0, 3));
    assert_eq!(
        receive(&consumer(&broker, "t", 0, Offset::Beginning), 3).len(),
        3
    );
}
