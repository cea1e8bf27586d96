//! AlterPartitionReassignments (key 45), versions 0-1.
//!
//! Moves partitions to other replicas, or ends such a move.
//!
//! Versions: 1 can forbid that the replication factor changes.

use crate::protocol::{ErrorCode, Str};

api!(AlterPartitionReassignments:
    AlterPartitionReassignmentsRequest -> AlterPartitionReassignmentsResponse);

message! {
    AlterPartitionReassignmentsRequest: versions 0-1, first flexible 0;

    pub struct AlterPartitionReassignmentsRequest {
        timeout_ms: i32 = 60_000,
        allow_replication_factor_change: bool [1+] = true,
        topics: Vec<ReassignableTopic>,
    }

    pub struct ReassignableTopic {
        name: Str,
        partitions: Vec<ReassignablePartition>,
    }

    pub struct ReassignablePartition {
        partition_index: i32,
        replicas: Option<Vec<i32>>,
    }
}

message! {
    AlterPartitionReassignmentsResponse: versions 0-1, first flexible 0;

    pub struct AlterPartitionReassignmentsResponse {
        throttle_time_ms: i32,
        allow_replication_factor_change: bool [1+] = true,
        error_code: ErrorCode,
        error_message: Option<Str>,
        responses: Vec<ReassignableTopicResponse>,
    }

    pub struct ReassignableTopicResponse {
        name: Str,
        partitions: Vec<ReassignablePartitionResponse>,
    }

    pub struct ReassignablePartitionResponse {
        partition_index: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
