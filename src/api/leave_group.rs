//! LeaveGroup (key 13), versions 0-5: members leave a classic group.
//!
//! Version 3 takes many members at once (KIP-345), 5 a reason (KIP-800).

use super::group::{OneGroup, expect_answer};
use crate::coordinator::group::{Answer, Request};
use crate::protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use crate::protocol::{ErrorCode, Str};

impl OneGroup for LeaveGroupRequest {
    fn group_id(&self) -> Str {
        self.group_id.clone()
    }

    fn ask(self) -> Request {
        Request::LeaveGroup(self)
    }

    fn too_large() -> LeaveGroupResponse {
        LeaveGroupResponse {
            error_code: ErrorCode::INVALID_REQUEST,
            ..LeaveGroupResponse::default()
        }
    }

    fn response(answer: Answer) -> LeaveGroupResponse {
        expect_answer!(answer, LeaveGroup)
    }
}
