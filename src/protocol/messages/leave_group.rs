//! LeaveGroup (key 13), versions 0-5.
//!
//! Removes members from a classic group.
//!
//! Versions: 3 removes many members at once; 4 is flexible; 5 adds a reason.

use crate::protocol::{ErrorCode, Str};

api!(LeaveGroup: LeaveGroupRequest -> LeaveGroupResponse);

message! {
    LeaveGroupRequest: versions 0-5, first flexible 4;

    pub struct LeaveGroupRequest {
        group_id: Str,
        member_id: Str [0-2],
        members: Vec<MemberIdentity> [3+],
    }

    pub struct MemberIdentity {
        member_id: Str,
        group_instance_id: Option<Str>,
        reason: Option<Str> [5+],
    }
}

message! {
    LeaveGroupResponse: versions 0-5, first flexible 4;

    pub struct LeaveGroupResponse {
        throttle_time_ms: i32 [1+],
        error_code: ErrorCode,
        members: Vec<MemberResponse> [3+],
    }

    pub struct MemberResponse {
        member_id: Str,
        group_instance_id: Option<Str>,
        error_code: ErrorCode,
    }
}
