//! IncrementalAlterConfigs (key 44), versions 0-1: sets, deletes, appends to and subtracts from settings (KIP-339).

use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use crate::protocol::messages::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    _context: Arc<RequestContext>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    api.controller().incremental_alter_configs(request).await
}
