//! SyncGroup (key 14), versions 0-5.
//!
//! Members of a new generation ask for their assignments and wait; the leader brings all of them. The group
//! is written down with them, and everybody is answered when that is committed. A member that asks again
//! while the group is Stable gets its assignment again. From version 5 on the request must name the group's
//! type and name of protocol.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{ClassicGroup, State};
use crate::coordinator::group::GroupShard;
use crate::coordinator::group::context::Context;
use crate::coordinator::group::effects::Effects;
use crate::coordinator::group::record_versions::GROUP_METADATA_VERSION;
use crate::coordinator::shard::Token;
use crate::coordinator::shard::{Caller, Moment};
use crate::model::Offset;
use crate::protocol::messages::offsets_records::GroupMetadataValue;
use crate::protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use crate::protocol::{Encode as _, ErrorCode, Str};

impl GroupShard {
    /// Decides a SyncGroup.
    pub(in crate::coordinator::group) fn sync_group(
        &mut self,
        now: Moment,
        caller: &Caller,
        request: &SyncGroupRequest,
        effects: &mut Effects,
    ) {
        let synced = self.with_group(&request.group_id, now, effects, |group, context| {
            // An assignment must not be told before it is committed.
            let after = group.last_offset;
            group.classic.sync(caller.token, request, after, context);
        });
        if synced.is_none() {
            let refusal = refusal(ErrorCode::UNKNOWN_MEMBER_ID);
            effects.reply(caller.token, Offset::NONE, refusal);
        }
    }
}

impl ClassicGroup {
    /// Decides a SyncGroup to this group, whose last record is at `last_offset`.
    fn sync(
        &mut self,
        token: Token,
        request: &SyncGroupRequest,
        last_offset: Offset,
        context: &mut Context<'_>,
    ) {
        if let Err(error) = self.check_sync(request) {
            context.reply(token, refusal(error));
            return;
        }
        let id = &request.member_id;
        match self.state {
            // All wait for the leader's request: it holds what each member is assigned.
            State::CompletingRebalance => {
                self.wait_in_sync(id, token, context);
                if self.is_leader(id) {
                    self.assign(request, context);
                }
            }
            State::Stable => {
                self.has_asked(id);
                let assignment = self.members.get(id).map(|member| member.assignment.clone());
                let answer = self.assigned(assignment.unwrap_or_default());
                context.effects.reply(token, last_offset, answer);
            }
            State::PreparingRebalance => {
                context.reply(token, refusal(ErrorCode::REBALANCE_IN_PROGRESS));
            }
            State::Empty => unreachable!("an empty group has no member to be checked"),
        }
    }

    fn check_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        self.check_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let differs = |asked: &Option<Str>, own: &Option<Str>| asked.is_some() && asked != own;
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        Ok(())
    }

    fn wait_in_sync(&mut self, id: &str, token: Token, context: &mut Context<'_>) {
        let member = self.members.get_mut(id);
        if let Some(previous) = member.and_then(|member| member.sync.replace(token)) {
            context.reply(previous, refusal(ErrorCode::REBALANCE_IN_PROGRESS));
        }
        self.has_asked(id);
    }

    /// Notes that the member has sent its SyncGroup. When all have, nobody can be late any more.
    fn has_asked(&mut self, id: &str) {
        self.members.set_owes_sync(id, false);
        if self.members.owing_sync() == 0 {
            self.sync_deadline.cancel();
        }
    }

    /// Takes the leader's assignment: it is written down, and told to all who wait.
    fn assign(&mut self, request: &SyncGroupRequest, context: &mut Context<'_>) {
        let assignments = request.assignments.iter();
        let assignments: BTreeMap<&str, &Bytes> = assignments
            .map(|assignment| (assignment.member_id.as_str(), &assignment.assignment))
            .collect();
        let value = self.record(context.now.timestamp, |member| {
            let assignment = assignments.get(member.id.as_str());
            assignment.map_or_else(Bytes::new, |bytes| (*bytes).clone())
        });
        if let Err(error) = self.check_room(&value, context) {
            *context.refused_members += u64::from(error == ErrorCode::COORDINATOR_NOT_AVAILABLE);
            self.refuse_syncs(error, context);
            self.prepare_rebalance(context);
            return;
        }
        let after = self.write(value, context);
        *context.rebalances += 1;
        for (token, id, assignment) in self.take_syncs() {
            let answer = self.assigned(assignment);
            context.effects.reply(token, after, answer);
            self.keep_alive(&id, context);
        }
    }

    /// Checks that the record can be written, and the group is not too large for memory; if not, the answer
    /// is Kafka's to a record that is too large. If the members of all groups leave no room for the
    /// assignments, members are told to join again later (COORDINATOR_NOT_AVAILABLE, the only temporary
    /// error of a coordinator that clients expect here).
    fn check_room(
        &self,
        value: &GroupMetadataValue,
        context: &Context<'_>,
    ) -> Result<(), ErrorCode> {
        let settings = context.settings;
        let old = self.members.iter().map(|member| member.assignment.len());
        let new = value.members.iter().map(|member| member.assignment.len());
        let (old, new) = (old.sum::<usize>(), new.sum::<usize>());
        if value.size(GROUP_METADATA_VERSION) > settings.max_record_bytes
            || self.member_bytes() - old + new > settings.max_group_bytes
        {
            Err(ErrorCode::UNKNOWN_SERVER_ERROR)
        } else if new.saturating_sub(old) > context.spare_bytes.members {
            Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)
        } else {
            Ok(())
        }
    }

    /// Answers all who wait for their assignments with an error. Their sessions begin anew.
    pub(super) fn refuse_syncs(&mut self, error: ErrorCode, context: &mut Context<'_>) {
        for (token, id, _) in self.take_syncs() {
            context.reply(token, refusal(error));
            self.keep_alive(&id, context);
        }
    }

    fn take_syncs(&mut self) -> Vec<(Token, Str, Bytes)> {
        let members = self.members.iter_mut();
        let waiting = members.filter_map(|member| {
            let token = member.sync.take()?;
            Some((token, member.id.clone(), member.assignment.clone()))
        });
        waiting.collect()
    }

    fn assigned(&self, assignment: Bytes) -> SyncGroupResponse {
        SyncGroupResponse {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            assignment,
            ..SyncGroupResponse::default()
        }
    }
}

pub(super) fn refusal(error_code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse {
        error_code,
        ..SyncGroupResponse::default()
    }
}
