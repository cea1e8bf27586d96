//! ListPartitionReassignments (key 46), version 0.
//!
//! Lists the moves of partitions that are under way.

use crate::protocol::{ErrorCode, Str};

api!(ListPartitionReassignments:
    ListPartitionReassignmentsRequest -> ListPartitionReassignmentsResponse);

message! {
    ListPartitionReassignmentsRequest: versions 0, first flexible 0;

    pub struct ListPartitionReassignmentsRequest {
        timeout_ms: i32 = 60_000,
        topics: Option<Vec<ListPartitionReassignmentsTopics>>,
    }

    pub struct ListPartitionReassignmentsTopics {
        name: Str,
        partition_indexes: Vec<i32>,
    }
}

message! {
    ListPartitionReassignmentsResponse: versions 0, first flexible 0;

    pub struct ListPartitionReassignmentsResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        topics: Vec<OngoingTopicReassignment>,
    }

    pub struct OngoingTopicReassignment {
        name: Str,
        partitions: Vec<OngoingPartitionReassignment>,
    }

    pub struct OngoingPartitionReassignment {
        partition_index: i32,
        replicas: Vec<i32>,
        adding_replicas: Vec<i32>,
        removing_replicas: Vec<i32>,
    }
}
