//! JoinGroup (key 11), versions 0-9: of somebody without a member id, or with one that it was given.
//!
//! Except for errors, and for a static member that takes another's place in a Stable group, nobody is
//! answered until the generation is complete. From version 4 on a dynamic
//! member is first told its id (MEMBER_ID_REQUIRED, KIP-394), and is pending until it joins with that, or
//! its session time-out has passed. The first join creates a group that does not exist, and writes it down.
//! A member that waits in another JoinGroup gets REBALANCE_IN_PROGRESS there.

use std::time::Duration;

use super::member::{Member, bytes_to_join, copy_protocols};
use super::{ClassicGroup, GROUP_BYTES, State};
use crate::coordinator::group::GroupShard;
use crate::coordinator::group::context::{Context, timeout};
use crate::coordinator::group::effects::Effects;
use crate::coordinator::group::group_state::group_bytes;
use crate::coordinator::group::settings::GroupSettings;
use crate::coordinator::group::timers::Deadline;
use crate::coordinator::shard::Token;
use crate::coordinator::shard::{Caller, Moment};
use crate::model::Offset;
use crate::protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse};
use crate::protocol::messages::offsets_records::GroupMetadataValue;
use crate::protocol::{ErrorCode, Str};

/// The first version in which a member must join with the id that it was given (KIP-394).
const REQUIRES_MEMBER_ID: i16 = 4;
/// How long a new member may wait in its JoinGroup: it cannot send heartbeats, and a client that gave up
/// and came again would leave dead members behind. The number is Kafka's.
const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(300);
/// The answer if the members of all groups leave no room: after this error every client comes back to this
/// coordinator after a pause, without looking for another.
const NO_ROOM: ErrorCode = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
/// The length of a UUID as text, with a hyphen before it.
const UUID_LENGTH: usize = 37;

/// A JoinGroup with what its decision needs.
pub(in crate::coordinator::group) struct Join<'a> {
    pub(in crate::coordinator::group) caller: &'a Caller,
    pub(in crate::coordinator::group) request: &'a JoinGroupRequest,
    /// The random part of a new member's id.
    pub(in crate::coordinator::group) entropy: [u8; 16],
}

impl GroupShard {
    /// Decides a JoinGroup.
    pub(in crate::coordinator::group) fn join_group(
        &mut self,
        now: Moment,
        join: &Join<'_>,
        effects: &mut Effects,
    ) {
        let request = join.request;
        if let Err((error, member_id)) = self.check_join(join) {
            self.tally_mut().refused_members += u64::from(error == NO_ROOM);
            let refusal = refusal(error, member_id);
            effects.reply(join.caller.token, Offset::NONE, refusal);
            return;
        }
        self.take_over_foreign(&request.group_id, effects);
        if self.group(&request.group_id).is_none() {
            self.upsert(&request.group_id, |_| ());
            self.with_group(&request.group_id, now, effects, |group, context| {
                let value = GroupMetadataValue {
                    current_state_timestamp: now.timestamp.0,
                    ..GroupMetadataValue::default()
                };
                group.classic.write(value, context);
            });
        }
        self.with_group(&request.group_id, now, effects, |group, context| {
            group.classic.join(join, context);
        });
    }

    /// Checks what does not depend on the state of a classic group. An error comes with the member id to
    /// answer.
    fn check_join(&self, join: &Join<'_>) -> Result<(), (ErrorCode, Str)> {
        let request = join.request;
        let settings = self.settings();
        let Some(group) = self.group(&request.group_id) else {
            if !request.member_id.is_empty() {
                return Err((ErrorCode::UNKNOWN_MEMBER_ID, request.member_id.clone()));
            }
            // A join that is refused must not create a group. A group stays when its members are gone.
            let spare_bytes = self.spare_bytes();
            if group_bytes(&request.group_id) > spare_bytes.offsets {
                return Err((NO_ROOM, Str::EMPTY));
            }
            return ClassicGroup::new(Str::EMPTY)
                .check_bytes(join, settings, spare_bytes.members)
                .map_err(|error| (error, Str::EMPTY));
        };
        match &group.foreign {
            Some(foreign) if !foreign.yields_to_classic() => {
                Err((ErrorCode::INCONSISTENT_GROUP_PROTOCOL, Str::EMPTY))
            }
            _ => Ok(()),
        }
    }
}

