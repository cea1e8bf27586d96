//! FetchSnapshot (key 59), versions 0-1.
//!
//! Reads a piece of a snapshot of the metadata log.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Payload, Str};

api!(FetchSnapshot: FetchSnapshotRequest -> FetchSnapshotResponse);

message! {
    FetchSnapshotRequest: versions 0-1, first flexible 0;

    pub struct FetchSnapshotRequest {
        replica_id: i32 = -1,
        max_bytes: i32 = i32::MAX,
        topics: Vec<RequestTopicSnapshot>,
    }
    tagged {
        0 => cluster_id: Option<Str>,
    }

    pub struct RequestTopicSnapshot {
        name: Str,
        partitions: Vec<RequestPartitionSnapshot>,
    }

    pub struct RequestPartitionSnapshot {
        partition: i32,
        current_leader_epoch: i32,
        snapshot_id: SnapshotId,
        position: i64,
    }
    tagged {
        0 => replica_directory_id: Uuid [1+],
    }

    pub struct SnapshotId {
        end_offset: i64,
        epoch: i32,
    }
}

message! {
    FetchSnapshotResponse: versions 0-1, first flexible 0;

    pub struct FetchSnapshotResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        topics: Vec<ResponseTopicSnapshot>,
    }
    tagged {
        0 => node_endpoints: Vec<NodeEndpoint> [1+],
    }

    pub struct ResponseTopicSnapshot {
        name: Str,
        partitions: Vec<ResponsePartitionSnapshot>,
    }

    pub struct ResponsePartitionSnapshot {
        index: i32,
        error_code: ErrorCode,
        snapshot_id: SnapshotId,
        size: i64,
        position: i64,
        unaligned_records: Payload,
    }
    tagged {
        0 => current_leader: LeaderIdAndEpoch,
    }

    pub struct LeaderIdAndEpoch {
        leader_id: i32,
        leader_epoch: i32,
    }

    pub struct NodeEndpoint {
        node_id: i32,
        host: Str,
        port: u16,
    }
}
