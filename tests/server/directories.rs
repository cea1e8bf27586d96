//! Several log directories: what the controller knows of them, moves between them, and the loss of one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use broker::model::{Offset, Timestamp};
use broker::network::{Client, ClientOptions};
use broker::protocol::messages::alter_replica_log_dirs::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest,
};
use broker::protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use broker::protocol::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest,
};
use broker::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use broker::protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponsePartition,
};
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::protocol::{ErrorCode, Str};
use broker::records::{BatchBuilder, NewRecord};

use crate::support::{Broker, path_text};

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A broker with two log directories, and a client of it.
struct Two {
    broker: Broker,
    client: Client,
}

impl Two {
    async fn start() -> Self {
        let mut broker = Broker::stopped(&[]);
        let dirs = ["one", "two"].map(|name| broker.directory().join(name));
        let dirs = dirs.map(|dir| path_text(&dir).to_owned()).join(",");
        broker.set("log.dirs", &dirs);
        broker.start_again();
        let client = connect(&broker).await;
        Self { broker, client }
    }

    async fn restart(&mut self) {
        self.broker.stop();
        self.broker.start_again();
        self.client = connect(&self.broker).await;
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.broker.directory().join(name)
    }

    async fn create(&mut self, name: &'static str, partitions: i32) {
        let topic = CreatableTopic {
            name: Str::from_static(name),
            num_partitions: partitions,
            replication_factor: 1,
            configs: vec![CreatableTopicConfig {
                name: Str::from_static("segment.bytes"),
                value: Some(Str::from_static("1048576")),
            }],
            ..CreatableTopic::default()
        };
        let create = CreateTopicsRequest {
            topics: vec![topic],
            ..CreateTopicsRequest::default()
        };
        let created = self.client.call(&create, 7).await.expect("it is answered");
        assert_eq!(created.topics[0].error_code, ErrorCode::NONE);
    }

    /// Writes `count` batches of 64 KiB: the first error.
    async fn write(&mut self, topic: &'static str, index: i32, count: usize) -> ErrorCode {
        let value = vec![b'x'; 64 << 10];
        for _ in 0..count {
            let mut builder = BatchBuilder::new(Offset(0));
            builder.append(NewRecord {
                timestamp: Timestamp(1_700_000_000_000),
                value: Some(&value),
                ..NewRecord::default()
            });
            let partition = PartitionProduceData {
                index,
                records: Some(builder.build()),
            };
            let request = ProduceRequest {
                acks: -1,
                timeout_ms: 10_000,
                topic_data: vec![TopicProduceData {
                    name: Str::from_static(topic),
                    partition_data: vec![partition],
                    ..TopicProduceData::default()
                }],
                ..ProduceRequest::default()
            };
            let answer = self.client.call(&request, 9).await.expect("it is answered");
            let code = answer.responses[0].partition_responses[0].error_code;
            if code.is_error() {
                return code;
            }
        }
        ErrorCode::NONE
    }

    async fn move_to(&mut self, topic: &'static str, dir: &Path) -> ErrorCode {
        let request = AlterReplicaLogDirsRequest {
            dirs: vec![AlterReplicaLogDir {
                path: Str::copy_from(path_text(dir)),
                topics: vec![AlterReplicaLogDirTopic {
                    name: Str::from_static(topic),
                    partitions: vec![0],
                }],
            }],
        };
        let answer = self.client.call(&request, 2).await.expect("it is answered");
        answer.results[0].partitions[0].error_code
    }

    /// The logs of a topic's first partition in a directory.
    async fn logs(&mut self, topic: &str, dir: &Path) -> Vec<DescribeLogDirsPartition> {
        let request = DescribeLogDirsRequest::default();
        let answer = self.client.call(&request, 4).await.expect("it is answered");
        let results = answer.results.into_iter();
        let dirs = results.filter(|it| Path::new(&*it.log_dir) == dir);
        let topics = dirs.flat_map(|dir| dir.topics);
        let wanted = topics.filter(|it| &*it.name == topic);
        let partitions = wanted.flat_map(|topic| topic.partitions);
        partitions.filter(|it| it.partition_index == 0).collect()
    }

