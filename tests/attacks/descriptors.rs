//! What answers hold that are sent from files: others have descriptors, too.

use std::time::{Duration, Instant};

use broker::model::Offset;
use broker::protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::protocol::{ErrorCode, Str};
use broker::records::{BatchBuilder, NewRecord};

use crate::victim::{Victim, within};
use crate::wire::{Wire, create_topic, encoded};

/// Files of logs that the broker has open at a time. Answers may hold half of them.
const OPEN_FILES: &str = "200";
const PARTITIONS: i32 = 400;
/// How many ask for records of all partitions and read none.
const DEAF: i32 = 100;

fn fill(address: &str) {
    let mut builder = BatchBuilder::new(Offset::ZERO);
    builder.append(NewRecord {
        // More than the system takes of an answer that is not read.
        value: Some(&[7; 100_000]),
        ..NewRecord::default()
    });
    let records = builder.build();
    let mut peer = Wire::connect(address);
    for first in (0..PARTITIONS).step_by(100) {
        let data = |index| PartitionProduceData {
            index,
            records: Some(records.clone()),
        };
        let request = ProduceRequest {
            acks: 1,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                name: Str::from_static("target"),
                partition_data: (first..first + 100).map(data).collect(),
                ..TopicProduceData::default()
            }],
            ..ProduceRequest::default()
        };
        for answer in &peer.call(&request, 9).responses[0].partition_responses {
            assert_eq!(answer.error_code, ErrorCode::NONE);
        }
    }
}

fn fetch(partitions: impl Iterator<Item = i32>) -> FetchRequest {
    let partition = |partition| FetchPartition {
        partition,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    FetchRequest {
        replica_id: -1,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 50 << 20,
        topics: vec![FetchTopic {
            topic: "target".into(),
            partitions: partitions.map(partition).collect(),
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    }
}

#[test]
fn records_that_nobody_reads_leave_descriptors_to_others() {
    let settings = [
        ("open.files.max", OPEN_FILES),
        ("socket.send.buffer.bytes", "16384"),
    ];
    let victim = Victim::start_with(&settings);
    create_topic(victim.address(), "target", PARTITIONS);
    fill(victim.address());
    let witness = victim.witness();
    // Each begins elsewhere, so that all together want all files.
    let _deaf: Vec<Wire> = (0..DEAF)
        .map(|n| {
            let begin = n * PARTITIONS / DEAF;
            let all = (begin..begin + PARTITIONS).map(|it| it % PARTITIONS);
            let ip = [127, 0, 0, 2 + (n % 2) as u8];
            let mut peer = Wire::deaf(ip, victim.address()).expect("there is a place");
            peer.send_what_fits(&encoded(&fetch(all), 6).repeat(2));
            peer
        })
        .collect();
    let mut honest = Wire::connect(victim.address());
    let mut longest = Duration::ZERO;
    for partition in 0..PARTITIONS {
        let begin = Instant::now();
        loop {
            let answer = honest.call(&fetch(std::iter::once(partition)), 6);
            let answer = &answer.responses[0].partitions[0];
            assert_eq!(answer.error_code, ErrorCode::NONE);
            if !answer.records.is_empty() {
                break;
            }
        }
        longest = longest.max(begin.elapsed());
    }
    witness.finish("records that nobody reads");
    println!("records that nobody reads: others had theirs after {longest:?} at the most");
    assert!(longest < within(Duration::from_secs(2)));
}
