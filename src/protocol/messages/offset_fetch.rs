//! OffsetFetch (key 9), versions 1-10.
//!
//! Reads the stored positions of consumer groups.
//!
//! Versions: from 2 on null asks for all topics; 7 can demand stable offsets; 8 asks for many
//! groups at once; 9 adds the member and its epoch; 10 has topic ids in place of names.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(OffsetFetch: OffsetFetchRequest -> OffsetFetchResponse);

message! {
    OffsetFetchRequest: versions 1-10, first flexible 6;

    pub struct OffsetFetchRequest {
        group_id: Str [1-7],
        topics: Option<Vec<OffsetFetchRequestTopic>> [1-7, null 2+],
        groups: Vec<OffsetFetchRequestGroup> [8+],
        require_stable: bool [7+],
    }

    pub struct OffsetFetchRequestTopic {
        name: Str,
        partition_indexes: Vec<i32>,
    }

    pub struct OffsetFetchRequestGroup {
        group_id: Str,
        member_id: Option<Str> [9+],
        member_epoch: i32 [9+] = -1,
        topics: Option<Vec<OffsetFetchRequestTopics>>,
    }

    pub struct OffsetFetchRequestTopics {
        name: Str [8-9],
        topic_id: Uuid [10+],
        partition_indexes: Vec<i32>,
    }
}

message! {
    OffsetFetchResponse: versions 1-10, first flexible 6;

    pub struct OffsetFetchResponse {
        throttle_time_ms: i32 [3+],
        topics: Vec<OffsetFetchResponseTopic> [1-7],
        error_code: ErrorCode [2-7],
        groups: Vec<OffsetFetchResponseGroup> [8+],
    }

    pub struct OffsetFetchResponseTopic {
        name: Str,
        partitions: Vec<OffsetFetchResponsePartition>,
    }

    pub struct OffsetFetchResponsePartition {
        partition_index: i32,
        committed_offset: i64,
        committed_leader_epoch: i32 [5+] = -1,
        metadata: Option<Str>,
        error_code: ErrorCode,
    }

    pub struct OffsetFetchResponseGroup {
        group_id: Str,
        topics: Vec<OffsetFetchResponseTopics>,
        error_code: ErrorCode,
    }

    pub struct OffsetFetchResponseTopics {
        name: Str [8-9],
        topic_id: Uuid [10+],
        partitions: Vec<OffsetFetchResponsePartitions>,
    }

    pub struct OffsetFetchResponsePartitions {
        partition_index: i32,
        committed_offset: i64,
        committed_leader_epoch: i32 = -1,
        metadata: Option<Str>,
        error_code: ErrorCode,
    }
}