    async fn end_offset(&mut self, topic: &'static str) -> i64 {
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic {
                name: Str::from_static(topic),
                partitions: vec![ListOffsetsPartition {
                    timestamp: -1,
                    ..ListOffsetsPartition::default()
                }],
            }],
            ..ListOffsetsRequest::default()
        };
        // OFFSET_NOT_AVAILABLE right after a start is to be tried again, as clients do.
        for _ in 0..1_000 {
            let answer = self.client.call(&request, 7).await.expect("it is answered");
            let partition = &answer.topics[0].partitions[0];
            if !partition.error_code.is_retriable() {
                return partition.offset;
            }
            tokio::task::yield_now().await;
        }
        panic!("{topic} has no end offset");
    }

    async fn metadata(&mut self, topic: &'static str) -> MetadataResponsePartition {
        let request = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                name: Some(Str::from_static(topic)),
                ..MetadataRequestTopic::default()
            }]),
            ..MetadataRequest::default()
        };
        let answer = self.client.call(&request, 9).await.expect("it is answered");
        let mut partitions = answer.topics.into_iter().flat_map(|it| it.partitions);
        partitions.next().expect("the topic is there")
    }

    /// Waits until the log is in `dir`, whole.
    async fn moved(&mut self, topic: &str, dir: &Path) {
        let started = Instant::now();
        loop {
            let logs = self.logs(topic, dir).await;
            if logs.iter().any(|log| !log.is_future_key) {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{logs:?}\n{}",
                self.broker.log()
            );
        }
    }

    /// Where the first partition of a topic is, and the other directory.
    fn found(&self, topic: &str) -> (PathBuf, PathBuf) {
        let (one, two) = (self.dir("one"), self.dir("two"));
        if one.join(format!("{topic}-0")).exists() {
            (one, two)
        } else {
            (two, one)
        }
    }
}

async fn connect(broker: &Broker) -> Client {
    Client::connect(broker.bootstrap(), ClientOptions::default())
        .await
        .expect("the broker listens")
}

#[tokio::test]
async fn a_replica_moves_with_all_it_has_and_is_written_meanwhile() {
    let mut two = Two::start().await;
    two.create("moving", 1).await;
    assert_eq!(two.write("moving", 0, 100).await, ErrorCode::NONE);
    let (from, to) = two.found("moving");

    assert_eq!(two.move_to("moving", &to).await, ErrorCode::NONE);
    assert_eq!(two.write("moving", 0, 20).await, ErrorCode::NONE);
    two.moved("moving", &to).await;
    assert_eq!(two.write("moving", 0, 5).await, ErrorCode::NONE);

    assert_eq!(two.end_offset("moving").await, 125);
    assert!(two.logs("moving", &from).await.is_empty());
    assert!(to.join("moving-0").exists() && !from.join("moving-0").exists());
    two.restart().await;
    assert_eq!(two.end_offset("moving").await, 125);
    let elsewhere = two.broker.directory().join("three");
    let unknown = two.move_to("moving", &elsewhere).await;
    assert_eq!(unknown, ErrorCode::LOG_DIR_NOT_FOUND);
    assert_eq!(two.move_to("moving", &from).await, ErrorCode::NONE);
    two.moved("moving", &from).await;
}

