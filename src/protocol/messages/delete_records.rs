//! DeleteRecords (key 21), versions 0-2.
//!
//! Moves the log start offset of partitions forward.

use crate::protocol::{ErrorCode, Str};

api!(DeleteRecords: DeleteRecordsRequest -> DeleteRecordsResponse);

message! {
    DeleteRecordsRequest: versions 0-2, first flexible 2;

    pub struct DeleteRecordsRequest {
        topics: Vec<DeleteRecordsTopic>,
        timeout_ms: i32,
    }

    pub struct DeleteRecordsTopic {
        name: Str,
        partitions: Vec<DeleteRecordsPartition>,
    }

    pub struct DeleteRecordsPartition {
        partition_index: i32,
        offset: i64,
    }
}

message! {
    DeleteRecordsResponse: versions 0-2, first flexible 2;

    pub struct DeleteRecordsResponse {
        throttle_time_ms: i32,
        topics: Vec<DeleteRecordsTopicResult>,
    }

    pub struct DeleteRecordsTopicResult {
        name: Str,
        partitions: Vec<DeleteRecordsPartitionResult>,
    }

    pub struct DeleteRecordsPartitionResult {
        partition_index: i32,
        low_watermark: i64,
        error_code: ErrorCode,
    }
}