impl Join<'_> {
    /// The rebalance time-out; in version 0, which has none, the session time-out.
    pub(super) fn rebalance_timeout_ms(&self) -> i32 {
        match self.caller.version {
            0 => self.request.session_timeout_ms,
            _ => self.request.rebalance_timeout_ms,
        }
    }

    /// A new member's id: the client's name, and a random UUID in Java's text form.
    fn new_member_id(&self) -> Str {
        let mut bytes = self.entropy;
        // Version 4 and variant 1, as `UUID.randomUUID` makes them.
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let bits = u128::from_be_bytes(bytes);
        let prefix = match &self.request.group_instance_id {
            Some(instance_id) => instance_id,
            None => &self.caller.client_id,
        };
        Str::from(format!(
            "{prefix}-{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            bits >> 96,
            (bits >> 80) & 0xffff,
            (bits >> 64) & 0xffff,
            (bits >> 48) & 0xffff,
            bits & 0xffff_ffff_ffff
        ))
    }

    /// The bytes of the texts of the member, and of the group that it may create: its id is kept in three
    /// places.
    fn text_bytes(&self) -> usize {
        let instance_id = self.request.group_instance_id.as_ref();
        let instance_id = instance_id.map_or(0, |id| id.len());
        let caller = self.caller;
        let id = caller.client_id.len().max(instance_id) + UUID_LENGTH;
        let group = 2 * self.request.group_id.len();
        3 * id + instance_id + caller.client_id.len() + caller.client_host.len() + group
    }

    fn member(&self, id: Str) -> Member {
        let request = self.request;
        let instance_id = request.group_instance_id.as_ref();
        Member {
            id,
            instance_id: instance_id.map(|id| Str::copy_from(id)),
            client_id: Str::copy_from(&self.caller.client_id),
            client_host: Str::copy_from(&self.caller.client_host),
            rebalance_timeout_ms: self.rebalance_timeout_ms(),
            session_timeout_ms: request.session_timeout_ms,
            protocols: copy_protocols(&request.protocols),
            assignment: bytes::Bytes::new(),
            join: Some(self.caller.token),
            sync: None,
            is_new: true,
            owes_sync: false,
            session: Deadline::default(),
        }
    }
}

impl ClassicGroup {
    /// Decides a JoinGroup to this group.
    fn join(&mut self, join: &Join<'_>, context: &mut Context<'_>) {
        let request = join.request;
        let token = join.caller.token;
        if !self.accepts(&request.member_id, context.settings.max_size) {
            // The client gives up with this answer, so the others must not wait for it.
            self.remove_member(&request.member_id, context);
            self.pending.remove(&request.member_id);
            let refusal = refusal(ErrorCode::GROUP_MAX_SIZE_REACHED, Str::EMPTY);
            context.reply(token, refusal);
        } else if let Err(error) =
            self.check_bytes(join, context.settings, context.spare_bytes.members)
        {
            *context.refused_members += u64::from(error == NO_ROOM);
            context.reply(token, refusal(error, request.member_id.clone()));
        } else if !self.supports(request) {
            let error = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
            context.reply(token, refusal(error, request.member_id.clone()));
        } else if request.member_id.is_empty() {
            self.join_new(join, context);
        } else {
            self.join_existing(join, context);
        }
    }

    fn join_new(&mut self, join: &Join<'_>, context: &mut Context<'_>) {
        let id = join.new_member_id();
        let instance_id = join.request.group_instance_id.as_ref();
        if let Some(instance_id) = instance_id {
            match self.members.by_instance(instance_id).cloned() {
                Some(old_id) => self.replace_static_member(join, &old_id, &id, context),
                None => self.add_member(join, &id, context),
            }
        } else if join.caller.version >= REQUIRES_MEMBER_ID {
            self.add_pending(join, id, context);
        } else {
            self.add_member(join, &id, context);
        }
    }

