//! EndTxn (key 26), versions 0-5.
//!
//! Commits or aborts a transaction.
//!
//! Versions: 5 answers with the producer's next id and epoch (transactions v2).

use crate::protocol::{ErrorCode, Str};

api!(EndTxn: EndTxnRequest -> EndTxnResponse);

message! {
    EndTxnRequest: versions 0-5, first flexible 3;

    pub struct EndTxnRequest {
        transactional_id: Str,
        producer_id: i64,
        producer_epoch: i16,
        /// Whether the transaction is committed; aborted otherwise.
        committed: bool,
    }
}

message! {
    EndTxnResponse: versions 0-5, first flexible 3;

    pub struct EndTxnResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        producer_id: i64 [5+] = -1,
        producer_epoch: i16 [5+] = -1,
    }
}
