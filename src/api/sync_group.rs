//! SyncGroup (key 14), versions 0-5: brings the leader's assignment, and waits for it.
//!
//! Version 3 adds static members (KIP-345), 5 checks type and name of the protocol (KIP-559).

use super::group::{OneGroup, expect_answer};
use crate::coordinator::group::{Answer, Request};
use crate::protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use crate::protocol::{ErrorCode, Str};

impl OneGroup for SyncGroupRequest {
    fn group_id(&self) -> Str {
        self.group_id.clone()
    }

    fn ask(self) -> Request {
        Request::SyncGroup(self)
    }

    fn too_large() -> SyncGroupResponse {
        SyncGroupResponse {
            error_code: ErrorCode::UNKNOWN_SERVER_ERROR,
            ..SyncGroupResponse::default()
        }
    }

    fn response(answer: Answer) -> SyncGroupResponse {
        expect_answer!(answer, SyncGroup)
    }
}
