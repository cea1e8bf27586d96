//! AddPartitionsToTxn (key 24), versions 0-5.
//!
//! Makes partitions part of a transaction, or verifies that they are.
//!
//! Versions: clients send 0-3; brokers send 4 and 5, for many transactions at once, or only to verify.

use crate::protocol::{ErrorCode, Str};

api!(AddPartitionsToTxn: AddPartitionsToTxnRequest -> AddPartitionsToTxnResponse);

message! {
    AddPartitionsToTxnRequest: versions 0-5, first flexible 3;

    pub struct AddPartitionsToTxnRequest {
        transactions: Vec<AddPartitionsToTxnTransaction> [4+],
        v3_and_below_transactional_id: Str [0-3],
        v3_and_below_producer_id: i64 [0-3],
        v3_and_below_producer_epoch: i16 [0-3],
        v3_and_below_topics: Vec<AddPartitionsToTxnTopic> [0-3],
    }

    pub struct AddPartitionsToTxnTransaction {
        transactional_id: Str,
        producer_id: i64,
        producer_epoch: i16,
        verify_only: bool,
        topics: Vec<AddPartitionsToTxnTopic>,
    }

    pub struct AddPartitionsToTxnTopic {
        name: Str,
        partitions: Vec<i32>,
    }
}

message! {
    AddPartitionsToTxnResponse: versions 0-5, first flexible 3;

    pub struct AddPartitionsToTxnResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode [4+],
        results_by_transaction: Vec<AddPartitionsToTxnResult> [4+],
        results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult> [0-3],
    }

    pub struct AddPartitionsToTxnResult {
        transactional_id: Str,
        topic_results: Vec<AddPartitionsToTxnTopicResult>,
    }

    pub struct AddPartitionsToTxnTopicResult {
        name: Str,
        results_by_partition: Vec<AddPartitionsToTxnPartitionResult>,
    }

    pub struct AddPartitionsToTxnPartitionResult {
        partition_index: i32,
        partition_error_code: ErrorCode,
    }
}
