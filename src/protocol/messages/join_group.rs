//! JoinGroup (key 11), versions 0-9.
//!
//! Makes the client a member of a classic group; answers once the generation is complete.
//!
//! Versions: 1 adds the rebalance timeout; from 4 on a new member is first told its id
//! (MEMBER_ID_REQUIRED); 5 adds static members; 6 is flexible; 7 tells the type of protocol; 8
//! adds a reason; 9 can tell the leader to skip the assignment.

use bytes::Bytes;

use crate::protocol::{ErrorCode, Str};

api!(JoinGroup: JoinGroupRequest -> JoinGroupResponse);

message! {
    JoinGroupRequest: versions 0-9, first flexible 6;

    pub struct JoinGroupRequest {
        group_id: Str,
        session_timeout_ms: i32,
        rebalance_timeout_ms: i32 [1+] = -1,
        member_id: Str,
        group_instance_id: Option<Str> [5+],
        protocol_type: Str,
        protocols: Vec<JoinGroupRequestProtocol>,
        reason: Option<Str> [8+],
    }

    pub struct JoinGroupRequestProtocol {
        name: Str,
        metadata: Bytes,
    }
}

message! {
    JoinGroupResponse: versions 0-9, first flexible 6;

    pub struct JoinGroupResponse {
        throttle_time_ms: i32 [2+],
        error_code: ErrorCode,
        generation_id: i32 = -1,
        protocol_type: Option<Str> [7+],
        protocol_name: Option<Str> [null 7+],
        leader: Str,
        skip_assignment: bool [9+],
        member_id: Str,
        members: Vec<JoinGroupResponseMember>,
    }

    pub struct JoinGroupResponseMember {
        member_id: Str,
        group_instance_id: Option<Str> [5+],
        metadata: Bytes,
    }
}
