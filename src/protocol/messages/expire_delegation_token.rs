//! ExpireDelegationToken (key 40), versions 1-2.
//!
//! Brings the end of a delegation token forward.

use bytes::Bytes;

use crate::protocol::ErrorCode;

api!(ExpireDelegationToken: ExpireDelegationTokenRequest -> ExpireDelegationTokenResponse);

message! {
    ExpireDelegationTokenRequest: versions 1-2, first flexible 2;

    pub struct ExpireDelegationTokenRequest {
        hmac: Bytes,
        expiry_time_period_ms: i64,
    }
}

message! {
    ExpireDelegationTokenResponse: versions 1-2, first flexible 2;

    pub struct ExpireDelegationTokenResponse {
        error_code: ErrorCode,
        expiry_timestamp_ms: i64,
        throttle_time_ms: i32,
    }
}
