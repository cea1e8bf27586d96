//! GetTelemetrySubscriptions (key 71), version 0: which of its metrics a client is asked for, and how
//! often (KIP-714). A client without an id is given one.

use std::time::Instant;

use super::Api;
use super::context::RequestContext;
use super::telemetry_client::{code, identity};
use crate::model::Uuid;
use crate::protocol::Str;
use crate::protocol::messages::get_telemetry_subscriptions::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
};

/// The codecs that a push may have, the best first: zstd, lz4, gzip, snappy.
const COMPRESSION_TYPES: [i8; 4] = [4, 3, 1, 2];

/// Answers with the subscriptions that match the client.
pub fn handle(
    api: &Api,
    context: &RequestContext,
    request: &GetTelemetrySubscriptionsRequest,
) -> GetTelemetrySubscriptionsResponse {
    let id = match request.client_instance_id {
        Uuid::ZERO => new_id(),
        id => id,
    };
    let metrics = api.client_metrics();
    let asked = metrics.subscription(id, || identity(context, id), Instant::now());
    match asked {
        Ok(asked) => GetTelemetrySubscriptionsResponse {
            client_instance_id: id,
            subscription_id: asked.id,
            accepted_compression_types: COMPRESSION_TYPES.to_vec(),
            push_interval_ms: asked.push_interval_ms,
            telemetry_max_bytes: i32::try_from(metrics.max_bytes()).unwrap_or(i32::MAX),
            delta_temporality: true,
            requested_metrics: asked.metrics.into_iter().map(Str::from).collect(),
            ..GetTelemetrySubscriptionsResponse::default()
        },
        Err(refused) => GetTelemetrySubscriptionsResponse {
            error_code: code(refused),
            ..GetTelemetrySubscriptionsResponse::default()
        },
    }
}

fn new_id() -> Uuid {
    loop {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has random bytes");
        if let Some(id) = Uuid::from_random(bytes) {
            return id;
        }
    }
}
