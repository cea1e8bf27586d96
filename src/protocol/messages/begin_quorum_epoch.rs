//! BeginQuorumEpoch (key 53), versions 0-1.
//!
//! The new leader of a KRaft quorum tells its voters that it leads.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(BeginQuorumEpoch: BeginQuorumEpochRequest -> BeginQuorumEpochResponse);

message! {
    BeginQuorumEpochRequest: versions 0-1, first flexible 1;

    pub struct BeginQuorumEpochRequest {
        cluster_id: Option<Str>,
        voter_id: i32 [1+] = -1,
        topics: Vec<RequestTopicData>,
        leader_endpoints: Vec<LeaderEndpoint> [1+],
    }

    pub struct RequestTopicData {
        topic_name: Str,
        partitions: Vec<RequestPartitionData>,
    }

    pub struct RequestPartitionData {
        partition_index: i32,
        voter_directory_id: Uuid [1+],
        leader_id: i32,
        leader_epoch: i32,
    }

    pub struct LeaderEndpoint {
        name: Str,
        host: Str,
        port: u16,
    }
}

message! {
    BeginQuorumEpochResponse: versions 0-1, first flexible 1;

    pub struct BeginQuorumEpochResponse {
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
    }

    pub struct NodeEndpoint {
        node_id: i32,
        host: Str,
        port: u16,
    }
}
