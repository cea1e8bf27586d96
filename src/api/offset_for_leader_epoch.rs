//! OffsetForLeaderEpoch (key 23), versions 2-4: where a leader epoch ends in this log (KIP-101, 320).
//!
//! Version 3 adds the replica id: consumers have -1, tools that may ask any replica -2.

use std::sync::Arc;

use super::context::RequestContext;
use super::{Api, followers};
use crate::model::{LeaderEpoch, Offset, TopicPartition};
use crate::protocol::ErrorCode;
use crate::protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};
use crate::replication::error::ReplicaError;
use crate::storage::leader_epochs::EpochEnd;

/// The replica id of a tool that may ask any replica.
const DEBUGGING: i32 = -2;
/// The first version that carries the replica id; before, all ask the leader.
const FIRST_WITH_REPLICA: i16 = 3;

/// Answers for each partition by itself.
pub fn handle(
    api: &Api,
    context: &RequestContext,
    request: &OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let has_replica = context.version() >= FIRST_WITH_REPLICA;
    let only_leader = !has_replica || request.replica_id != DEBUGGING;
    let checked = if has_replica && request.replica_id >= 0 {
        followers::check_listener(api, context)
    } else {
        Ok(())
    };
    let topics = request.topics.iter().map(|topic| {
        let name: Arc<str> = Arc::from(&*topic.topic);
        let answer = |asked: &OffsetForLeaderPartition| {
            let id = TopicPartition::new(Arc::clone(&name), asked.partition);
            let end = checked
                .and_then(|()| end_of(api, &id, asked, only_leader).map_err(|error| error.code()));
            epoch_end(asked.partition, end)
        };
        OffsetForLeaderTopicResult {
            topic: topic.topic.clone(),
            partitions: topic.partitions.iter().map(answer).collect(),
        }
    });
    OffsetForLeaderEpochResponse {
        topics: topics.collect(),
        ..OffsetForLeaderEpochResponse::default()
    }
}

fn end_of(
    api: &Api,
    id: &TopicPartition,
    asked: &OffsetForLeaderPartition,
    only_leader: bool,
) -> Result<Option<EpochEnd>, ReplicaError> {
    let current = LeaderEpoch(asked.current_leader_epoch);
    let partition = api.replicas().partition_by_name(id)?;
    partition.offset_for_leader_epoch(LeaderEpoch(asked.leader_epoch), current, only_leader)
}

fn epoch_end(partition: i32, end: Result<Option<EpochEnd>, ErrorCode>) -> EpochEndOffset {
    let (error_code, end) = match end {
        Ok(end) => (ErrorCode::NONE, end),
        Err(code) => (code, None),
    };
    EpochEndOffset {
        error_code,
        partition,
        leader_epoch: end.map_or(LeaderEpoch::NONE, |end| end.epoch).0,
        end_offset: end.map_or(Offset::NONE, |end| end.end_offset).0,
    }
}
