//! ControllerRegistration (key 70), version 0.
//!
//! A controller makes its endpoints and features known to the active one.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(ControllerRegistration: ControllerRegistrationRequest -> ControllerRegistrationResponse);

message! {
    ControllerRegistrationRequest: versions 0, first flexible 0;

    pub struct ControllerRegistrationRequest {
        controller_id: i32,
        incarnation_id: Uuid,
        zk_migration_ready: bool,
        listeners: Vec<Listener>,
        features: Vec<Feature>,
    }

    pub struct Listener {
        name: Str,
        host: Str,
        port: u16,
        security_protocol: i16,
    }

    pub struct Feature {
        name: Str,
        min_supported_version: i16,
        max_supported_version: i16,
    }
}

message! {
    ControllerRegistrationResponse: versions 0, first flexible 0;

    pub struct ControllerRegistrationResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
