//! IncrementalAlterConfigs (key 44), versions 0-1: sets, deletes, appends to and subtracts from settings (KIP-339).
//!
//! The levels of loggers are changed here; the controller decides on everything else.

use std::sync::Arc;

use super::broker_loggers::{self, BROKER_LOGGER};
use super::context::RequestContext;
use super::{Api, controller_requests};
use crate::metadata::controller::{alteration_answer, check_alterations};
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
    let is_logger = |resource: &AlterConfigsResource| resource.resource_type == BROKER_LOGGER;
    if !request.resources.iter().any(is_logger) {
        return controller_requests::handle(api, context, request).await;
    }
    let order: Vec<bool> = request.resources.iter().map(is_logger).collect();
    let loggers = request.resources.iter().filter(|it| is_logger(it));
    let of_loggers: Vec<_> = loggers
        .map(|resource| alter(&api, &request, resource))
        .collect();
    request.resources.retain(|resource| !is_logger(resource));
    let response = if request.resources.is_empty() {
        IncrementalAlterConfigsResponse::default()
    } else {
        controller_requests::handle(api, context, request).await
    };
    in_order(&order, of_loggers, response)
}

/// Puts the answers about loggers among those of the controller, in the order of the request.
fn in_order(
    is_logger: &[bool],
    of_loggers: Vec<AlterConfigsResourceResponse>,
    mut response: IncrementalAlterConfigsResponse,
) -> IncrementalAlterConfigsResponse {
    let mut of_loggers = of_loggers.into_iter();
    let mut others = std::mem::take(&mut response.responses).into_iter();
    let answers = is_logger.iter().filter_map(|is_logger| {
        if *is_logger {
            of_loggers.next()
        } else {
            others.next()
        }
    });
    response.responses = answers.collect();
    response
}

fn alter(
    api: &Api,
    request: &IncrementalAlterConfigsRequest,
    resource: &AlterConfigsResource,
) -> AlterConfigsResourceResponse {
    let outcome = check_alterations(request, resource)
        .and_then(|()| broker_loggers::alter(api, resource, request.validate_only));
    alteration_answer(resource, &outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_the_request() {
        let named = |name: &'static str| AlterConfigsResourceResponse {
            resource_name: name.into(),
            ..AlterConfigsResourceResponse::default()
        };
        let of_loggers = vec![named("logger 1"), named("logger 2")];
        let response = IncrementalAlterConfigsResponse {
            throttle_time_ms: 7,
            responses: vec![named("topic 1"), named("topic 2")],
        };

        let answer = in_order(&[true, false, false, true], of_loggers, response);

        let names: Vec<_> = answer
            .responses
            .iter()
            .map(|it| &*it.resource_name)
            .collect();
        assert_eq!(names, ["logger 1", "topic 1", "topic 2", "logger 2"]);
        assert_eq!(answer.throttle_time_ms, 7);
    }
}
