//! AlterClientQuotas (key 49), versions 0-1: decided by the controller, one result per entity.
//!
//! Host names are looked up here: the controller waits for no name service.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::context::RequestContext;
use super::{Api, controller_requests};
use crate::protocol::Str;
use crate::protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse,
};
use crate::quota::IP;

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: AlterClientQuotasRequest,
) -> AlterClientQuotasResponse {
    let mut hosts = BTreeSet::new();
    for part in request.entries.iter().flat_map(|entry| &entry.entity) {
        let Some(name) = part.entity_name.as_ref().filter(|_| part.entity_type == IP) else {
            continue;
        };
        if name.parse::<IpAddr>().is_ok() || has_address(name).await {
            hosts.insert(name.clone());
        }
    }
    controller_requests::handle_with_hosts(&api, &context, request, hosts).await
}

async fn has_address(host: &Str) -> bool {
    let found = tokio::net::lookup_host((host.as_str(), 0)).await;
    found.is_ok_and(|mut addresses| addresses.next().is_some())
}
