//! UnregisterBroker (key 64), version 0: decided by the controller.

use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use crate::protocol::messages::unregister_broker::{
    UnregisterBrokerRequest, UnregisterBrokerResponse,
};

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    _context: Arc<RequestContext>,
    request: UnregisterBrokerRequest,
) -> UnregisterBrokerResponse {
    api.controller().unregister_broker(request).await
}
