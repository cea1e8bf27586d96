//! ListGroups (key 16), versions 0-5: the groups that this broker coordinates.
//!
//! All shards are asked. One that is still being loaded fails the request with
//! COORDINATOR_LOAD_IN_PROGRESS, because a list that lacks groups would mislead.

use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use super::group::{caller, expect_answer};
use crate::coordinator::group::Request;
use crate::protocol::ErrorCode;
use crate::protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};

/// Lists the groups of all shards.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: ListGroupsRequest,
) -> ListGroupsResponse {
    let asked = Request::ListGroups(request);
    let mut response = ListGroupsResponse::default();
    for shard in api.groups().partitions() {
        let submitted = api.groups().submit_to(shard, caller(&context), &asked);
        match expect_answer!(submitted.answer().await, ListGroups) {
            Ok(groups) => response.groups.extend(groups),
            // The shard has moved to another broker, which lists its groups.
            Err(ErrorCode::NOT_COORDINATOR) => {}
            Err(error_code) => {
                return ListGroupsResponse {
                    error_code,
                    ..ListGroupsResponse::default()
                };
            }
        }
    }
    response
}
