//! Envelope (key 58), version 0.
//!
//! Carries a request that a broker forwards to the controller, with who sent it.

use bytes::Bytes;

use crate::protocol::ErrorCode;

api!(Envelope: EnvelopeRequest -> EnvelopeResponse);

message! {
    EnvelopeRequest: versions 0, first flexible 0;

    pub struct EnvelopeRequest {
        request_data: Bytes,
        request_principal: Option<Bytes>,
        client_host_address: Bytes,
    }
}

message! {
    EnvelopeResponse: versions 0, first flexible 0;

    pub struct EnvelopeResponse {
        response_data: Option<Bytes>,
        error_code: ErrorCode,
    }
}
