//! AlterConfigs (key 33), versions 0-2: replaces all settings of resources.
//!
//! The controller decides, but for the configs of other brokers, which are refused here.

use std::sync::Arc;

use super::alter_resources::{check_broker, check_cordons, in_order, keep_unanswered};
use super::context::RequestContext;
use super::{Api, controller_requests};
use crate::metadata::controller::alteration_answer;
use crate::protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResponse,
};

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    mut request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let refused = |resource: &AlterConfigsResource| {
        let named = (resource.resource_type, &*resource.resource_name);
        let values = resource.configs.iter();
        let values = values.filter_map(|it| Some((&*it.name, it.value.as_deref()?)));
        let outcome = check_broker(&api, &context, named)
            .and_then(|()| check_cordons(&api, &context, named, values));
        outcome
            .is_err()
            .then(|| alteration_answer(resource, &outcome))
    };
    let here: Vec<_> = request.resources.iter().map(refused).collect();
    keep_unanswered(&mut request.resources, &here);
    let mut response = if request.resources.is_empty() {
        AlterConfigsResponse::default()
    } else {
        controller_requests::handle(api, context, request).await
    };
    response.responses = in_order(here, std::mem::take(&mut response.responses));
    response
}
