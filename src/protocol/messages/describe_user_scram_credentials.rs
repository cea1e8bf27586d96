//! DescribeUserScramCredentials (key 50), version 0.
//!
//! Tells which SCRAM credentials users have, without their secrets.

use crate::protocol::{ErrorCode, Str};

api!(DescribeUserScramCredentials:
    DescribeUserScramCredentialsRequest -> DescribeUserScramCredentialsResponse);

message! {
    DescribeUserScramCredentialsRequest: versions 0, first flexible 0;

    pub struct DescribeUserScramCredentialsRequest {
        users: Option<Vec<UserName>>,
    }

    pub struct UserName {
        name: Str,
    }
}

message! {
    DescribeUserScramCredentialsResponse: versions 0, first flexible 0;

    pub struct DescribeUserScramCredentialsResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        results: Vec<DescribeUserScramCredentialsResult>,
    }

    pub struct DescribeUserScramCredentialsResult {
        user: Str,
        error_code: ErrorCode,
        error_message: Option<Str>,
        credential_infos: Vec<CredentialInfo>,
    }

    pub struct CredentialInfo {
        mechanism: i8,
        iterations: i32,
    }
}
