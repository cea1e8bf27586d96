//! DeleteTopics (key 20), versions 1-6: decided by the controller, one result per topic.
//!
//! Version 5 adds error messages, 6 names topics by id.

use std::sync::Arc;
use std::time::Instant;

use super::Api;
use super::context::RequestContext;
use crate::protocol::messages::delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};

/// The first version that knows THROTTLING_QUOTA_EXCEEDED (KIP-599).
const FIRST_THROTTLED: i16 = 5;

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let quota = api.mutation_quota(&context, FIRST_THROTTLED);
    let mut response = api
        .controller()
        .delete_topics(request, context.version(), quota.clone())
        .await;
    response.throttle_time_ms = api.mute(&context, quota.wait(Instant::now()));
    response
}
