//! ListTransactions (key 66), versions 0-2.
//!
//! Lists the transactions that the broker coordinates.
//!
//! Versions: 1 filters by duration; 2 by a pattern of transactional ids (KIP-1152).

use crate::protocol::{ErrorCode, Str};

api!(ListTransactions: ListTransactionsRequest -> ListTransactionsResponse);

message! {
    ListTransactionsRequest: versions 0-2, first flexible 0;

    pub struct ListTransactionsRequest {
        state_filters: Vec<Str>,
        producer_id_filters: Vec<i64>,
        duration_filter: i64 [1+] = -1,
        transactional_id_pattern: Option<Str> [2+],
    }
}

message! {
    ListTransactionsResponse: versions 0-2, first flexible 0;

    pub struct ListTransactionsResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        unknown_state_filters: Vec<Str>,
        transaction_states: Vec<TransactionState>,
    }

    pub struct TransactionState {
        transactional_id: Str,
        producer_id: i64,
        transaction_state: Str,
    }
}
