//! RenewDelegationToken (key 39), versions 1-2.
//!
//! Lets a delegation token live longer.

use bytes::Bytes;

use crate::protocol::ErrorCode;

api!(RenewDelegationToken: RenewDelegationTokenRequest -> RenewDelegationTokenResponse);

message! {
    RenewDelegationTokenRequest: versions 1-2, first flexible 2;

    pub struct RenewDelegationTokenRequest {
        hmac: Bytes,
        renew_period_ms: i64,
    }
}

message! {
    RenewDelegationTokenResponse: versions 1-2, first flexible 2;

    pub struct RenewDelegationTokenResponse {
        error_code: ErrorCode,
        expiry_timestamp_ms: i64,
        throttle_time_ms: i32,
    }
}
