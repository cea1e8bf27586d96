//! Puts records into topics.

use broker::model::{Offset, Timestamp};
use broker::protocol::messages::find_coordinator::FindCoordinatorRequest;
use broker::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::records::{BatchBuilder, Compression, CompressionSetting, Header, NewRecord};

use crate::voice::{ask_at, wait_for};

/// A record to be written.
#[derive(Clone, Copy, Default)]
pub struct Written<'a> {
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// A record with this value.
pub fn value(value: &str) -> Written<'_> {
    Written {
        timestamp: 1_000,
        value: Some(value.as_bytes()),
        ..Written::default()
    }
}

/// Writes one batch to a partition, as soon as somebody leads it.
pub fn write(
    address: &str,
    (topic, partition): (&str, i32),
    codec: Compression,
    records: &[Written<'_>],
) {
    let mut builder = BatchBuilder::new(Offset(0)).compression(CompressionSetting::new(codec));
    for record in records {
        let headers: Vec<Header<'_>> = (record.headers.iter())
            .map(|(key, value)| Header {
                key: key.as_bytes(),
                value: *value,
            })
            .collect();
        builder.append(NewRecord {
            timestamp: Timestamp(record.timestamp),
            key: record.key,
            value: record.value,
            headers: &headers,
        });
    }
    let request = ProduceRequest {
        transactional_id: None,
        acks: -1,
        timeout_ms: 10_000,
        topic_data: vec![TopicProduceData {
            name: topic.to_owned().into(),
            partition_data: vec![PartitionProduceData {
                index: partition,
                records: Some(builder.build()),
            }],
            ..TopicProduceData::default()
        }],
    };
    wait_for("a batch to be taken", || {
        let answer = ask_at(address, &request, 9)?;
        let code = answer.responses[0].partition_responses[0].error_code;
        (!code.is_error()).then_some(())
    });
}

/// Has a group without members commit `offset` of a partition of a broker that is alone.
pub fn commit(address: &str, group: &str, (topic, partition): (&str, i32), offset: i64) {
    let coordinator = FindCoordinatorRequest {
        coordinator_keys: vec![group.to_owned().into()],
        ..FindCoordinatorRequest::default()
    };
    let request = OffsetCommitRequest {
        group_id: group.to_owned().into(),
        generation_id_or_member_epoch: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: topic.to_owned().into(),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: partition,
                committed_offset: offset,
                ..OffsetCommitRequestPartition::default()
            }],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    };
    wait_for("the coordinator to take a commit", || {
        // Somebody has to look for the coordinator first, so that there is one.
        let _ = ask_at(address, &coordinator, 4);
        let answer = ask_at(address, &request, 9)?;
        let code = answer.topics[0].partitions[0].error_code;
        (!code.is_error()).then_some(())
    });
}
