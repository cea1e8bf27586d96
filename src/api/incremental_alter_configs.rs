//! IncrementalAlterConfigs (key 44), versions 0-1: sets, deletes, appends to and subtracts from settings (KIP-339).
//!
//! The levels of loggers are changed here; the controller decides on everything else.

use std::sync::Arc;

use super::Api;
use super::broker_loggers::{self, BROKER_LOGGER};
use super::context::RequestContext;
use crate::metadata::controller::check_alterations;
use crate::protocol::ErrorCode;
use crate::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    _context: Arc<RequestContext>,
    mut request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let is_logger = |resource: &AlterConfigsResource| resource.resource_type == BROKER_LOGGER;
    if !request.resources.iter().any(is_logger) {
        return api.controller().incremental_alter_configs(request).await;
    }
    let loggers = request.resources.iter().filter(|it| is_logger(it));
    let mut of_loggers: Vec<_> = loggers
        .map(|resource| alter(&api, &request, resource))
        .collect();
    request.resources.retain(|resource| !is_logger(resource));
    let mut response = if request.resources.is_empty() {
        IncrementalAlterConfigsResponse::default()
    } else {
        api.controller().incremental_alter_configs(request).await
    };
    response.responses.append(&mut of_loggers);
    response
}

fn alter(
    api: &Api,
    request: &IncrementalAlterConfigsRequest,
    resource: &AlterConfigsResource,
) -> AlterConfigsResourceResponse {
    let outcome = check_alterations(request, resource)
        .and_then(|()| broker_loggers::alter(api, resource, request.validate_only));
    let (error_code, error_message) = match &outcome {
        Ok(()) => (ErrorCode::NONE, None),
        Err(refusal) => (refusal.code, refusal.text()),
    };
    AlterConfigsResourceResponse {
        error_code,
        error_message,
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
    }
}
