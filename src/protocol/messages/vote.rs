//! Vote (key 52), versions 0-2.
//!
//! A candidate of a KRaft quorum asks a voter for its vote, or whether it would give it.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(Vote: VoteRequest -> VoteResponse);

message! {
    VoteRequest: versions 0-2, first flexible 0;

    pub struct VoteRequest {
        cluster_id: Option<Str>,
        voter_id: i32 [1+] = -1,
        topics: Vec<RequestTopicData>,
    }

    pub struct RequestTopicData {
        topic_name: Str,
        partitions: Vec<RequestPartitionData>,
    }

    pub struct RequestPartitionData {
        partition_index: i32,
        replica_epoch: i32,
        replica_id: i32,
        replica_directory_id: Uuid [1+],
        voter_directory_id: Uuid [1+],
        last_offset_epoch: i32,
        last_offset: i64,
        pre_vote: bool [2+],
    }
}

message! {
    VoteResponse: versions 0-2, first flexible 0;

    pub struct VoteResponse {
        error_code: ErrorCode,
        topics: Vec<ResponseTopicData>,
    }
    tagged {
        0 => node_endpoints: Vec<NodeEndpoint> [1+],
    }

    pub struct ResponseTopicData {
        topic_name: Str,
        partitions: Vec<ResponsePartitionData>,
    }

    pub struct ResponsePartitionData {
        partition_index: i32,
        error_code: ErrorCode,
        leader_id: i32,
        leader_epoch: i32,
        vote_granted: bool,
    }

    pub struct NodeEndpoint {
        node_id: i32,
        host: Str,
        port: u16,
    }
}
