//! PushTelemetry (key 72), version 0: metrics of a client, of which the newest are kept (KIP-714).

use std::time::Instant;

use super::Api;
use super::context::RequestContext;
use super::telemetry_client::{code, identity};
use crate::model::Uuid;
use crate::protocol::ErrorCode;
use crate::protocol::messages::push_telemetry::{PushTelemetryRequest, PushTelemetryResponse};
use crate::telemetry::{Pushed, Untrusted};

/// Takes a push that answers what the client was asked for.
pub fn handle(
    api: &Api,
    context: &RequestContext,
    request: &PushTelemetryRequest,
) -> PushTelemetryResponse {
    let id = request.client_instance_id;
    // Both are reserved: a client gets an id of its own with its first subscription (KIP-714).
    let error_code = if [Uuid::ZERO, Uuid::ONE].contains(&id) {
        ErrorCode::INVALID_REQUEST
    } else {
        let pushed = Pushed {
            subscription_id: request.subscription_id,
            is_last: request.terminating,
            compression: request.compression_type,
            metrics: request.metrics.clone(),
        };
        let taken =
            api.client_metrics()
                .push(id, || identity(context, id), &pushed, Instant::now());
        tracing::debug!(
            client = %Untrusted(context.client_id()),
            bytes = request.metrics.len(),
            last = request.terminating,
            refused = ?taken.err(),
            "a client pushed metrics"
        );
        taken.map_or_else(code, |()| ErrorCode::NONE)
    };
    PushTelemetryResponse {
        error_code,
        ..PushTelemetryResponse::default()
    }
}
