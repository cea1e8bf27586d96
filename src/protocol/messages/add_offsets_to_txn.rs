//! AddOffsetsToTxn (key 25), versions 0-4.
//!
//! Makes a group's offsets part of a transaction.

use crate::protocol::{ErrorCode, Str};

api!(AddOffsetsToTxn: AddOffsetsToTxnRequest -> AddOffsetsToTxnResponse);

message! {
    AddOffsetsToTxnRequest: versions 0-4, first flexible 3;

    pub struct AddOffsetsToTxnRequest {
        transactional_id: Str,
        producer_id: i64,
        producer_epoch: i16,
        group_id: Str,
    }
}

message! {
    AddOffsetsToTxnResponse: versions 0-4, first flexible 3;

    pub struct AddOffsetsToTxnResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
    }
}
