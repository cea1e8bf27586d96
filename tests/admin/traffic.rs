//! Requests of clients, for tests of what is counted of them.

use broker::model::Offset;
use broker::network::{Client, ClientOptions};
use broker::protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use broker::protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use broker::protocol::messages::find_coordinator::FindCoordinatorRequest;
use broker::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::protocol::{ErrorCode, Request, Str};
use broker::records::{BatchBuilder, NewRecord};
use bytes::Bytes;

use crate::support::Broker;

/// A client, and a runtime that it lives on.
pub struct Traffic {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Traffic {
    pub fn new(broker: &Broker) -> Self {
        Self::named(broker, None)
    }

    /// With a client id.
    pub fn named(broker: &Broker, client_id: Option<&str>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let options = ClientOptions {
            client_id: client_id.map(Str::copy_from),
            ..ClientOptions::default()
        };
        let client = runtime.block_on(Client::connect(broker.bootstrap(), options));
        Self {
            client: client.expect("the broker listens"),
            runtime,
        }
    }

    pub fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        let answer = self.runtime.block_on(self.client.call(request, version));
        answer.expect("it is answered")
    }

    pub fn create(&mut self, name: &str, partitions: i32) {
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: Str::copy_from(name),
                num_partitions: partitions,
                replication_factor: 1,
                ..CreatableTopic::default()
            }],
            timeout_ms: 60_000,
            ..CreateTopicsRequest::default()
        };
        let answer = self.call(&request, 7);
        assert_eq!(answer.topics[0].error_code, ErrorCode::NONE, "{name}");
    }

    /// Sends a batch of so many records; the batch's size, and the answer.
    pub fn produce(&mut self, topic: &str, records: usize) -> (usize, ErrorCode) {
        self.send(topic, batch(records))
    }

    pub fn send(&mut self, topic: &str, records: Bytes) -> (usize, ErrorCode) {
        let size = records.len();
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                name: Str::copy_from(topic),
                partition_data: vec![PartitionProduceData {
                    index: 0,
                    records: Some(records),
                }],
                ..TopicProduceData::default()
            }],
            ..ProduceRequest::default()
        };
        let answer = self.call(&request, 9);
        let partition = &answer.responses[0].partition_responses[0];
        (size, partition.error_code)
    }

    /// Reads partition 0 from an offset on: the bytes of records that came.
    pub fn fetch(&mut self, topic: &str, offset: i64) -> (usize, ErrorCode) {
        let request = FetchRequest {
            replica_id: -1,
            min_bytes: 1,
            max_wait_ms: 100,
            max_bytes: i32::MAX,
            session_epoch: -1,
            topics: vec![FetchTopic {
                topic: Str::copy_from(topic),
                partitions: vec![FetchPartition {
                    partition: 0,
                    fetch_offset: offset,
                    partition_max_bytes: i32::MAX,
                    ..FetchPartition::default()
                }],
                ..FetchTopic::default()
            }],
            ..FetchRequest::default()
        };
        let answer = self.call(&request, 11);
        let partition = &answer.responses[0].partitions[0];
        (partition.records.len(), partition.error_code)
    }

    /// Waits until the group's coordinator is at work.
    pub fn meet(&mut self, group: &str) {
        loop {
            let request = FindCoordinatorRequest {
                coordinator_keys: vec![Str::copy_from(group)],
                ..FindCoordinatorRequest::default()
            };
            let found = self.call(&request, 6);
            if found.coordinators[0].error_code == ErrorCode::NONE {
                return;
            }
        }
    }

    /// Commits an offset of partition 0 for a group.
    pub fn commit(&mut self, group: &str, topic: &str, offset: i64) -> ErrorCode {
        let request = OffsetCommitRequest {
            group_id: Str::copy_from(group),
            generation_id_or_member_epoch: -1,
            topics: vec![OffsetCommitRequestTopic {
                name: Str::copy_from(topic),
                partitions: vec![OffsetCommitRequestPartition {
                    partition_index: 0,
                    committed_offset: offset,
                    ..OffsetCommitRequestPartition::default()
                }],
                ..OffsetCommitRequestTopic::default()
            }],
            ..OffsetCommitRequest::default()
        };
        let answer = self.call(&request, 8);
        answer.topics[0].partitions[0].error_code
    }
}

/// A batch of so many records.
pub fn batch(records: usize) -> Bytes {
    let mut batch = BatchBuilder::new(Offset::ZERO);
    for _ in 0..records {
        batch.append(NewRecord::default());
    }
    batch.build()
}
