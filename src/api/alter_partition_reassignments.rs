//! AlterPartitionReassignments (key 45), versions 0-1: decided by the controller, one result per partition.

use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use crate::protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    _context: Arc<RequestContext>,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    api.controller()
        .alter_partition_reassignments(request)
        .await
}
