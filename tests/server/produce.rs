//! What is told with a batch that is refused.

use broker::model::{Offset, ProducerId};
use broker::network::{Client, ClientOptions};
use broker::protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use broker::protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use broker::protocol::messages::init_producer_id::InitProducerIdRequest;
use broker::protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use broker::protocol::{ErrorCode, Str};
use broker::records::{BatchBuilder, NewRecord};
use bytes::Bytes;

use crate::support::Broker;

const TOPIC: Str = Str::from_static("logged");

/// Produces one batch to the topic's only partition.
async fn produce(client: &mut Client, topic: Str, records: Bytes) -> PartitionProduceResponse {
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 10_000,
        topic_data: vec![TopicProduceData {
            name: topic,
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(records),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    let mut answer = client.call(&request, 12).await.expect("it is answered");
    answer.responses[0].partition_responses.remove(0)
}

fn batch(producer: i64, sequence: i32) -> Bytes {
    let mut builder = BatchBuilder::new(Offset::ZERO).producer(ProducerId(producer), 0, sequence);
    builder.append(NewRecord::default());
    builder.build()
}

/// A producer whose state is gone compares the log start with what was acknowledged to it: so it
/// tells retention from loss.
#[tokio::test]
async fn a_gap_in_a_sequence_is_told_with_the_log_start() {
    let broker = Broker::start();
    let mut client = Client::connect(broker.bootstrap(), ClientOptions::default())
        .await
        .expect("the broker listens");
    let topic = CreatableTopic {
        name: TOPIC,
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let create = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 10_000,
        ..CreateTopicsRequest::default()
    };
    client.call(&create, 5).await.expect("it is answered");
    let request = InitProducerIdRequest::default();
    let id = client.call(&request, 4).await.expect("it is answered");
    for sequence in 0..5 {
        let accepted = produce(&mut client, TOPIC, batch(id.producer_id, sequence)).await;
        assert_eq!(accepted.error_code, ErrorCode::NONE);
    }
    let delete = DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: TOPIC,
            partitions: vec![DeleteRecordsPartition {
                partition_index: 0,
                offset: 3,
            }],
        }],
        timeout_ms: 10_000,
    };
    client.call(&delete, 2).await.expect("it is answered");

    let gap = produce(&mut client, TOPIC, batch(id.producer_id, 9)).await;
    let mut damaged = batch(id.producer_id, 5).to_vec();
    *damaged.last_mut().expect("a batch has bytes") ^= 1;
    let damaged = produce(&mut client, TOPIC, damaged.into()).await;
    let unknown = produce(&mut client, Str::from_static("absent"), batch(-1, -1)).await;

    let told = [&gap, &damaged, &unknown].map(|it| (it.error_code, it.log_start_offset));
    let expected = [
        (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, 3),
        (ErrorCode::CORRUPT_MESSAGE, -1),
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1),
    ];
    assert_eq!(told, expected);
}
