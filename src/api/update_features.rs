//! UpdateFeatures (key 57), versions 0-2: decided by the controller, all features or none.

use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use crate::protocol::messages::update_features::{UpdateFeaturesRequest, UpdateFeaturesResponse};

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: UpdateFeaturesRequest,
) -> UpdateFeaturesResponse {
    let version = context.version();
    api.controller().update_features(request, version).await
}
