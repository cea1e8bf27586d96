//! The inputs of a shard: requests, and events elsewhere.

use std::ops::RangeInclusive;

use super::answer::Answer;
use crate::coordinator::shard::ShardRequest;
use crate::model::TopicId;
use crate::protocol::messages::delete_groups::DeletableGroupResult;
use crate::protocol::messages::describe_groups::DescribedGroup;
use crate::protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use crate::protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse};
use crate::protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use crate::protocol::messages::list_groups::ListGroupsRequest;
use crate::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};
use crate::protocol::messages::offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse};
use crate::protocol::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchResponseGroup, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
};
use crate::protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use crate::protocol::{ErrorCode, Str};

/// The first version of SyncGroup that must name type and name of the protocol.
const SYNC_NAMES_PROTOCOL: i16 = 5;

/// A request, for groups of this shard only. Strings and bytes may be slices of the frame: what outlives
/// the request is copied.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// JoinGroup; `entropy` is random, for the id of a new member.
    JoinGroup {
        /// The request as it came.
        request: JoinGroupRequest,
        /// 16 random bytes.
        entropy: [u8; 16],
    },
    /// SyncGroup.
    SyncGroup(SyncGroupRequest),
    /// Heartbeat.
    Heartbeat(HeartbeatRequest),
    /// LeaveGroup.
    LeaveGroup(LeaveGroupRequest),
    /// OffsetCommit, of topics and partitions that exist and that the caller may read: each topic
    /// has name and id, whatever the version.
    OffsetCommit(OffsetCommitRequest),
    /// One group of an OffsetFetch, in the form of version 8 and later; of topics that the caller
    /// may see, each with its name, and in version 10 its id (zero before). `topics: None` asks for
    /// all: the answer has names, and zero for the ids.
    OffsetFetch {
        /// The group; its member fields do not matter to classic groups.
        group: OffsetFetchRequestGroup,
        /// Whether partitions with offsets of open transactions are to be refused.
        require_stable: bool,
    },
    /// OffsetDelete, of partitions that exist.
    OffsetDelete(OffsetDeleteRequest),
    /// The groups of a DescribeGroups that belong to this shard.
    DescribeGroups(Vec<Str>),
    /// ListGroups, of this shard.
    ListGroups(ListGroupsRequest),
    /// The groups of a DeleteGroups that belong to this shard.
    DeleteGroups(Vec<Str>),
}

/// A topic that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// The topic's name.
    pub name: Str,
    /// The topic's id. Offsets of another topic of that name are kept.
    pub id: TopicId,
}

impl Request {
    /// Checks whether the request is wrong whatever the group. As in Kafka, that is checked first; the
    /// empty group id of OffsetCommit and the like is valid there.
    pub(super) fn check(
        &self,
        version: i16,
        session_timeouts: &RangeInclusive<i32>,
    ) -> Result<(), ErrorCode> {
        let group_id = match self {
            Self::JoinGroup { request, .. } => &request.group_id,
            Self::SyncGroup(request) => {
                let names_protocol =
                    request.protocol_type.is_some() && request.protocol_name.is_some();
                if version >= SYNC_NAMES_PROTOCOL && !names_protocol {
                    return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
                }
                &request.group_id
            }
            Self::Heartbeat(request) => &request.group_id,
            Self::LeaveGroup(request) => &request.group_id,
            Self::OffsetDelete(request) => &request.group_id,
            Self::OffsetCommit(_)
            | Self::OffsetFetch { .. }
            | Self::DescribeGroups(_)
            | Self::ListGroups(_)
            | Self::DeleteGroups(_) => return Ok(()),
        };
        if group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        match self {
            Self::JoinGroup { request, .. }
                if !session_timeouts.contains(&request.session_timeout_ms) =>
            {
                Err(ErrorCode::INVALID_SESSION_TIMEOUT)
            }
            _ => Ok(()),
        }
    }
}

impl ShardRequest for Request {
    type Answer = Answer;

