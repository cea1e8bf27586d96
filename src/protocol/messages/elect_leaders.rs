//! ElectLeaders (key 43), versions 0-2.
//!
//! Has the controller elect leaders: the preferred ones, or any that are alive.

use crate::protocol::{ErrorCode, Str};

api!(ElectLeaders: ElectLeadersRequest -> ElectLeadersResponse);

message! {
    ElectLeadersRequest: versions 0-2, first flexible 2;

    pub struct ElectLeadersRequest {
        /// 0 preferred, 1 unclean.
        election_type: i8 [1+],
        topic_partitions: Option<Vec<TopicPartitions>>,
        timeout_ms: i32 = 60_000,
    }

    pub struct TopicPartitions {
        topic: Str,
        partitions: Vec<i32>,
    }
}

message! {
    ElectLeadersResponse: versions 0-2, first flexible 2;

    pub struct ElectLeadersResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode [1+],
        replica_election_results: Vec<ReplicaElectionResult>,
    }

    pub struct ReplicaElectionResult {
        topic: Str,
        partition_result: Vec<PartitionResult>,
    }

    pub struct PartitionResult {
        partition_id: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
