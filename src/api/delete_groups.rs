//! DeleteGroups (key 42), versions 0-3: deletes groups that have no members, with their offsets.
//!
//! Each group is asked of its shard. Version 3 adds messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use super::group::{caller, expect_answer};
use crate::coordinator::group::Request;
use crate::protocol::Str;
use crate::protocol::messages::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};

/// Deletes each group once, however often it is named.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut by_shard: BTreeMap<i32, BTreeSet<Str>> = BTreeMap::new();
    for id in request.groups_names {
        let shard = by_shard.entry(api.groups().partition_of(&id)).or_default();
        shard.insert(id);
    }
    // All shards are asked before the first answer is waited for.
    let submitted: Vec<_> = by_shard
        .into_iter()
        .map(|(shard, ids)| {
            let asked = Request::DeleteGroups(ids.into_iter().collect());
            api.groups().submit_to(shard, caller(&context), &asked)
        })
        .collect();
    let mut response = DeleteGroupsResponse::default();
    for submitted in submitted {
        let results = expect_answer!(submitted.answer().await, DeleteGroups);
        response.results.extend(results);
    }
    response
}
