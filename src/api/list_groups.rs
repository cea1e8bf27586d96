//! ListGroups (key 16), versions 0-5: the groups that this broker coordinates.
//!
//! All shards are asked; one that is still loaded fails the request with COORDINATOR_LOAD_IN_PROGRESS,
//! as a list that lacks groups would mislead. Version 4 filters by state, 5 by type.

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
            // It moved to another broker, which lists it.
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
