//! UnregisterBroker (key 64), version 0.
//!
//! Removes the registration of a broker that is gone.

use crate::protocol::{ErrorCode, Str};

api!(UnregisterBroker: UnregisterBrokerRequest -> UnregisterBrokerResponse);

message! {
    UnregisterBrokerRequest: versions 0, first flexible 0;

    pub struct UnregisterBrokerRequest {
        broker_id: i32,
    }
}

message! {
    UnregisterBrokerResponse: versions 0, first flexible 0;

    pub struct UnregisterBrokerResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
