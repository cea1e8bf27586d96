//! DeleteGroups (key 42), versions 0-3.
//!
//! Deletes groups that have no members.
//!
//! Versions: 3 adds an error message for each group.

use crate::protocol::{ErrorCode, Str};

api!(DeleteGroups: DeleteGroupsRequest -> DeleteGroupsResponse);

message! {
    DeleteGroupsRequest: versions 0-3, first flexible 2;

    pub struct DeleteGroupsRequest {
        groups_names: Vec<Str>,
    }
}

message! {
    DeleteGroupsResponse: versions 0-3, first flexible 2;

    pub struct DeleteGroupsResponse {
        throttle_time_ms: i32,
        results: Vec<DeletableGroupResult>,
    }

    pub struct DeletableGroupResult {
        group_id: Str,
        error_code: ErrorCode,
        error_message: Option<Str> [3+],
    }
}
