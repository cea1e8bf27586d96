//! OffsetCommit (key 8), versions 2-10.
//!
//! Stores the positions of a consumer group.
//!
//! Versions: 5 drops the retention time; 6 adds leader epochs; 7 static members; 8 is flexible; 9
//! serves members of KIP-848 groups; 10 has topic ids in place of names.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(OffsetCommit: OffsetCommitRequest -> OffsetCommitResponse);

message! {
    OffsetCommitRequest: versions 2-10, first flexible 8;

    pub struct OffsetCommitRequest {
        group_id: Str,
        generation_id_or_member_epoch: i32 = -1,
        member_id: Str,
        group_instance_id: Option<Str> [7+],
        retention_time_ms: i64 [2-4] = -1,
        topics: Vec<OffsetCommitRequestTopic>,
    }

    pub struct OffsetCommitRequestTopic {
        name: Str [2-9],
        topic_id: Uuid [10+],
        partitions: Vec<OffsetCommitRequestPartition>,
    }

    pub struct OffsetCommitRequestPartition {
        partition_index: i32,
        committed_offset: i64,
        committed_leader_epoch: i32 [6+] = -1,
        committed_metadata: Option<Str>,
    }
}

message! {
    OffsetCommitResponse: versions 2-10, first flexible 8;

    pub struct OffsetCommitResponse {
        throttle_time_ms: i32 [3+],
        topics: Vec<OffsetCommitResponseTopic>,
    }

    pub struct OffsetCommitResponseTopic {
        name: Str [2-9],
        topic_id: Uuid [10+],
        partitions: Vec<OffsetCommitResponsePartition>,
    }

    pub struct OffsetCommitResponsePartition {
        partition_index: i32,
        error_code: ErrorCode,
    }
}
