//! ElectLeaders (key 43), versions 0-2: decided by the controller, one result per partition.

use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use crate::protocol::messages::elect_leaders::{ElectLeadersRequest, ElectLeadersResponse};

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    _context: Arc<RequestContext>,
    request: ElectLeadersRequest,
) -> ElectLeadersResponse {
    api.controller().elect_leaders(request).await
}
