//! TxnOffsetCommit (key 28), versions 0-6.
//!
//! Stores a group's positions as part of a transaction.
//!
//! Versions: 3 adds the member; 5 adds the offsets to the transaction by itself (transactions v2);
//! 6 has topic ids in place of names (KIP-1319).

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(TxnOffsetCommit: TxnOffsetCommitRequest -> TxnOffsetCommitResponse);

message! {
    TxnOffsetCommitRequest: versions 0-6, first flexible 3;

    pub struct TxnOffsetCommitRequest {
        transactional_id: Str,
        group_id: Str,
        producer_id: i64,
        producer_epoch: i16,
        generation_id_or_member_epoch: i32 [3+] = -1,
        member_id: Str [3+],
        group_instance_id: Option<Str> [3+],
        topics: Vec<TxnOffsetCommitRequestTopic>,
    }

    pub struct TxnOffsetCommitRequestTopic {
        name: Str [0-5],
        topic_id: Uuid [6+],
        partitions: Vec<TxnOffsetCommitRequestPartition>,
    }

    pub struct TxnOffsetCommitRequestPartition {
        partition_index: i32,
        committed_offset: i64,
        committed_leader_epoch: i32 [2+] = -1,
        committed_metadata: Option<Str>,
    }
}

message! {
    TxnOffsetCommitResponse: versions 0-6, first flexible 3;

    pub struct TxnOffsetCommitResponse {
        throttle_time_ms: i32,
        topics: Vec<TxnOffsetCommitResponseTopic>,
    }

    pub struct TxnOffsetCommitResponseTopic {
        name: Str [0-5],
        topic_id: Uuid [6+],
        partitions: Vec<TxnOffsetCommitResponsePartition>,
    }

    pub struct TxnOffsetCommitResponsePartition {
        partition_index: i32,
        error_code: ErrorCode,
    }
}
