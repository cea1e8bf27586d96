//! DescribeDelegationToken (key 41), versions 1-3.
//!
//! Lists delegation tokens by owner.

use bytes::Bytes;

use crate::protocol::{ErrorCode, Str};

api!(DescribeDelegationToken: DescribeDelegationTokenRequest -> DescribeDelegationTokenResponse);

message! {
    DescribeDelegationTokenRequest: versions 1-3, first flexible 2;

    pub struct DescribeDelegationTokenRequest {
        owners: Option<Vec<DescribeDelegationTokenOwner>>,
    }

    pub struct DescribeDelegationTokenOwner {
        principal_type: Str,
        principal_name: Str,
    }
}

message! {
    DescribeDelegationTokenResponse: versions 1-3, first flexible 2;

    pub struct DescribeDelegationTokenResponse {
        error_code: ErrorCode,
        tokens: Vec<DescribedDelegationToken>,
        throttle_time_ms: i32,
    }

    pub struct DescribedDelegationToken {
        principal_type: Str,
        principal_name: Str,
        token_requester_principal_type: Str [3+],
        token_requester_principal_name: Str [3+],
        issue_timestamp: i64,
        expiry_timestamp: i64,
        max_timestamp: i64,
        token_id: Str,
        hmac: Bytes,
        renewers: Vec<DescribedDelegationTokenRenewer>,
    }

    pub struct DescribedDelegationTokenRenewer {
        principal_type: Str,
        principal_name: Str,
    }
}
