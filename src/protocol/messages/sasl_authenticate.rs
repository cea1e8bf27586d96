//! SaslAuthenticate (key 36), versions 0-2.
//!
//! Carries the tokens of a SASL exchange.

use bytes::Bytes;

use crate::protocol::{ErrorCode, Str};

api!(SaslAuthenticate: SaslAuthenticateRequest -> SaslAuthenticateResponse);

message! {
    SaslAuthenticateRequest: versions 0-2, first flexible 2;

    pub struct SaslAuthenticateRequest {
        auth_bytes: Bytes,
    }
}

message! {
    SaslAuthenticateResponse: versions 0-2, first flexible 2;

    pub struct SaslAuthenticateResponse {
        error_code: ErrorCode,
        error_message: Option<Str>,
        auth_bytes: Bytes,
        session_lifetime_ms: i64 [1+],
    }
}
