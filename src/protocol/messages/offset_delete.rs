//! OffsetDelete (key 47), version 0.
//!
//! Deletes stored positions of a group.

use crate::protocol::{ErrorCode, Str};

api!(OffsetDelete: OffsetDeleteRequest -> OffsetDeleteResponse);

message! {
    OffsetDeleteRequest: versions 0, first flexible never;

    pub struct OffsetDeleteRequest {
        group_id: Str,
        topics: Vec<OffsetDeleteRequestTopic>,
    }

    pub struct OffsetDeleteRequestTopic {
        name: Str,
        partitions: Vec<OffsetDeleteRequestPartition>,
    }

    pub struct OffsetDeleteRequestPartition {
        partition_index: i32,
    }
}

message! {
    OffsetDeleteResponse: versions 0, first flexible never;

    pub struct OffsetDeleteResponse {
        error_code: ErrorCode,
        throttle_time_ms: i32,
        topics: Vec<OffsetDeleteResponseTopic>,
    }

    pub struct OffsetDeleteResponseTopic {
        name: Str,
        partitions: Vec<OffsetDeleteResponsePartition>,
    }

    pub struct OffsetDeleteResponsePartition {
        partition_index: i32,
        error_code: ErrorCode,
    }
}
