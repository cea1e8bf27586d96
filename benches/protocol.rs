//! What the wire protocol costs: reading Produce requests, writing Fetch responses, and Metadata.
//!
//! "1x1" is one topic with one partition, "10x10" ten topics with ten each. Records are not copied
//! either way, so that their size does not matter.

use std::hint::black_box;

use broker::model::Uuid;
use broker::protocol::messages::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
use broker::protocol::messages::metadata::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::protocol::{
    FramePiece, Payload, Reader, RequestHeader, Str, decode_whole, encode_whole, frame,
};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn records() -> Bytes {
    Bytes::from(vec![7; 1_100])
}

fn produce(topics: i32) -> ProduceRequest {
    let partitions = (0..topics).map(|index| PartitionProduceData {
        index,
        records: Some(records()),
    });
    let partition_data: Vec<PartitionProduceData> = partitions.collect();
    let topics = (0..topics).map(|number| TopicProduceData {
        name: Str::from(format!("topic-{number}")),
        topic_id: Uuid::ONE,
        partition_data: partition_data.clone(),
    });
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: topics.collect(),
        ..ProduceRequest::default()
    }
}

fn fetch(topics: i32) -> FetchResponse {
    let records = Payload::Bytes(records());
    let partitions = (0..topics).map(|partition_index| PartitionData {
        partition_index,
        high_watermark: 1_000,
        last_stable_offset: 1_000,
        log_start_offset: 0,
        records: records.clone(),
        ..PartitionData::default()
    });
    let partitions: Vec<PartitionData> = partitions.collect();
    let topics = (0..topics).map(|number| FetchableTopicResponse {
        topic: Str::from(format!("topic-{number}")),
        topic_id: Uuid::ONE,
        partitions: partitions.clone(),
    });
    FetchResponse {
        responses: topics.collect(),
        ..FetchResponse::default()
    }
}

/// Three brokers, and `topics` with ten partitions each.
fn metadata(topics: i32) -> MetadataResponse {
    let brokers = (1..=3).map(|node_id| MetadataResponseBroker {
        node_id,
        host: "broker.example.com".into(),
        port: 9_092,
        rack: None,
    });
    let partitions = (0..10).map(|partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: 1,
        leader_epoch: 5,
        replica_nodes: vec![1, 2, 3],
        isr_nodes: vec![1, 2, 3],
        ..MetadataResponsePartition::default()
    });
    let partitions: Vec<MetadataResponsePartition> = partitions.collect();
    let topics = (0..topics).map(|number| MetadataResponseTopic {
        name: Some(Str::from(format!("topic-{number}"))),
        topic_id: Uuid::ONE,
        partitions: partitions.clone(),
        ..MetadataResponseTopic::default()
    });
    MetadataResponse {
        brokers: brokers.collect(),
        cluster_id: Some("cluster".into()),
        controller_id: 1,
        topics: topics.collect(),
        ..MetadataResponse::default()
    }
}

/// The time for a whole frame: header and body.
fn decode_produce(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode produce");
    for (name, topics) in [("1x1", 1), ("10x10", 10)] {
        let client_id = Some(Str::from("client"));
        let frame = frame::request(1, client_id, &produce(topics), 12);
        let pieces = frame.pieces.into_iter().map(|piece| match piece {
            FramePiece::Bytes(bytes) => bytes,
            FramePiece::File(_) => unreachable!("requests have no files"),
        });
        let bytes = Bytes::from(pieces.collect::<Vec<_>>().concat()).slice(4..);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut reader = Reader::new(black_box(bytes.clone()));
                let header = RequestHeader::decode(&mut reader).expect("it is valid");
                let body = reader.take_rest();
                decode_whole::<ProduceRequest>(body, header.api_version).expect("it is valid")
            });
        });
    }
    group.finish();
}

fn encode_fetch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode fetch");
    for (name, topics) in [("1x1", 1), ("10x10", 10)] {
        let response = fetch(topics);
        group.bench_function(name, |bencher| {
            bencher.iter(|| frame::response(1, 1, black_box(&response), 17));
        });
    }
    group.finish();
}

/// Throughput is per partition.
fn metadata_response(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("metadata");
    for topics in [1, 100] {
        let response = metadata(topics);
        let bytes = encode_whole(&response, 12);
        group.throughput(Throughput::Elements(topics as u64 * 10));
        group.bench_function(format!("encode {topics}x10"), |bencher| {
            bencher.iter(|| frame::response(1, 1, black_box(&response), 12));
        });
        group.bench_function(format!("decode {topics}x10"), |bencher| {
            bencher.iter(|| {
                let bytes = black_box(bytes.clone());
                decode_whole::<MetadataResponse>(bytes, 12).expect("it is valid")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode_produce, encode_fetch, metadata_response);
criterion_main!(benches);
