//! ListOffsets (key 2), versions 1-11.
//!
//! Finds offsets: the first and last of a partition, or the one that belongs to a timestamp.
//!
//! Versions: 1 answers one offset for each timestamp; 2 adds the isolation level; 4 leader epochs;
//! 6 is flexible; 7 knows the maximal timestamp (-3), 8 the earliest local offset (-4), 9 the
//! latest tiered one (-5), 10 adds a timeout for remote lookups, 11 knows the earliest offset that
//! is not tiered yet (-6).

use crate::protocol::{ErrorCode, Str};

api!(ListOffsets: ListOffsetsRequest -> ListOffsetsResponse);

message! {
    ListOffsetsRequest: versions 1-11, first flexible 6;

    pub struct ListOffsetsRequest {
        replica_id: i32,
        /// 0 knows all records, 1 only those below the last stable offset.
        isolation_level: i8 [2+],
        topics: Vec<ListOffsetsTopic>,
        timeout_ms: i32 [10+],
    }

    pub struct ListOffsetsTopic {
        name: Str,
        partitions: Vec<ListOffsetsPartition>,
    }

    pub struct ListOffsetsPartition {
        partition_index: i32,
        current_leader_epoch: i32 [4+] = -1,
        /// In ms; -1 latest, -2 earliest, and other negative ones as the version allows.
        timestamp: i64,
    }
}

message! {
    ListOffsetsResponse: versions 1-11, first flexible 6;

    pub struct ListOffsetsResponse {
        throttle_time_ms: i32 [2+],
        topics: Vec<ListOffsetsTopicResponse>,
    }

    pub struct ListOffsetsTopicResponse {
        name: Str,
        partitions: Vec<ListOffsetsPartitionResponse>,
    }

    pub struct ListOffsetsPartitionResponse {
        partition_index: i32,
        error_code: ErrorCode,
        timestamp: i64 = -1,
        offset: i64 = -1,
        leader_epoch: i32 [4+] = -1,
    }
}
