//! PushTelemetry (key 72), version 0.
//!
//! Brings metrics of a client (KIP-714).

use bytes::Bytes;

use crate::model::Uuid;
use crate::protocol::ErrorCode;

api!(PushTelemetry: PushTelemetryRequest -> PushTelemetryResponse);

message! {
    PushTelemetryRequest: versions 0, first flexible 0;

    pub struct PushTelemetryRequest {
        client_instance_id: Uuid,
        subscription_id: i32,
        terminating: bool,
        compression_type: i8,
        metrics: Bytes,
    }
}

message! {
    PushTelemetryResponse: versions 0, first flexible 0;

    pub struct PushTelemetryResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
    }
}
