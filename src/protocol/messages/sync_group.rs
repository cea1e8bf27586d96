//! SyncGroup (key 14), versions 0-5.
//!
//! Brings the leader's assignment to a classic group, and takes each member's part of it.
//!
//! Versions: 3 adds static members; 4 is flexible; from 5 on type and name of the protocol are
//! checked.

use bytes::Bytes;

use crate::protocol::{ErrorCode, Str};

api!(SyncGroup: SyncGroupRequest -> SyncGroupResponse);

message! {
    SyncGroupRequest: versions 0-5, first flexible 4;

    pub struct SyncGroupRequest {
        group_id: Str,
        generation_id: i32,
        member_id: Str,
        group_instance_id: Option<Str> [3+],
        protocol_type: Option<Str> [5+],
        protocol_name: Option<Str> [5+],
        assignments: Vec<SyncGroupRequestAssignment>,
    }

    pub struct SyncGroupRequestAssignment {
        member_id: Str,
        assignment: Bytes,
    }
}

message! {
    SyncGroupResponse: versions 0-5, first flexible 4;

    pub struct SyncGroupResponse {
        throttle_time_ms: i32 [1+],
        error_code: ErrorCode,
        protocol_type: Option<Str> [5+],
        protocol_name: Option<Str> [5+],
        assignment: Bytes,
    }
}
