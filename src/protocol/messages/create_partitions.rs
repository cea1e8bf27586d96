//! CreatePartitions (key 37), versions 0-3.
//!
//! Adds partitions to topics.

use crate::protocol::{ErrorCode, Str};

api!(CreatePartitions: CreatePartitionsRequest -> CreatePartitionsResponse);

message! {
    CreatePartitionsRequest: versions 0-3, first flexible 2;

    pub struct CreatePartitionsRequest {
        topics: Vec<CreatePartitionsTopic>,
        timeout_ms: i32,
        validate_only: bool,
    }

    pub struct CreatePartitionsTopic {
        name: Str,
        count: i32,
        assignments: Option<Vec<CreatePartitionsAssignment>>,
    }

    pub struct CreatePartitionsAssignment {
        broker_ids: Vec<i32>,
    }
}

message! {
    CreatePartitionsResponse: versions 0-3, first flexible 2;

    pub struct CreatePartitionsResponse {
        throttle_time_ms: i32,
        results: Vec<CreatePartitionsTopicResult>,
    }

    pub struct CreatePartitionsTopicResult {
        name: Str,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
