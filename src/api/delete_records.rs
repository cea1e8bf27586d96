//! DeleteRecords (key 21), versions 0-2: deletes records from the front of partitions (KIP-107).
//!
//! Each partition starts at the wanted offset at once; the answer waits, up to the request's
//! timeout, until all living replicas do. Segments are removed by retention later. Version 2 is
//! flexible.

use std::sync::Arc;

use super::context::RequestContext;
use super::{Api, internal_topics};
use crate::model::{Offset, TopicPartition};
use crate::protocol::ErrorCode;
use crate::protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use crate::replication::delayed::{AckOutcome, AckTicket, AckWait};

/// Deletes, waits, and answers for each partition.
pub async fn handle(
    api: Arc<Api>,
    _context: Arc<RequestContext>,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let partitions = request.topics.iter().map(|topic| topic.partitions.len());
    let wait = AckWait::new(partitions.sum());
    let mut places = 0..;
    let mut tickets = || wait.ticket(places.next().expect("it has no end"));
    let mut topics: Vec<_> = request
        .topics
        .into_iter()
        .map(|topic| {
            let name: Arc<str> = Arc::from(&*topic.name);
            let delete = |asked: &DeleteRecordsPartition| {
                let id = TopicPartition::new(Arc::clone(&name), asked.partition_index);
                result(&id, delete(&api, &id, asked.offset, tickets()))
            };
            DeleteRecordsTopicResult {
                partitions: topic.partitions.iter().map(delete).collect(),
                name: topic.name,
            }
        })
        .collect();
    let timeout = api.longest_wait(request.timeout_ms);
    // A wait that is over may have failed: this broker can stop leading before anybody looks.
    let outcomes = api.replicas().wait_for_acks(wait, timeout).await;
    complete(&api, &mut topics, &outcomes);
    DeleteRecordsResponse {
        topics,
        ..DeleteRecordsResponse::default()
    }
}

fn delete(
    api: &Api,
    id: &TopicPartition,
    offset: i64,
    ticket: AckTicket,
) -> Result<Offset, ErrorCode> {
    if internal_topics::is_internal(&id.topic) {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let replicas = api.replicas();
    let partition = replicas.partition_by_name(id);
    let deleted = partition.and_then(|it| replicas.delete_records(&it, offset, ticket));
    deleted.map_err(|error| {
        tracing::debug!(partition = %id, %error, "records cannot be deleted");
        error.code()
    })
}

fn result(id: &TopicPartition, deleted: Result<Offset, ErrorCode>) -> DeleteRecordsPartitionResult {
    let (low_watermark, error_code) = match deleted {
        Ok(low_watermark) => (low_watermark, ErrorCode::NONE),
        Err(error_code) => (Offset::NONE, error_code),
    };
    DeleteRecordsPartitionResult {
        partition_index: id.partition,
        low_watermark: low_watermark.0,
        error_code,
    }
}

/// Fills in what became of the partitions during the wait.
fn complete(api: &Api, topics: &mut [DeleteRecordsTopicResult], outcomes: &[AckOutcome]) {
    let results = topics.iter_mut().flat_map(|topic| {
        let name: Arc<str> = Arc::from(&*topic.name);
        let partitions = topic.partitions.iter_mut();
        partitions.map(move |partition| (Arc::clone(&name), partition))
    });
    for ((name, partition), outcome) in results.zip(outcomes) {
        // It was refused, and has waited for nothing.
        if partition.error_code.is_error() {
            continue;
        }
        match outcome {
            AckOutcome::Waiting => partition.error_code = ErrorCode::REQUEST_TIMED_OUT,
            AckOutcome::Committed | AckOutcome::NotEnoughReplicas => {
                let id = TopicPartition::new(name, partition.partition_index);
                let replica = api.replicas().partition_by_name(&id);
                *partition = result(
                    &id,
                    replica
                        .and_then(|replica| replica.low_watermark())
                        .map_err(|error| error.code()),
                );
            }
            AckOutcome::NotLeader => {
                partition.low_watermark = Offset::NONE.0;
                partition.error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
            }
            AckOutcome::StorageFailed => {
                partition.low_watermark = Offset::NONE.0;
                partition.error_code = ErrorCode::KAFKA_STORAGE_ERROR;
            }
        }
    }
}
