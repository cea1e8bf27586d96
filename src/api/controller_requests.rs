//! Requests that the controller decides. The handlers are the same whatever the request asks for: they hand
//! it over, and answer when the decision is committed.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Api;
use super::context::RequestContext;
use crate::metadata::Undecided;
use crate::metadata::controller::{ControllerRequest, ControllerRequestContext, RequestSender};
use crate::protocol::Str;
use crate::protocol::message::Struct as _;

/// Lets the controller decide, and waits until this broker has acted on the decision.
pub(super) async fn handle<Q: ControllerRequest>(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: Q,
) -> Q::Response {
    handle_with_hosts(&api, &context, request, BTreeSet::new()).await
}

/// Lets the controller decide on what a broker says of itself, and waits until that is committed.
pub(super) async fn handle_of_broker<Q: ControllerRequest>(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: Q,
) -> Q::Response {
    let principal = context.principal().clone();
    api.controller().ask_for(principal, request).await
}

/// As [`handle`], for a request that names hosts: `hosts` are those of its names that have an address.
pub(super) async fn handle_with_hosts<Q: ControllerRequest>(
    api: &Api,
    context: &RequestContext,
    request: Q,
    hosts: BTreeSet<Str>,
) -> Q::Response {
    let quota = api.mutation_quota(context, Q::FIRST_THROTTLED);
    let of_request = ControllerRequestContext {
        principal: context.principal().clone(),
        version: context.version(),
        quota: quota.clone(),
        hosts,
        sender: Some(sender(context)),
    };
    // What was forwarded to this node goes no further: the broker that has it looks for the next.
    let mut response = if context.forwarded_for.is_some() {
        let decided = api.controller().change_here(request, of_request).await;
        decided.unwrap_or_else(|Undecided(response)| {
            context.note_undecided();
            response
        })
    } else {
        api.controller().change(request, of_request).await
    };
    // A controller on another node has charged the quota, and says how long the client is to wait.
    let told = response.raise_throttle_time(0);
    let told = Duration::from_millis(u64::try_from(told).unwrap_or(0));
    let wait = quota.wait(Instant::now()).max(told);
    response.raise_throttle_time(api.mute(context, wait));
    response
}

/// The client that a request came from.
pub(super) fn sender(context: &RequestContext) -> RequestSender {
    RequestSender {
        client_id: Str::copy_from(context.client_id()),
        address: match context.connection.peer_ip() {
            IpAddr::V4(address) => Bytes::copy_from_slice(&address.octets()),
            IpAddr::V6(address) => Bytes::copy_from_slice(&address.octets()),
        },
    }
}
