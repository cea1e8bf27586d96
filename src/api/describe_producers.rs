//! DescribeProducers (key 61), version 0: the producers that a partition remembers (KIP-664).

use std::sync::Arc;

use super::Api;
use super::context::{AnswerRoom, NO_ROOM, RequestContext};
use crate::metadata::controller::check_topic_name;
use crate::model::{ProducerId, TopicPartition};
use crate::protocol::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState,
    TopicRequest, TopicResponse,
};
use crate::protocol::{ErrorCode, Str};
use crate::storage::producer_state::ProducerEntry;

/// Answers for each partition by itself.
pub fn handle(
    api: &Api,
    context: &RequestContext,
    request: &DescribeProducersRequest,
) -> DescribeProducersResponse {
    let mut room = context.answer_room();
    let topics = request.topics.iter();
    let topics = topics.map(|topic| describe(api, &mut room, topic));
    DescribeProducersResponse {
        topics: topics.collect(),
        ..DescribeProducersResponse::default()
    }
}

fn describe(api: &Api, room: &mut AnswerRoom, topic: &TopicRequest) -> TopicResponse {
    let name: Arc<str> = Arc::from(&*topic.name);
    let refused = topic_error(api, &name);
    let partitions = topic.partition_indexes.iter().map(|index| match &refused {
        Some((code, message)) => failed(*index, *code, Some(message.clone())),
        None => within(room, *index, || {
            producers(api, &TopicPartition::new(Arc::clone(&name), *index))
        }),
    });
    TopicResponse {
        name: topic.name.clone(),
        partitions: partitions.collect(),
    }
}

fn within(
    room: &mut AnswerRoom,
    index: i32,
    describe: impl FnOnce() -> PartitionResponse,
) -> PartitionResponse {
    if !room.is_used_up() {
        let described = describe();
        if room.fits(&described) {
            return described;
        }
    }
    PartitionResponse {
        partition_index: index,
        error_code: ErrorCode::INVALID_REQUEST,
        error_message: Some(Str::from_static(NO_ROOM)),
        ..PartitionResponse::default()
    }
}

fn topic_error(api: &Api, name: &str) -> Option<(ErrorCode, String)> {
    if let Err(refusal) = check_topic_name(name) {
        return Some((refusal.code, refusal.message.unwrap_or_default()));
    }
    let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let is_known = api.image().topics().by_name(name).is_some();
    (!is_known).then(|| (code, code.message().to_owned()))
}

fn producers(api: &Api, id: &TopicPartition) -> PartitionResponse {
    let described = api
        .replicas()
        .partition_by_name(id)
        .and_then(|it| it.producers());
    match described {
        Ok(producers) => PartitionResponse {
            partition_index: id.partition,
            active_producers: producers.into_iter().map(state).collect(),
            ..PartitionResponse::default()
        },
        Err(error) => failed(id.partition, error.code(), None),
    }
}

fn failed(
    partition_index: i32,
    error_code: ErrorCode,
    message: Option<String>,
) -> PartitionResponse {
    PartitionResponse {
        partition_index,
        error_code,
        error_message: message.map(Str::from),
        ..PartitionResponse::default()
    }
}

fn state((id, entry): (ProducerId, ProducerEntry)) -> ProducerState {
    ProducerState {
        producer_id: id.0,
        producer_epoch: i32::from(entry.producer_epoch),
        last_sequence: entry.last_sequence(),
        last_timestamp: entry.last_timestamp.0,
        coordinator_epoch: entry.coordinator_epoch,
        current_txn_start_offset: entry.transaction_first_offset.0,
    }
}
