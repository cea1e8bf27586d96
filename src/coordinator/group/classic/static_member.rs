//! JoinGroup without a member id, but with the instance id of an existing static member (KIP-345): its
//! process was restarted, and takes the place of its former self under a new member id.
//!
//! The former self is fenced if it still waits here (FENCED_INSTANCE_ID). In a Stable group whose choice of
//! protocol stays the same there is no rebalance: the group is written down with the new id, and the answer
//! waits for that. From version 9 on a leader is told that it leads, and to skip the assignment. Before, it
//! must not learn that, or it would assign: so it is told the old id as that of the leader.

use super::join::{Join, refusal};
use super::{ClassicGroup, State};
use crate::coordinator::group::context::Context;
use crate::protocol::messages::join_group::JoinGroupResponse;
use crate::protocol::messages::sync_group::SyncGroupResponse;
use crate::protocol::{ErrorCode, Str};

/// The first version with `skip_assignment`.
const CAN_SKIP_ASSIGNMENT: i16 = 9;

impl ClassicGroup {
    /// Puts `new_id` in the place of `old_id`.
    pub(super) fn replace_static_member(
        &mut self,
        join: &Join<'_>,
        old_id: &Str,
        new_id: &Str,
        context: &mut Context<'_>,
    ) {
        let former_leader = self.leader.clone().unwrap_or_default();
        self.fence(old_id, context);
        self.members.rename(old_id, new_id.clone());
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        self.update_member(join, new_id);
        self.keep_alive(new_id, context);
        match self.state {
            State::Stable if self.members.vote() == self.protocol => {
                self.replaced(join, new_id, former_leader, context);
            }
            State::Stable => {
                self.wait_in_join(new_id, join.caller.token, context);
                self.rebalance_or_complete(context);
            }
            // The leader may have assigned to the old id by now.
            State::CompletingRebalance => {
                self.wait_in_join(new_id, join.caller.token, context);
                self.prepare_rebalance(context);
            }
            State::PreparingRebalance => {
                self.wait_in_join(new_id, join.caller.token, context);
                self.maybe_complete_join(context);
            }
            State::Empty => unreachable!("an empty group has no static member"),
        }
    }

    /// Tells the request that waits under the id that another process has taken its place.
    fn fence(&mut self, id: &Str, context: &mut Context<'_>) {
        if let Some(token) = self.members.take_join(id) {
            let error = ErrorCode::FENCED_INSTANCE_ID;
            context.reply(token, refusal(error, id.clone()));
        }
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        member.is_new = false;
        if let Some(token) = member.sync.take() {
            let fenced = SyncGroupResponse {
                error_code: ErrorCode::FENCED_INSTANCE_ID,
                ..SyncGroupResponse::default()
            };
            context.reply(token, fenced);
        }
    }

    /// Writes the group down with the new id, and answers when that is committed.
    fn replaced(
        &mut self,
        join: &Join<'_>,
        id: &Str,
        former_leader: Str,
        context: &mut Context<'_>,
    ) {
        let value = self.record(self.state_timestamp, |member| member.assignment.clone());
        let after = self.write(value, context);
        let is_leader = self.is_leader(id);
        let answer = if join.caller.version >= CAN_SKIP_ASSIGNMENT {
            JoinGroupResponse {
                skip_assignment: is_leader,
                ..self.joined(id)
            }
        } else {
            JoinGroupResponse {
                leader: former_leader,
                members: Vec::new(),
                ..self.joined(id)
            }
        };
        context.effects.reply(join.caller.token, after, answer);
    }
}
