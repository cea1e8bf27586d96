//! CreatePartitions (key 37), versions 0-3: decided by the controller; partitions are never taken away.

use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use crate::protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse,
};

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    _context: Arc<RequestContext>,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    api.controller().create_partitions(request).await
}
