//! Heartbeat (key 12), versions 0-4: keeps a member of a classic group alive.
//!
//! The connection's task answers it: a look into the group, and a deadline moved away. Version 3 adds
//! static members (KIP-345).

use super::group::{OneGroup, expect_answer};
use crate::coordinator::group::{Answer, Request};
use crate::protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use crate::protocol::{ErrorCode, Str};

impl OneGroup for HeartbeatRequest {
    fn group_id(&self) -> Str {
        self.group_id.clone()
    }

    fn ask(self) -> Request {
        Request::Heartbeat(self)
    }

    fn too_large() -> HeartbeatResponse {
        HeartbeatResponse {
            error_code: ErrorCode::INVALID_REQUEST,
            ..HeartbeatResponse::default()
        }
    }

    fn response(answer: Answer) -> HeartbeatResponse {
        expect_answer!(answer, Heartbeat)
    }
}
