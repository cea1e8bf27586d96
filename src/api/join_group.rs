//! JoinGroup (key 11), versions 0-9: waits until the generation is complete.
//!
//! The group copies what it keeps of the request: while a member waits for the others, its frame is gone.
//! Version 4 gives a new member its id first (KIP-394), 5 adds static members (KIP-345), 8 a reason
//! (KIP-800), 9 lets the leader skip the assignment.

use super::context::RequestContext;
use super::group::{OneGroup, caller, expect_answer};
use crate::coordinator::group::{Answer, Request};
use crate::coordinator::shard::Caller;
use crate::protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse};
use crate::protocol::{ErrorCode, Str};

impl OneGroup for JoinGroupRequest {
    fn group_id(&self) -> Str {
        self.group_id.clone()
    }

    fn ask(self) -> Request {
        let mut entropy = [0; 16];
        getrandom::fill(&mut entropy).expect("the operating system has random numbers");
        Request::JoinGroup {
            request: self,
            entropy,
        }
    }

    fn too_large() -> JoinGroupResponse {
        JoinGroupResponse {
            error_code: ErrorCode::GROUP_MAX_SIZE_REACHED,
            ..JoinGroupResponse::default()
        }
    }

    fn response(answer: Answer) -> JoinGroupResponse {
        expect_answer!(answer, JoinGroup)
    }

    /// What DescribeGroups will tell of the member's address, in Java's notation.
    fn caller(context: &RequestContext) -> Caller {
        Caller {
            client_host: Str::from(format!("/{}", context.connection.peer_ip())),
            ..caller(context)
        }
    }
}
