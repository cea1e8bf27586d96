//! JoinGroup with a member id: of a pending member, or of one that joins again.
//!
//! While the group prepares a rebalance the member waits. Otherwise it gets the current generation again if
//! it has not changed (it may have missed an answer), and starts a rebalance if its protocols have. The
//! leader of a Stable group always starts one, because it may have seen topics change.

use super::join::{Join, refusal};
use super::member::copy_protocols;
use super::{ClassicGroup, State};
use crate::coordinator::group::context::Context;
use crate::protocol::messages::join_group::{JoinGroupResponse, JoinGroupResponseMember};
use crate::protocol::{ErrorCode, Str};

impl ClassicGroup {
    /// Decides a JoinGroup with a member id.
    pub(super) fn join_existing(&mut self, join: &Join<'_>, context: &mut Context<'_>) {
        let request = join.request;
        let instance_id = request.group_instance_id.as_ref();
        let token = join.caller.token;
        let id = &request.member_id;
        if let Some(id) = self.pending.id(id) {
            let id = id.clone();
            match instance_id {
                None => self.add_member(join, &id, context),
                // Only dynamic members are pending. Kafka fails on such a request, with this answer.
                Some(_) => {
                    let error = ErrorCode::UNKNOWN_SERVER_ERROR;
                    context.reply(token, refusal(error, id));
                }
            }
            return;
        }
        if let Err(error) = self.check_member(id, instance_id) {
            context.reply(token, refusal(error, id.clone()));
            return;
        }
        let matches = self
            .members
            .get(id)
            .is_some_and(|member| member.matches(&request.protocols));
        let has_news = match self.state {
            State::PreparingRebalance => true,
            State::CompletingRebalance => !matches,
            State::Stable => !matches || self.is_leader(id),
            State::Empty => unreachable!("an empty group has no member to be checked"),
        };
        if has_news {
            self.update_member(join, id);
            self.wait_in_join(id, token, context);
            self.rebalance_or_complete(context);
        } else {
            let answer = self.joined(id);
            context.reply(token, answer);
        }
    }

    /// Takes over the protocols and time-outs of a JoinGroup.
    pub(super) fn update_member(&mut self, join: &Join<'_>, id: &str) {
        self.members.update(id, |member| {
            if !member.matches(&join.request.protocols) {
                member.protocols = copy_protocols(&join.request.protocols);
            }
            member.rebalance_timeout_ms = join.rebalance_timeout_ms();
            member.session_timeout_ms = join.request.session_timeout_ms;
        });
    }

    /// The answer for a member of the current generation: only the leader gets all members.
    pub(super) fn joined(&self, id: &str) -> JoinGroupResponse {
        JoinGroupResponse {
            error_code: ErrorCode::NONE,
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: Str::copy_from(id),
            members: if self.is_leader(id) {
                self.all_members()
            } else {
                Vec::new()
            },
            ..JoinGroupResponse::default()
        }
    }

    /// All members, for the leader.
    pub(super) fn all_members(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = &self.protocol.clone().unwrap_or_default();
        let members = self.members.iter().map(|member| JoinGroupResponseMember {
            member_id: member.id.clone(),
            group_instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol).cloned().unwrap_or_default(),
        });
        members.collect()
    }
}
