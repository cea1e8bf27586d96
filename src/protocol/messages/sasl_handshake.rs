//! SaslHandshake (key 17), versions 0-1.
//!
//! Chooses the SASL mechanism of a connection.
//!
//! Versions: after 0 the tokens follow as bare frames, after 1 in SaslAuthenticate requests.

use crate::protocol::{ErrorCode, Str};

api!(SaslHandshake: SaslHandshakeRequest -> SaslHandshakeResponse);

message! {
    SaslHandshakeRequest: versions 0-1, first flexible never;

    pub struct SaslHandshakeRequest {
        mechanism: Str,
    }
}

message! {
    SaslHandshakeResponse: versions 0-1, first flexible never;

    pub struct SaslHandshakeResponse {
        error_code: ErrorCode,
        mechanisms: Vec<Str>,
    }
}
