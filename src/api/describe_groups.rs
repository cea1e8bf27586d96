//! DescribeGroups (key 15), versions 0-6: classic groups and their members.
//!
//! Each group's shard is asked. Version 3 adds authorized operations; from 6 on a group that does not exist
//! has the error GROUP_ID_NOT_FOUND, before it the state Dead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::context::RequestContext;
use super::group::{caller, expect_answer};
use super::{Api, operations};
use crate::coordinator::group::Request;
use crate::protocol::Str;
use crate::protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup,
};

/// Describes the groups in the order of the request. A group that is named again is described once, because
/// the answer would outgrow the request.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let mut by_shard: BTreeMap<i32, BTreeSet<Str>> = BTreeMap::new();
    for id in &request.groups {
        let shard = by_shard.entry(api.groups().partition_of(id)).or_default();
        shard.insert(id.clone());
    }
    let mut described: BTreeMap<Str, DescribedGroup> = BTreeMap::new();
    for (shard, ids) in by_shard {
        let asked = Request::DescribeGroups(ids.into_iter().collect());
        let submitted = api.groups().submit_to(shard, caller(&context), &asked);
        let groups = expect_answer!(submitted.answer().await, DescribeGroups);
        described.extend(groups.into_iter().map(|it| (it.group_id.clone(), it)));
    }
    let asked = request.groups.iter();
    let mut groups: Vec<_> = asked.filter_map(|id| described.remove(id)).collect();
    if request.include_authorized_operations {
        for group in groups.iter_mut().filter(|it| !it.error_code.is_error()) {
            group.authorized_operations = operations::GROUP;
        }
    }
    DescribeGroupsResponse {
        groups,
        ..DescribeGroupsResponse::default()
    }
}