    /// Tells the member its id, with which it is expected to join.
    fn add_pending(&mut self, join: &Join<'_>, id: Str, context: &mut Context<'_>) {
        let mut deadline = Deadline::default();
        let due = context.now.instant + timeout(join.request.session_timeout_ms);
        let timer = || super::heartbeat::session_timer(&self.id, &id);
        context.timers.set(&mut deadline, due, timer);
        self.pending.insert(id.clone(), deadline);
        let answer = refusal(ErrorCode::MEMBER_ID_REQUIRED, id);
        context.reply(join.caller.token, answer);
    }

    /// Adds the member, whose JoinGroup waits for the others.
    pub(super) fn add_member(&mut self, join: &Join<'_>, id: &Str, context: &mut Context<'_>) {
        if let Some(initial) = &mut self.initial {
            initial.has_new_member = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(Str::copy_from(&join.request.protocol_type));
        }
        if self.leader.is_none() {
            self.leader = Some(id.clone());
        }
        self.pending.remove(id);
        self.members.insert(join.member(id.clone()));
        self.set_session(id, NEW_MEMBER_JOIN_TIMEOUT, context);
        self.rebalance_or_complete(context);
    }

    /// Whether the group has room for the member. While members join, only those that wait count: so a
    /// group that has become too large sheds the last to come.
    fn accepts(&self, member_id: &str, max_size: usize) -> bool {
        let member = self.members.get(member_id);
        match self.state {
            State::Empty => true,
            State::PreparingRebalance => {
                member.is_some_and(|member| member.join.is_some())
                    || self.members.awaiting_join() < max_size
            }
            State::CompletingRebalance | State::Stable => {
                member.is_some() || self.members.len() < max_size
            }
        }
    }

    /// Whether the member supports a protocol that all others support as well.
    fn supports(&self, request: &JoinGroupRequest) -> bool {
        if self.is_empty() {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        let protocol_type = self.protocol_type.as_ref();
        let mut protocols = request.protocols.iter();
        protocol_type == Some(&request.protocol_type)
            && protocols.any(|own| self.members.supporters(&own.name) == self.members.len())
    }

    /// Checks that the group's record still fits a batch with the member in it, that the group is not too
    /// large for memory (GROUP_MAX_SIZE_REACHED, which ends the attempt), and that the members of all
    /// groups leave room ([`NO_ROOM`]). A member that is in the group may take what is kept from new ones,
    /// and can always join again with no more than it has: otherwise groups would lose their members
    /// whenever others take too much.
    fn check_bytes(
        &self,
        join: &Join<'_>,
        settings: &GroupSettings,
        spare_bytes: usize,
    ) -> Result<(), ErrorCode> {
        let request = join.request;
        let instance_id = request.group_instance_id.as_ref();
        let old_id = instance_id.and_then(|id| self.members.by_instance(id));
        let old = self.members.get(old_id.unwrap_or(&request.member_id));
        let old_record = old.map_or(0, Member::record_bytes);
        let metadata = request.protocols.iter().map(|it| it.metadata.len());
        let record_bytes = self.members.record_bytes() - old_record + metadata.max().unwrap_or(0);
        let (growth, spare_bytes) = match old {
            Some(member) => (member.growth(&request.protocols), spare_bytes),
            None => {
                let new = bytes_to_join(&request.protocols) + join.text_bytes() + GROUP_BYTES;
                (new, spare_bytes.saturating_sub(settings.reserved_bytes))
            }
        };
        let is_too_large = growth > 0 && self.member_bytes() + growth > settings.max_group_bytes;
        if record_bytes > settings.max_record_bytes || is_too_large {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        if growth <= spare_bytes {
            Ok(())
        } else {
            Err(NO_ROOM)
        }
    }

    /// Lets a member wait in a JoinGroup for the generation.
    pub(super) fn wait_in_join(&mut self, id: &str, token: Token, context: &mut Context<'_>) {
        if let Some(previous) = self.members.set_join(id, token) {
            let error = ErrorCode::REBALANCE_IN_PROGRESS;
            context.reply(previous, refusal(error, Str::copy_from(id)));
        }
    }
}

/// An answer with an error and the member's id.
pub(super) fn refusal(error_code: ErrorCode, member_id: Str) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code,
        member_id,
        ..JoinGroupResponse::default()
    }
}
