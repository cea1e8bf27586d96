//! The identity of a client that pushes telemetry, and the codes of refusals (KIP-714).

use super::context::RequestContext;
use crate::model::Uuid;
use crate::protocol::ErrorCode;
use crate::telemetry::{ClientIdentity, RefusedTelemetry};

/// The identity of the client of a request, for the match rules of subscriptions.
pub fn identity(context: &RequestContext, id: Uuid) -> ClientIdentity {
    let software = context.connection.software();
    ClientIdentity {
        instance_id: id.to_string(),
        client_id: context.client_id().to_owned(),
        software: software.map(|software| (software.name.clone(), software.version.clone())),
        peer: context.connection.peer(),
    }
}

/// Kafka's error code for a refusal.
pub fn code(refused: RefusedTelemetry) -> ErrorCode {
    match refused {
        RefusedTelemetry::TooEarly => ErrorCode::THROTTLING_QUOTA_EXCEEDED,
        RefusedTelemetry::UnknownSubscription => ErrorCode::UNKNOWN_SUBSCRIPTION_ID,
        RefusedTelemetry::UnknownCompression => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        RefusedTelemetry::TooLarge => ErrorCode::TELEMETRY_TOO_LARGE,
        RefusedTelemetry::AfterTheLast => ErrorCode::INVALID_REQUEST,
    }
}
