//! DescribeQuorum (key 55), versions 0-2.
//!
//! Tells the voters and observers of a KRaft quorum, and how far each has replicated.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(DescribeQuorum: DescribeQuorumRequest -> DescribeQuorumResponse);

message! {
    DescribeQuorumRequest: versions 0-2, first flexible 0;

    pub struct DescribeQuorumRequest {
        topics: Vec<RequestTopicData>,
    }

    pub struct RequestTopicData {
        topic_name: Str,
        partitions: Vec<RequestPartitionData>,
    }

    pub struct RequestPartitionData {
        partition_index: i32,
    }
}

message! {
    DescribeQuorumResponse: versions 0-2, first flexible 0;

    pub struct DescribeQuorumResponse {
        error_code: ErrorCode,
        error_message: Option<Str> [2+],
        topics: Vec<ResponseTopicData>,
        nodes: Vec<Node> [2+],
    }

    pub struct ResponseTopicData {
        topic_name: Str,
        partitions: Vec<ResponsePartitionData>,
    }

    pub struct ResponsePartitionData {
        partition_index: i32,
        error_code: ErrorCode,
        error_message: Option<Str> [2+],
        leader_id: i32,
        leader_epoch: i32,
        high_watermark: i64,
        current_voters: Vec<ReplicaState>,
        observers: Vec<ReplicaState>,
    }

    pub struct ReplicaState {
        replica_id: i32,
        replica_directory_id: Uuid [2+],
        log_end_offset: i64,
        last_fetch_timestamp: i64 [1+] = -1,
        last_caught_up_timestamp: i64 [1+] = -1,
    }

    pub struct Node {
        node_id: i32,
        listeners: Vec<Listener>,
    }

    pub struct Listener {
        name: Str,
        host: Str,
        port: u16,
    }
}
