//! GetTelemetrySubscriptions (key 71), version 0.
//!
//! Tells a client which of its metrics to push (KIP-714).

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(GetTelemetrySubscriptions:
    GetTelemetrySubscriptionsRequest -> GetTelemetrySubscriptionsResponse);

message! {
    GetTelemetrySubscriptionsRequest: versions 0, first flexible 0;

    pub struct GetTelemetrySubscriptionsRequest {
        client_instance_id: Uuid,
    }
}

message! {
    GetTelemetrySubscriptionsResponse: versions 0, first flexible 0;

    pub struct GetTelemetrySubscriptionsResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        client_instance_id: Uuid,
        subscription_id: i32,
        accepted_compression_types: Vec<i8>,
        push_interval_ms: i32,
        telemetry_max_bytes: i32,
        delta_temporality: bool,
        requested_metrics: Vec<Str>,
    }
}
