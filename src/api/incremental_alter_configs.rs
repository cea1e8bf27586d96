//! IncrementalAlterConfigs (key 44), versions 0-1: sets, deletes, appends to and subtracts from settings (KIP-339).
//!
//! The levels of loggers are changed here, and the configs of other brokers refused; the controller decides on
//! everything else.

use std::sync::Arc;

use super::alter_resources::{check_broker, check_cordons, in_order, keep_unanswered};
use super::broker_loggers::{self, BROKER_LOGGER};
use super::context::RequestContext;
use super::{Api, controller_requests};
use crate::metadata::controller::{adds_values, alteration_answer, check_alterations};
use crate::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    mut request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let resources = request.resources.iter();
    let here = resources.map(|resource| answered_here(&api, &context, &request, resource));
    let here: Vec<_> = here.collect();
    keep_unanswered(&mut request.resources, &here);
    let mut response = if request.resources.is_empty() {
        IncrementalAlterConfigsResponse::default()
    } else {
        controller_requests::handle(api, context, request).await
    };
    response.responses = in_order(here, std::mem::take(&mut response.responses));
    response
}

fn answered_here(
    api: &Api,
    context: &RequestContext,
    request: &IncrementalAlterConfigsRequest,
    resource: &AlterConfigsResource,
) -> Option<AlterConfigsResourceResponse> {
    if resource.resource_type == BROKER_LOGGER {
        let outcome = check_alterations(request, resource)
            .and_then(|()| broker_loggers::alter(api, resource, request.validate_only));
        return Some(alteration_answer(resource, &outcome));
    }
    let named = (resource.resource_type, &*resource.resource_name);
    let set_or_added = resource.configs.iter();
    let set_or_added = set_or_added.filter(|it| adds_values(it));
    let values = set_or_added.filter_map(|it| Some((&*it.name, it.value.as_deref()?)));
    let outcome =
        check_broker(api, context, named).and_then(|()| check_cordons(api, context, named, values));
    outcome
        .is_err()
        .then(|| alteration_answer(resource, &outcome))
}
