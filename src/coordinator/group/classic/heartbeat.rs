//! Heartbeat (key 12), versions 0-4.
//!
//! Keeps a member alive; REBALANCE_IN_PROGRESS tells it to join again. Heartbeats between joining and the
//! assignment are answered like any others. The cost does not depend on the size of the group.

use std::time::Duration;

use super::{ClassicGroup, State};
use crate::coordinator::group::GroupShard;
use crate::coordinator::group::context::{Context, timeout};
use crate::coordinator::group::effects::Effects;
use crate::coordinator::group::timers::Timer;
use crate::coordinator::shard::{Caller, Moment};
use crate::model::Offset;
use crate::protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use crate::protocol::{ErrorCode, Str};

impl GroupShard {
    /// Decides a Heartbeat.
    pub(in crate::coordinator::group) fn heartbeat(
        &mut self,
        now: Moment,
        caller: &Caller,
        request: &HeartbeatRequest,
        effects: &mut Effects,
    ) {
        let beat = self.with_group(&request.group_id, now, effects, |group, context| {
            group.classic.heartbeat(request, context)
        });
        let answer = HeartbeatResponse {
            error_code: beat.unwrap_or(ErrorCode::UNKNOWN_MEMBER_ID),
            ..HeartbeatResponse::default()
        };
        effects.reply(caller.token, Offset::NONE, answer);
    }
}

impl ClassicGroup {
    fn heartbeat(&mut self, request: &HeartbeatRequest, context: &mut Context<'_>) -> ErrorCode {
        let instance_id = request.group_instance_id.as_ref();
        if let Err(error) = self.check_member(&request.member_id, instance_id) {
            return error;
        }
        if request.generation_id != self.generation {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        self.keep_alive(&request.member_id, context);
        match self.state {
            State::PreparingRebalance => ErrorCode::REBALANCE_IN_PROGRESS,
            State::Empty | State::CompletingRebalance | State::Stable => ErrorCode::NONE,
        }
    }

    /// Begins the session of a member anew.
    pub(in crate::coordinator::group) fn keep_alive(
        &mut self,
        member_id: &str,
        context: &mut Context<'_>,
    ) {
        if let Some(member) = self.members.get(member_id) {
            let session_timeout = timeout(member.session_timeout_ms);
            self.set_session(member_id, session_timeout, context);
        }
    }

    /// Makes the member leave after `timeout`, unless it is heard from.
    pub(super) fn set_session(
        &mut self,
        member_id: &str,
        timeout: Duration,
        context: &mut Context<'_>,
    ) {
        let Some(member) = self.members.get_mut(member_id) else {
            return;
        };
        let due = context.now.instant + timeout;
        let (group, id) = (&self.id, &member.id);
        context
            .timers
            .set(&mut member.session, due, || session_timer(group, id));
    }

    /// Begins the sessions of all members anew.
    pub(in crate::coordinator::group) fn keep_all_alive(&mut self, context: &mut Context<'_>) {
        let group = &self.id;
        for member in self.members.iter_mut() {
            let due = context.now.instant + timeout(member.session_timeout_ms);
            let id = &member.id;
            context
                .timers
                .set(&mut member.session, due, || session_timer(group, id));
        }
    }
}

pub(super) fn session_timer(group: &Str, member: &Str) -> Timer {
    Timer::Session {
        group: group.clone(),
        member: member.clone(),
    }
}
