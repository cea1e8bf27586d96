//! The answers of a shard, and what becomes of one whose records could not be written.

use crate::coordinator::shard::ShardAnswer;
use crate::protocol::ErrorCode;
use crate::protocol::Str;
use crate::protocol::messages::delete_groups::DeletableGroupResult;
use crate::protocol::messages::describe_groups::DescribedGroup;
use crate::protocol::messages::heartbeat::HeartbeatResponse;
use crate::protocol::messages::join_group::JoinGroupResponse;
use crate::protocol::messages::leave_group::LeaveGroupResponse;
use crate::protocol::messages::list_groups::ListedGroup;
use crate::protocol::messages::offset_commit::OffsetCommitResponse;
use crate::protocol::messages::offset_delete::OffsetDeleteResponse;
use crate::protocol::messages::offset_fetch::OffsetFetchResponseGroup;
use crate::protocol::messages::sync_group::SyncGroupResponse;

/// Declares [`Answer`], a row for each kind of request: the name, and the response that becomes an answer.
macro_rules! answers {
    ($($(#[$doc:meta])* $variant:ident($response:ty),)*) => {
        /// The answer to a [`Request`](super::Request), or this shard's part of it.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each answers the request of that name")]
        pub enum Answer {
            $($(#[$doc])* $variant($response),)*
        }

        $(
            impl From<$response> for Answer {
                fn from(response: $response) -> Self {
                    Self::$variant(response)
                }
            }
        )*
    };
}

answers! {
    JoinGroup(JoinGroupResponse),
    SyncGroup(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    LeaveGroup(LeaveGroupResponse),
    OffsetCommit(OffsetCommitResponse),
    OffsetFetch(OffsetFetchResponseGroup),
    OffsetDelete(OffsetDeleteResponse),
    DescribeGroups(Vec<DescribedGroup>),
    /// The groups, or why they cannot be listed.
    ListGroups(Result<Vec<ListedGroup>, ErrorCode>),
    DeleteGroups(Vec<DeletableGroupResult>),
}

impl ShardAnswer for Answer {
    fn fail(self, error: ErrorCode) -> Self {
        match self {
            Self::JoinGroup(response) => Self::JoinGroup(JoinGroupResponse {
                error_code: first_error(response.error_code, error),
                // The client may join again with the id that it was given.
                member_id: response.member_id,
                ..JoinGroupResponse::default()
            }),
            Self::SyncGroup(response) => Self::SyncGroup(SyncGroupResponse {
                error_code: first_error(response.error_code, error),
                ..SyncGroupResponse::default()
            }),
            Self::Heartbeat(response) => Self::Heartbeat(HeartbeatResponse {
                error_code: first_error(response.error_code, error),
                ..response
            }),
            Self::LeaveGroup(response) => Self::LeaveGroup(LeaveGroupResponse {
                error_code: first_error(response.error_code, error),
                ..LeaveGroupResponse::default()
            }),
            Self::OffsetCommit(response) => Self::OffsetCommit(fail_commit(response, error)),
            Self::OffsetFetch(response) => Self::OffsetFetch(fail_fetch(response, error)),
            Self::OffsetDelete(response) => Self::OffsetDelete(OffsetDeleteResponse {
                error_code: first_error(response.error_code, error),
                ..OffsetDeleteResponse::default()
            }),
            Self::DescribeGroups(groups) => Self::DescribeGroups(
                groups
                    .into_iter()
                    .map(|group| undescribed(group, error))
                    .collect(),
            ),
            Self::ListGroups(_) => Self::ListGroups(Err(error)),
            Self::DeleteGroups(mut results) => {
                for result in &mut results {
                    result.error_code = first_error(result.error_code, error);
                }
                Self::DeleteGroups(results)
            }
        }
    }
}

fn first_error(own: ErrorCode, error: ErrorCode) -> ErrorCode {
    if own.is_error() { own } else { error }
}

fn fail_commit(mut response: OffsetCommitResponse, error: ErrorCode) -> OffsetCommitResponse {
    let topics = response.topics.iter_mut();
    for partition in topics.flat_map(|topic| &mut topic.partitions) {
        partition.error_code = first_error(partition.error_code, error);
    }
    response
}

fn fail_fetch(
    mut response: OffsetFetchResponseGroup,
    error: ErrorCode,
) -> OffsetFetchResponseGroup {
    response.error_code = first_error(response.error_code, error);
    let topics = response.topics.iter_mut();
    for partition in topics.flat_map(|topic| &mut topic.partitions) {
        partition.error_code = error;
        partition.committed_offset = -1;
        partition.committed_leader_epoch = -1;
        partition.metadata = Some(Str::EMPTY);
    }
    response
}

fn undescribed(group: DescribedGroup, error: ErrorCode) -> DescribedGroup {
    DescribedGroup {
        error_code: first_error(group.error_code, error),
        group_id: group.group_id,
        ..DescribedGroup::default()
    }
}
