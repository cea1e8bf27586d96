//! DeleteTopics (key 20), versions 1-6: decided by the controller, one result per topic.
//!
//! Version 5 adds error messages, 6 names topics by id.

use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use crate::protocol::messages::delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};

/// Lets the controller decide, and waits until the decision is committed.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    api.controller()
        .delete_topics(request, context.version())
        .await
}
