//! DescribeTransactions (key 65), version 0.
//!
//! Describes transactions by transactional id.

use crate::protocol::{ErrorCode, Str};

api!(DescribeTransactions: DescribeTransactionsRequest -> DescribeTransactionsResponse);

message! {
    DescribeTransactionsRequest: versions 0, first flexible 0;

    pub struct DescribeTransactionsRequest {
        transactional_ids: Vec<Str>,
    }
}

message! {
    DescribeTransactionsResponse: versions 0, first flexible 0;

    pub struct DescribeTransactionsResponse {
        throttle_time_ms: i32,
        transaction_states: Vec<TransactionState>,
    }

    pub struct TransactionState {
        error_code: ErrorCode,
        transactional_id: Str,
        transaction_state: Str,
        transaction_timeout_ms: i32,
        transaction_start_time_ms: i64,
        producer_id: i64,
        producer_epoch: i16,
        topics: Vec<TopicData>,
    }

    pub struct TopicData {
        topic: Str,
        partitions: Vec<i32>,
    }
}