#[tokio::test]
async fn moves_that_are_begun_and_taken_back_again_and_again_do_not_fill_the_log() {
    let mut two = Two::start().await;
    two.create("moving", 1).await;
    assert_eq!(two.write("moving", 0, 1).await, ErrorCode::NONE);
    let dirs = [two.dir("one"), two.dir("two")];
    let started = Instant::now();

    for dir in dirs.iter().cycle().take(600) {
        assert_eq!(two.move_to("moving", dir).await, ErrorCode::NONE);
    }

    // A hundred in ten seconds pass.
    let most = 100 * (2 + started.elapsed().as_secs() / 10);
    let log = two.broker.log();
    let told = log.matches("moving the log").count();
    assert!(told >= 100, "{told} lines tell of 300 moves or so");
    assert!(u64::try_from(told).expect("few") <= most, "{told} lines");
}

#[tokio::test]
async fn a_directory_that_is_lost_takes_its_leaders_along_and_no_others() {
    let mut two = Two::start().await;
    two.create("lost", 1).await;
    two.create("kept", 1).await;
    assert_eq!(two.write("lost", 0, 1).await, ErrorCode::NONE);
    let (dir, _) = two.found("lost");
    let (other, _) = two.found("kept");
    assert_ne!(dir, other, "each directory gets a partition");
    assert_eq!(two.metadata("lost").await.leader_id, 1);

    // The metadata log lies in the first directory: only the partition may go.
    fs::remove_dir_all(dir.join("lost-0")).expect("it can be removed");
    let failed = two.write("lost", 0, 64).await;

    assert_eq!(failed, ErrorCode::KAFKA_STORAGE_ERROR);
    let started = Instant::now();
    while two.metadata("lost").await.leader_id != -1 {
        assert!(started.elapsed() < PATIENCE, "{}", two.broker.log());
    }
    let lost = two.metadata("lost").await;
    assert_eq!(lost.error_code, ErrorCode::LEADER_NOT_AVAILABLE);
    assert_eq!(lost.offline_replicas, [1]);
    assert_eq!(two.write("kept", 0, 1).await, ErrorCode::NONE);
}

#[tokio::test]
async fn records_whose_topic_id_is_damaged_are_neither_served_nor_replaced_by_an_empty_log() {
    let mut two = Two::start().await;
    two.create("damaged", 1).await;
    assert_eq!(two.write("damaged", 0, 5).await, ErrorCode::NONE);
    let (dir, other) = two.found("damaged");
    let file = dir.join("damaged-0").join("partition.metadata");
    let sound = fs::read(&file).expect("it is there");
    let flipped = |at: usize, bit: u8| {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << bit;
        Some(bytes)
    };
    let cut = sound[..sound.len() - 1].to_vec();
    let damages = [
        (true, flipped(30, 0)),
        (false, flipped(30, 1)),
        (true, flipped(3, 4)),
        (false, Some(cut)),
        (true, Some(vec![0; sound.len()])),
        (false, Some(Vec::new())),
        (true, None),
        (false, None),
    ];
    for (in_order, damage) in damages {
        if in_order {
            two.broker.stop();
        } else {
            two.broker.kill();
        }
        match &damage {
            Some(bytes) => fs::write(&file, bytes).expect("it can be written"),
            None => fs::remove_file(&file).expect("it can be removed"),
        }
        two.broker.start_again();
        two.client = connect(&two.broker).await;

        let refused = two.write("damaged", 0, 1).await;
        assert_eq!(refused, ErrorCode::KAFKA_STORAGE_ERROR, "{damage:?}");
        // It is told before the broker is ready.
        let log = two.broker.log();
        let mut lines = log.lines();
        let line = lines.find(|line| line.contains("partition is offline"));
        let path = dir.join("damaged-0");
        assert!(
            line.is_some_and(|it| it.contains(path_text(&path))),
            "{log}"
        );
        assert!(dir.join("damaged-0").exists(), "{damage:?}");
        assert!(!other.join("damaged-0").exists(), "{damage:?}");

        two.broker.stop();
        fs::write(&file, &sound).expect("it can be written");
        two.broker.start_again();
        two.client = connect(&two.broker).await;
        assert_eq!(two.end_offset("damaged").await, 5, "{damage:?}");
    }
}
