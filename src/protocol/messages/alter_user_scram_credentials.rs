//! AlterUserScramCredentials (key 51), version 0.
//!
//! Sets and deletes SCRAM credentials.

use bytes::Bytes;

use crate::protocol::{ErrorCode, Str};

api!(AlterUserScramCredentials:
    AlterUserScramCredentialsRequest -> AlterUserScramCredentialsResponse);

message! {
    AlterUserScramCredentialsRequest: versions 0, first flexible 0;

    pub struct AlterUserScramCredentialsRequest {
        deletions: Vec<ScramCredentialDeletion>,
        upsertions: Vec<ScramCredentialUpsertion>,
    }

    pub struct ScramCredentialDeletion {
        name: Str,
        mechanism: i8,
    }

    pub struct ScramCredentialUpsertion {
        name: Str,
        mechanism: i8,
        iterations: i32,
        salt: Bytes,
        salted_password: Bytes,
    }
}

message! {
    AlterUserScramCredentialsResponse: versions 0, first flexible 0;

    pub struct AlterUserScramCredentialsResponse {
        throttle_time_ms: i32,
        results: Vec<AlterUserScramCredentialsResult>,
    }

    pub struct AlterUserScramCredentialsResult {
        user: Str,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