    fn may_write(&self) -> bool {
        match self {
            Self::JoinGroup { .. }
            | Self::SyncGroup(_)
            | Self::LeaveGroup(_)
            | Self::OffsetCommit(_)
            | Self::OffsetDelete(_)
            | Self::DeleteGroups(_) => true,
            Self::Heartbeat(_)
            | Self::OffsetFetch { .. }
            | Self::DescribeGroups(_)
            | Self::ListGroups(_) => false,
        }
    }

    /// A Heartbeat while the shard loads is answered without an error, as in Kafka: the member can do
    /// nothing about the load, and its session starts anew afterwards.
    fn refuse(&self, error: ErrorCode) -> Answer {
        match self {
            Self::JoinGroup { request, .. } => refuse_join(request, error).into(),
            Self::SyncGroup(_) => SyncGroupResponse {
                error_code: error,
                ..SyncGroupResponse::default()
            }
            .into(),
            Self::Heartbeat(_) => refuse_heartbeat(error).into(),
            Self::LeaveGroup(_) => LeaveGroupResponse {
                error_code: error,
                ..LeaveGroupResponse::default()
            }
            .into(),
            Self::OffsetCommit(request) => refuse_commit(request, error).into(),
            Self::OffsetFetch { group, .. } => refuse_fetch(group, error).into(),
            Self::OffsetDelete(_) => OffsetDeleteResponse {
                error_code: error,
                ..OffsetDeleteResponse::default()
            }
            .into(),
            Self::DescribeGroups(groups) => refuse_describe(groups, error).into(),
            Self::ListGroups(_) => Answer::ListGroups(Err(error)),
            Self::DeleteGroups(groups) => refuse_delete(groups, error).into(),
        }
    }
}

/// As in Kafka, the answer has the member id where the request itself is wrong.
fn refuse_join(request: &JoinGroupRequest, error_code: ErrorCode) -> JoinGroupResponse {
    let is_wrong = matches!(
        error_code,
        ErrorCode::INVALID_GROUP_ID | ErrorCode::INVALID_SESSION_TIMEOUT
    );
    JoinGroupResponse {
        error_code,
        member_id: if is_wrong {
            request.member_id.clone()
        } else {
            Str::EMPTY
        },
        ..JoinGroupResponse::default()
    }
}

fn refuse_heartbeat(error: ErrorCode) -> HeartbeatResponse {
    let error_code = match error {
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => ErrorCode::NONE,
        other => other,
    };
    HeartbeatResponse {
        error_code,
        ..HeartbeatResponse::default()
    }
}

pub(super) fn refuse_commit(
    request: &OffsetCommitRequest,
    error_code: ErrorCode,
) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter();
        OffsetCommitResponseTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: partitions
                .map(|partition| OffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code,
                })
                .collect(),
        }
    });
    OffsetCommitResponse {
        topics: topics.collect(),
        ..OffsetCommitResponse::default()
    }
}

/// Before version 8 there is one group, and before version 2 each partition has the error: both are set,
/// and the encoding picks what the version has.
fn refuse_fetch(group: &OffsetFetchRequestGroup, error: ErrorCode) -> OffsetFetchResponseGroup {
    let topics = group.topics.iter().flatten().map(|topic| {
        let partitions = topic.partition_indexes.iter();
        OffsetFetchResponseTopics {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: partitions
                .map(|&partition_index| OffsetFetchResponsePartitions {
                    partition_index,
                    committed_offset: -1,
                    metadata: Some(Str::EMPTY),
                    error_code: error,
                    ..OffsetFetchResponsePartitions::default()
                })
                .collect(),
        }
    });
    OffsetFetchResponseGroup {
        group_id: group.group_id.clone(),
        topics: topics.collect(),
        error_code: error,
    }
}

fn refuse_describe(groups: &[Str], error_code: ErrorCode) -> Vec<DescribedGroup> {
    let describe = |group_id: &Str| DescribedGroup {
        error_code,
        group_id: group_id.clone(),
        ..DescribedGroup::default()
    };
    groups.iter().map(describe).collect()
}

fn refuse_delete(groups: &[Str], error_code: ErrorCode) -> Vec<DeletableGroupResult> {
    let delete = |group_id: &Str| DeletableGroupResult {
        group_id: group_id.clone(),
        error_code,
        ..DeletableGroupResult::default()
    };
    groups.iter().map(delete).collect()
}
