//! AlterConfigs (key 33), versions 0-2: replaces the whole set of a resource's settings.

use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use crate::protocol::messages::alter_configs::{AlterConfigsRequest, AlterConfigsResponse};

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    _context: Arc<RequestContext>,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    api.controller().alter_configs(request).await
}
