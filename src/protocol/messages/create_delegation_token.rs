//! CreateDelegationToken (key 38), versions 1-3.
//!
//! Makes a token that authenticates as its owner.

use bytes::Bytes;

use crate::protocol::{ErrorCode, Str};

api!(CreateDelegationToken: CreateDelegationTokenRequest -> CreateDelegationTokenResponse);

message! {
    CreateDelegationTokenRequest: versions 1-3, first flexible 2;

    pub struct CreateDelegationTokenRequest {
        owner_principal_type: Option<Str> [3+],
        owner_principal_name: Option<Str> [3+],
        renewers: Vec<CreatableRenewers>,
        max_lifetime_ms: i64,
    }

    pub struct CreatableRenewers {
        principal_type: Str,
        principal_name: Str,
    }
}

message! {
    CreateDelegationTokenResponse: versions 1-3, first flexible 2;

    pub struct CreateDelegationTokenResponse {
        error_code: ErrorCode,
        principal_type: Str,
        principal_name: Str,
        token_requester_principal_type: Str [3+],
        token_requester_principal_name: Str [3+],
        issue_timestamp_ms: i64,
        expiry_timestamp_ms: i64,
        max_timestamp_ms: i64,
        token_id: Str,
        hmac: Bytes,
        throttle_time_ms: i32,
    }
}
