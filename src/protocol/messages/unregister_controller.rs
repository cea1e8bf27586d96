//! UnregisterController (key 94), version 0.
//!
//! Removes the registration of a controller that is gone.

use crate::protocol::{ErrorCode, Str};

api!(UnregisterController: UnregisterControllerRequest -> UnregisterControllerResponse);

message! {
    UnregisterControllerRequest: versions 0, first flexible 0;

    pub struct UnregisterControllerRequest {
        controller_id: i32,
    }
}

message! {
    UnregisterControllerResponse: versions 0, first flexible 0;

    pub struct UnregisterControllerResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
