//! ListGroups (key 16), versions 0-5.
//!
//! Lists the groups that the broker coordinates, of all types.
//!
//! Versions: 3 is flexible; 4 filters by state; 5 by type.

use crate::protocol::{ErrorCode, Str};

api!(ListGroups: ListGroupsRequest -> ListGroupsResponse);

message! {
    ListGroupsRequest: versions 0-5, first flexible 3;

    pub struct ListGroupsRequest {
        states_filter: Vec<Str> [4+],
        types_filter: Vec<Str> [5+],
    }
}

message! {
    ListGroupsResponse: versions 0-5, first flexible 3;

    pub struct ListGroupsResponse {
        throttle_time_ms: i32 [1+],
        error_code: ErrorCode,
        groups: Vec<ListedGroup>,
    }

    pub struct ListedGroup {
        group_id: Str,
        protocol_type: Str,
        group_state: Str [4+],
        group_type: Str [5+],
    }
}
