//! LeaveGroup (key 13), versions 0-5.
//!
//! Members leave, or an administrator removes static ones by their instance ids alone. From version 3 on a
//! request may name many, each with its own error (and from 5 on with a reason, which has no effect,
//! KIP-800); before, it names one, and the answer has its error.

use super::join;
use super::sync;
use super::{ClassicGroup, State};
use crate::coordinator::group::GroupShard;
use crate::coordinator::group::context::Context;
use crate::coordinator::group::effects::Effects;
use crate::coordinator::shard::{Caller, Moment};
use crate::model::Offset;
use crate::protocol::messages::leave_group::{
    LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse,
};
use crate::protocol::{ErrorCode, Str};

/// The first version that names many members.
const HAS_MANY_MEMBERS: i16 = 3;

impl GroupShard {
    /// Decides a LeaveGroup.
    pub(in crate::coordinator::group) fn leave_group(
        &mut self,
        now: Moment,
        caller: &Caller,
        request: &LeaveGroupRequest,
        effects: &mut Effects,
    ) {
        let only = [MemberIdentity {
            member_id: request.member_id.clone(),
            ..MemberIdentity::default()
        }];
        let members = if caller.version < HAS_MANY_MEMBERS {
            &only[..]
        } else {
            &request.members[..]
        };
        let left = self.with_group(&request.group_id, now, effects, |group, context| {
            group.classic.leave(members, context)
        });
        let unknown = || {
            let members = members.iter();
            members
                .map(|member| response(member, ErrorCode::UNKNOWN_MEMBER_ID))
                .collect()
        };
        let answer = answer(left.unwrap_or_else(unknown), caller.version);
        effects.reply(caller.token, Offset::NONE, answer);
    }
}

impl ClassicGroup {
    fn leave(
        &mut self,
        members: &[MemberIdentity],
        context: &mut Context<'_>,
    ) -> Vec<MemberResponse> {
        let mut responses = Vec::with_capacity(members.len());
        let mut has_left = false;
        for member in members {
            let outcome = self.leave_one(member, context);
            has_left |= outcome.is_ok();
            responses.push(response(member, outcome.err().unwrap_or(ErrorCode::NONE)));
        }
        if has_left && self.state != State::Empty {
            self.rebalance_or_complete(context);
        }
        responses
    }

    fn leave_one(
        &mut self,
        member: &MemberIdentity,
        context: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        let instance_id = member.group_instance_id.as_ref();
        if member.member_id.is_empty() {
            let current = instance_id.and_then(|id| self.members.by_instance(id).cloned());
            let id = current.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
            self.remove_member(&id, context);
        } else if !self.pending.remove(&member.member_id) {
            self.check_member(&member.member_id, instance_id)?;
            self.remove_member(&member.member_id, context);
        }
        Ok(())
    }

    /// Removes a member, if it exists. Its waiting requests are answered with UNKNOWN_MEMBER_ID, so that a
    /// client that is still there begins anew.
    pub(super) fn remove_member(&mut self, id: &str, context: &mut Context<'_>) {
        let Some(member) = self.members.remove(id) else {
            return;
        };
        if let Some(token) = member.join {
            let unknown = join::refusal(ErrorCode::UNKNOWN_MEMBER_ID, Str::EMPTY);
            context.reply(token, unknown);
        }
        if let Some(token) = member.sync {
            context.reply(token, sync::refusal(ErrorCode::UNKNOWN_MEMBER_ID));
        }
        self.elect_if_gone(id);
    }
}

fn response(member: &MemberIdentity, error_code: ErrorCode) -> MemberResponse {
    MemberResponse {
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        error_code,
    }
}

fn answer(members: Vec<MemberResponse>, version: i16) -> LeaveGroupResponse {
    if version < HAS_MANY_MEMBERS {
        let error = members
            .first()
            .map_or(ErrorCode::NONE, |member| member.error_code);
        return refuse_leave(error);
    }
    LeaveGroupResponse {
        members,
        ..LeaveGroupResponse::default()
    }
}

/// An answer with one error for the whole request.
fn refuse_leave(error_code: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse {
        error_code,
        ..LeaveGroupResponse::default()
    }
}
