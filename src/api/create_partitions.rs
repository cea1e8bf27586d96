//! CreatePartitions (key 37), versions 0-3: decided by the controller; partitions are never taken away.

use std::sync::Arc;
use std::time::Instant;

use super::Api;
use super::context::RequestContext;
use crate::protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse,
};

/// The first version that knows THROTTLING_QUOTA_EXCEEDED (KIP-599).
const FIRST_THROTTLED: i16 = 3;

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let quota = api.mutation_quota(&context, FIRST_THROTTLED);
    let mut response = api
        .controller()
        .create_partitions(request, quota.clone())
        .await;
    response.throttle_time_ms = api.mute(&context, quota.wait(Instant::now()));
    response
}
