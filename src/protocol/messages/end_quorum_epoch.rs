//! EndQuorumEpoch (key 54), versions 0-1.
//!
//! The leader of a KRaft quorum resigns, and names who should follow it.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(EndQuorumEpoch: EndQuorumEpochRequest -> EndQuorumEpochResponse);

message! {
    EndQuorumEpochRequest: versions 0-1, first flexible 1;

    pub struct EndQuorumEpochRequest {
        cluster_id: Option<Str>,
        topics: Vec<RequestTopicData>,
        leader_endpoints: Vec<LeaderEndpoint> [1+],
    }

    pub struct RequestTopicData {
        topic_name: Str,
        partitions: Vec<RequestPartitionData>,
    }

    pub struct RequestPartitionData {
        partition_index: i32,
        leader_id: i32,
        leader_epoch: i32,
        preferred_successors: Vec<i32> [0-0],
        preferred_candidates: Vec<ReplicaInfo> [1+],
    }

    pub struct ReplicaInfo {
        candidate_id: i32,
        candidate_directory_id: Uuid,
    }

    pub struct LeaderEndpoint {
        name: Str,
        host: Str,
        port: u16,
    }
}

message! {
    EndQuorumEpochResponse: versions 0-1, first flexible 1;

    pub struct EndQuorumEpochResponse {
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
