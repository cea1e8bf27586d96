//! Heartbeat (key 12), versions 0-4.
//!
//! Keeps a member of a classic group alive, and tells it when the group rebalances.
//!
//! Versions: 1 adds the throttle time; 3 static members (KIP-345); 4 is flexible.

use crate::protocol::{ErrorCode, Str};

api!(Heartbeat: HeartbeatRequest -> HeartbeatResponse);

message! {
    HeartbeatRequest: versions 0-4, first flexible 4;

    pub struct HeartbeatRequest {
        group_id: Str,
        generation_id: i32,
        member_id: Str,
        group_instance_id: Option<Str> [3+],
    }
}

message! {
    HeartbeatResponse: versions 0-4, first flexible 4;

    pub struct HeartbeatResponse {
        throttle_time_ms: i32 [1+],
        error_code: ErrorCode,
    }
}
