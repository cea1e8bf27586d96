//! AssignReplicasToDirs (key 73), version 0: a broker tells the controller in which of its log
//! directories each replica lies (KIP-858).

use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use crate::protocol::messages::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse,
};

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    _context: Arc<RequestContext>,
    request: AssignReplicasToDirsRequest,
) -> AssignReplicasToDirsResponse {
    api.controller().assign_replicas_to_dirs(request).await
}
