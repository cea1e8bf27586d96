//! Envelope (key 58), version 0: a broker forwards a client's request to the active controller (KIP-590).
//!
//! The request within is served as if its client had sent it to this node, with the client's principal, id
//! and quotas; nothing holds up the connection of the broker, which has other clients. Only brokers reach
//! the listener that has this route.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::Api;
use super::context::{ForwardedFor, RequestContext};
use super::heavy;
use super::route::{ListenerKind, Route, answer};
use crate::metadata::principal_of;
use crate::network::{Handling, Outcome};
use crate::protocol::messages::envelope::{EnvelopeRequest, EnvelopeResponse};
use crate::protocol::{DecodeError, ErrorCode, Reader, RequestHeader, ResponseFrame};

/// Serves the request in the envelope, and puts its answer into one.
pub(super) fn handle(
    api: &Arc<Api>,
    context: RequestContext,
    body: Bytes,
) -> Result<Handling, DecodeError> {
    let envelope = context.decode::<EnvelopeRequest>(body)?;
    let outer = of_envelope(&context);
    let is_undecided = Arc::new(AtomicBool::new(false));
    let opened = open(api, context, envelope, &is_undecided);
    let served = opened.and_then(|(route, inner, body)| {
        if route.is_heavy(api, &inner, &body) {
            return Ok(heavy::serve(api, route, inner, body));
        }
        let served = route.serve(api, inner, body);
        served.map_err(|_| ErrorCode::INVALID_REQUEST)
    });
    let seal = move |served: Result<&ResponseFrame, ErrorCode>| match served {
        Ok(_) if is_undecided.load(Ordering::Relaxed) => refused(&outer, ErrorCode::NOT_CONTROLLER),
        Ok(frame) => sealed(&outer, frame),
        Err(code) => refused(&outer, code),
    };
    let unanswered = Err(ErrorCode::UNKNOWN_SERVER_ERROR);
    Ok(match served {
        Err(code) => Handling::Answer(seal(Err(code))),
        Ok(Handling::Answer(frame)) => Handling::Answer(seal(Ok(&frame))),
        Ok(Handling::Later(pending) | Handling::Pipelined(pending)) => {
            Handling::Later(Box::pin(async move {
                Outcome::Answer(match pending.await {
                    Outcome::Answer(frame) | Outcome::FromElsewhere(frame, _) => seal(Ok(&frame)),
                    Outcome::NoAnswer | Outcome::Close(_) => seal(unanswered),
                })
            }))
        }
        Ok(Handling::NoAnswer | Handling::Close(_)) => Handling::Answer(seal(unanswered)),
    })
}

/// The request within, if it may be forwarded and this node is the active controller.
fn open(
    api: &Api,
    context: RequestContext,
    envelope: EnvelopeRequest,
    is_undecided: &Arc<AtomicBool>,
) -> Result<(&'static Route, RequestContext, Bytes), ErrorCode> {
    if api.active_controller() != api.node_id() {
        return Err(ErrorCode::NOT_CONTROLLER);
    }
    if ![4, 16].contains(&envelope.client_host_address.len()) {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let principal = envelope.request_principal.as_ref().and_then(principal_of);
    let principal = principal.ok_or(ErrorCode::PRINCIPAL_DESERIALIZATION_FAILURE)?;
    let mut reader = Reader::new(envelope.request_data);
    let header = RequestHeader::decode(&mut reader).map_err(|_| ErrorCode::INVALID_REQUEST)?;
    let route = Route::find(header.api_key, ListenerKind::Controller);
    let route = route.filter(|route| route.key.is_forwarded());
    let route = route.ok_or(ErrorCode::INVALID_REQUEST)?;
    if !route.versions().contains(&header.api_version) {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let inner = RequestContext {
        header,
        forwarded_for: Some(ForwardedFor {
            principal,
            is_undecided: Arc::clone(is_undecided),
        }),
        ..context
    };
    Ok((route, inner, reader.take_rest()))
}

/// The circumstances of the envelope itself, to answer it with.
fn of_envelope(context: &RequestContext) -> RequestContext {
    RequestContext {
        connection: Arc::clone(&context.connection),
        header: context.header.clone(),
        size: context.size,
        limits: context.limits,
        received_at: context.received_at,
        charge: None,
        forwarded_for: None,
    }
}

fn sealed(context: &RequestContext, frame: &ResponseFrame) -> ResponseFrame {
    let Some(response_data) = frame.unframed() else {
        return refused(context, ErrorCode::UNKNOWN_SERVER_ERROR);
    };
    let response = EnvelopeResponse {
        response_data: Some(response_data),
        error_code: ErrorCode::NONE,
    };
    answer::<EnvelopeRequest>(context, &response)
}

/// An answer without the one within. Empty response data with NOT_CONTROLLER says that nothing was done, where
/// an Apache controller, which has none there, does not say so.
fn refused(context: &RequestContext, error_code: ErrorCode) -> ResponseFrame {
    let is_undecided = error_code == ErrorCode::NOT_CONTROLLER;
    let response = EnvelopeResponse {
        response_data: is_undecided.then(Bytes::new),
        error_code,
    };
    answer::<EnvelopeRequest>(context, &response)
}
