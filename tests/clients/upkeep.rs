//! What happens to logs by itself: retention deletes, and damage is found.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::time::Instant;

use rdkafka::Offset;
use rdkafka::producer::BaseRecord;

use crate::client::{LIMIT, consumer, flush, producer, receive, watermarks};
use crate::support::Broker;

/// Sends `count` messages of 1 KiB, a few in each batch.
fn fill(broker: &Broker, topic: &str, count: usize) {
    let producer = producer(broker, &[("batch.num.messages", "100")]);
    let payload = "x".repeat(1024);
    for _ in 0..count {
        let record = BaseRecord::<(), str>::to(topic)
            .partition(0)
            .payload(&payload);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("the queue has room");
    }
    flush(&producer);
}

#[test]
fn retention_by_size_moves_the_beginning_and_removes_the_files() {
    let broker = Broker::start_with(&[
        ("log.segment.bytes", "1048576"),
        ("log.retention.bytes", "2097152"),
        ("log.retention.check.interval.ms", "100"),
        ("log.segment.delete.delay.ms", "0"),
    ]);
    fill(&broker, "shrinking", 6 * 1024);

    let started = Instant::now();
    let folder = broker.data_dir().join("shrinking-0");
    while watermarks(&broker, "shrinking", 0).0 == 0
        || folder.join("00000000000000000000.log").exists()
    {
        assert!(
            started.elapsed() < LIMIT,
            "nothing is deleted: {}",
            broker.log()
        );
    }
    let (first, next) = watermarks(&broker, "shrinking", 0);

    assert_eq!(next, 6 * 1024);
    assert!((1..=4 * 1024 + 200).contains(&first), "{first}");
    let received = receive(&consumer(&broker, "shrinking", 0, Offset::Beginning), 10);
    assert!(received[0].offset >= first);
}

#[test]
fn damage_below_the_recovery_point_takes_its_partition_offline_and_no_other() {
    let mut broker = Broker::start_with(&[
        ("log.segment.bytes", "1048576"),
        ("scrub.interval.ms", "1000"),
        ("scrub.max.bytes.per.second", "1073741824"),
    ]);
    fill(&broker, "damaged", 3 * 1024);
    fill(&broker, "whole", 10);
    broker.stop();
    let segment = broker.data_dir().join("damaged-0/00000000000000000000.log");
    let file = fs::OpenOptions::new()
        .write(true)
        .open(segment)
        .expect("the segment is there");
    file.write_all_at(b"?", 500_000).expect("it can be damaged");

    broker.start_again();
    let line = broker.wait_until_logged("partition is offline");

    assert!(line.contains("damaged-0"), "{line}");
    assert_eq!(watermarks(&broker, "whole", 0), (0, 10));
    receive(&consumer(&broker, "whole", 0, Offset::Beginning), 10);
}
