//! ListOffsets (key 2), versions 1-11: offsets by time, and the special ones.
//!
//! Version 2 adds the isolation level, 4 leader epochs, 5 OFFSET_NOT_AVAILABLE, 7 the record with the
//! largest timestamp (-3), 8 the start of local disk (-4), 9 the end of tiered storage (-5), 11 the
//! start of what is to be tiered (-6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::context::RequestContext;
use super::{Api, followers};
use crate::model::{BrokerId, LeaderEpoch, TopicPartition};
use crate::protocol::ErrorCode;
use crate::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};
use crate::replication::delayed::Interest;
use crate::replication::error::ReplicaError;
use crate::replication::partition::{ListedOffset, OffsetQuery};

/// The replica id of a consumer.
const CONSUMER: BrokerId = BrokerId::NONE;
/// The replica id of a tool that may ask any replica.
const DEBUGGING: BrokerId = BrokerId(-2);
/// The first version that knows OFFSET_NOT_AVAILABLE.
const FIRST_WITH_NOT_AVAILABLE: i16 = 5;
/// The first version of each special timestamp.
const SPECIAL: [(i64, i16); 6] = [(-1, 1), (-2, 1), (-3, 7), (-4, 8), (-5, 9), (-6, 11)];

/// Answers for each partition by itself.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let asker = Asker::of(&request, context.version());
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut duplicates = duplicates(&request);
    for topic in request.topics {
        let name: Arc<str> = Arc::from(&*topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let id = TopicPartition::new(Arc::clone(&name), partition.partition_index);
            let listed = match duplicates.get_mut(&id) {
                None => asker.list(&api, &context, id, &partition).await,
                Some(is_told) if *is_told => continue,
                Some(is_told) => {
                    *is_told = true;
                    Err(ErrorCode::INVALID_REQUEST)
                }
            };
            partitions.push(answer(partition.partition_index, listed));
        }
        topics.push(ListOffsetsTopicResponse {
            name: topic.name,
            partitions,
        });
    }
    ListOffsetsResponse {
        topics,
        ..ListOffsetsResponse::default()
    }
}

/// The partitions that the request names more than once, and whether their error stands in the answer
/// already: each is refused once.
fn duplicates(request: &ListOffsetsRequest) -> BTreeMap<TopicPartition, bool> {
    let mut seen = BTreeSet::new();
    let mut duplicates = BTreeMap::new();
    for topic in &request.topics {
        let name: Arc<str> = Arc::from(&*topic.name);
        for partition in &topic.partitions {
            let id = TopicPartition::new(Arc::clone(&name), partition.partition_index);
            if !seen.insert(id.clone()) {
                duplicates.insert(id, false);
            }
        }
    }
    duplicates
}

/// What is the same for all partitions of a request.
struct Asker {
    version: i16,
    isolation: Option<Interest>,
    only_leader: bool,
    replica: BrokerId,
}

impl Asker {
    fn of(request: &ListOffsetsRequest, version: i16) -> Self {
        let replica = BrokerId(request.replica_id);
        let isolation = match request.isolation_level {
            0 => Interest::HighWatermark,
            _ => Interest::LastStable,
        };
        Self {
            version,
            isolation: (replica == CONSUMER).then_some(isolation),
            only_leader: replica != DEBUGGING,
            replica,
        }
    }

    async fn list(
        &self,
        api: &Api,
        context: &RequestContext,
        id: TopicPartition,
        asked: &ListOffsetsPartition,
    ) -> Result<ListedOffset, ErrorCode> {
        if self.replica.0 >= 0 {
            followers::check_listener(api, context)?;
        }
        let knows = |(special, first)| special == asked.timestamp && self.version >= first;
        if asked.timestamp < 0 && !SPECIAL.into_iter().any(knows) {
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
        let query = OffsetQuery {
            timestamp: asked.timestamp,
            isolation: self.isolation,
            current_leader_epoch: LeaderEpoch(asked.current_leader_epoch),
            only_leader: self.only_leader,
        };
        let partition = api
            .replicas()
            .partition_by_name(&id)
            .map_err(|error| self.code(&error))?;
        api.replicas()
            .list_offset(&partition, &query)
            .await
            .map_err(|error| {
                tracing::debug!(partition = %id, %error, "an offset could not be listed");
                self.code(&error)
            })
    }

    fn code(&self, error: &ReplicaError) -> ErrorCode {
        match error.code() {
            ErrorCode::OFFSET_NOT_AVAILABLE if self.version < FIRST_WITH_NOT_AVAILABLE => {
                ErrorCode::LEADER_NOT_AVAILABLE
            }
            code => code,
        }
    }
}

fn answer(index: i32, listed: Result<ListedOffset, ErrorCode>) -> ListOffsetsPartitionResponse {
    match listed {
        Ok(listed) => ListOffsetsPartitionResponse {
            partition_index: index,
            timestamp: listed.timestamp.0,
            offset: listed.offset.0,
            leader_epoch: listed.leader_epoch.0,
            ..ListOffsetsPartitionResponse::default()
        },
        Err(error_code) => ListOffsetsPartitionResponse {
            partition_index: index,
            error_code,
            ..ListOffsetsPartitionResponse::default()
        },
    }
}
