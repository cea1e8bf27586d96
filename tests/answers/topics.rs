//! Topics for the cases of other files: made on both brokers, and waited for.

use std::time::{Duration, Instant};

use broker::protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use broker::protocol::messages::delete_topics::DeleteTopicsRequest;
use broker::protocol::messages::init_producer_id::InitProducerIdRequest;
use broker::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::protocol::{ErrorCode, Str};
use bytes::Bytes;

use super::pair::Pair;
use super::side::Side;

/// How long Apache may take until its replicas are there.
const LIMIT: Duration = Duration::from_secs(30);

/// A topic with one replica.
pub fn topic(name: &str, partitions: i32, configs: &[(&str, &str)]) -> CreatableTopic {
    CreatableTopic {
        name: Str::from(name.to_owned()),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs
            .iter()
            .map(|(key, value)| CreatableTopicConfig {
                name: Str::from((*key).to_owned()),
                value: Some(Str::from((*value).to_owned())),
            })
            .collect(),
        ..CreatableTopic::default()
    }
}

/// Creates topics on both, and waits until they can be used.
pub fn create(pair: &mut Pair, topics: &[CreatableTopic]) {
    let request = CreateTopicsRequest {
        topics: topics.to_vec(),
        ..CreateTopicsRequest::default()
    };
    let (ours, apache) = pair.call(7, |_| request.clone()).expect("CreateTopics");
    for topic in ours.topics.iter().chain(&apache.topics) {
        assert!(!topic.error_code.is_error(), "{topic:?}");
    }
    wait_for(pair, topics);
}

/// Deletes a topic on both, and waits until nobody knows it any more.
pub fn delete(pair: &mut Pair, name: &str) {
    let request = DeleteTopicsRequest {
        topic_names: vec![Str::from(name.to_owned())],
        timeout_ms: 10_000,
        ..DeleteTopicsRequest::default()
    };
    let (ours, apache) = pair.call(5, |_| request.clone()).expect("DeleteTopics");
    for topic in ours.responses.iter().chain(&apache.responses) {
        assert!(!topic.error_code.is_error(), "{topic:?}");
    }
    let request = end_offsets(&[topic(name, 1, &[])]);
    let is_gone = |answer: &ListOffsetsResponse| {
        answer.topics[0].partitions[0].error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    };
    let started = Instant::now();
    loop {
        let (ours, apache) = pair.call(7, |_| request.clone()).expect("ListOffsets");
        if is_gone(&ours) && is_gone(&apache) {
            return;
        }
        assert!(started.elapsed() < LIMIT, "{ours:?}\n{apache:?}");
    }
}

/// A question about the ends of all partitions of `topics`.
fn end_offsets(topics: &[CreatableTopic]) -> ListOffsetsRequest {
    let topics = topics.iter().map(|topic| ListOffsetsTopic {
        name: topic.name.clone(),
        partitions: (0..topic.num_partitions)
            .map(|index| at(index, -1))
            .collect(),
    });
    ListOffsetsRequest {
        replica_id: -1,
        topics: topics.collect(),
        ..ListOffsetsRequest::default()
    }
}

/// Waits until the partitions of `topics` can be used.
pub fn wait_for(pair: &mut Pair, topics: &[CreatableTopic]) {
    let request = end_offsets(topics);
    let is_ready = |answer: &ListOffsetsResponse| {
        let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.all(|partition| !partition.error_code.is_error())
    };
    let started = Instant::now();
    loop {
        let (ours, apache) = pair.call(7, |_| request.clone()).expect("ListOffsets");
        if is_ready(&ours) && is_ready(&apache) {
            return;
        }
        assert!(started.elapsed() < LIMIT, "{ours:?}\n{apache:?}");
    }
}

/// A question about a partition's offset.
pub fn at(partition_index: i32, timestamp: i64) -> ListOffsetsPartition {
    ListOffsetsPartition {
        partition_index,
        timestamp,
        ..ListOffsetsPartition::default()
    }
}

/// Gets a producer id from each. Apache's first block of ids has to be fetched first.
pub fn new_producer(pair: &mut Pair) {
    let request = InitProducerIdRequest::default();
    let started = Instant::now();
    loop {
        let (ours, apache) = pair.call(4, |_| request.clone()).expect("InitProducerId");
        assert!(!ours.error_code.is_error(), "{ours:?}");
        if !apache.error_code.is_error() {
            pair.ours.own.learn_producer(ours.producer_id);
            pair.apache.own.learn_producer(apache.producer_id);
            return;
        }
        assert!(started.elapsed() < LIMIT, "{apache:?}");
    }
}

/// A request that writes `records` to a partition.
pub fn produce(side: &Side, topic: &str, index: i32, records: Option<Bytes>) -> ProduceRequest {
    ProduceRequest {
        acks: -1,
        timeout_ms: 5_000,
        topic_data: vec![TopicProduceData {
            name: Str::from(topic.to_owned()),
            topic_id: side.own.topic_id(topic),
            partition_data: vec![PartitionProduceData { index, records }],
        }],
        ..ProduceRequest::default()
    }
}

/// Writes a good batch to both.
pub fn write(pair: &mut Pair, topic: &str, index: i32, records: &Bytes) {
    let (ours, apache) = pair
        .call(12, |side| {
            produce(side, topic, index, Some(records.clone()))
        })
        .expect("Produce");
    for answer in [ours, apache] {
        let partition = &answer.responses[0].partition_responses[0];
        assert!(!partition.error_code.is_error(), "{partition:?}");
    }
}
