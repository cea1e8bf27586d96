//! OffsetForLeaderEpoch (key 23), versions 2-4.
//!
//! Tells where a leader epoch ended, so that a log that diverged can be cut.

use crate::protocol::{ErrorCode, Str};

api!(OffsetForLeaderEpoch: OffsetForLeaderEpochRequest -> OffsetForLeaderEpochResponse);

message! {
    OffsetForLeaderEpochRequest: versions 2-4, first flexible 4;

    pub struct OffsetForLeaderEpochRequest {
        replica_id: i32 [3+] = -2,
        topics: Vec<OffsetForLeaderTopic>,
    }

    pub struct OffsetForLeaderTopic {
        topic: Str,
        partitions: Vec<OffsetForLeaderPartition>,
    }

    pub struct OffsetForLeaderPartition {
        partition: i32,
        current_leader_epoch: i32 = -1,
        leader_epoch: i32,
    }
}

message! {
    OffsetForLeaderEpochResponse: versions 2-4, first flexible 4;

    pub struct OffsetForLeaderEpochResponse {
        throttle_time_ms: i32,
        topics: Vec<OffsetForLeaderTopicResult>,
    }

    pub struct OffsetForLeaderTopicResult {
        topic: Str,
        partitions: Vec<EpochEndOffset>,
    }

    pub struct EpochEndOffset {
        error_code: ErrorCode,
        partition: i32,
        leader_epoch: i32 = -1,
        end_offset: i64 = -1,
    }
}
