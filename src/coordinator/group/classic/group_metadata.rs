//! A group's record, GroupMetadata: encoding a group as one, and replaying one.
//!
//! A member that exists when the record is replayed keeps what the log does not have: its other protocols,
//! its timers, its waiting requests.

use bytes::Bytes;

use super::member::{Member, Protocol};
use super::{ClassicGroup, State};
use crate::coordinator::group::context::Context;
use crate::coordinator::group::timers::Deadline;
use crate::model::{Offset, Timestamp};
use crate::protocol::Str;
use crate::protocol::messages::offsets_records::classic_group::MemberMetadata;
use crate::protocol::messages::offsets_records::{
    GroupMetadataKey, GroupMetadataValue, OffsetsRecord,
};

impl ClassicGroup {
    /// The group's record, with the assignment that `assignment` gives each member.
    pub(super) fn record(
        &self,
        state_timestamp: Timestamp,
        assignment: impl Fn(&Member) -> Bytes,
    ) -> GroupMetadataValue {
        let protocol = self.protocol.as_ref();
        let member = |member: &Member| MemberMetadata {
            member_id: member.id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: protocol
                .and_then(|protocol| member.metadata(protocol).cloned())
                .unwrap_or_default(),
            assignment: assignment(member),
        };
        GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            current_state_timestamp: state_timestamp.0,
            members: self.members.iter().map(member).collect(),
        }
    }

    /// Replays the record and gives it to the runtime; returns its offset.
    pub(in crate::coordinator::group) fn write(
        &mut self,
        value: GroupMetadataValue,
        context: &mut Context<'_>,
    ) -> Offset {
        self.replay(&value);
        let group = self.id.clone();
        context.append(OffsetsRecord::GroupMetadata(
            GroupMetadataKey { group },
            Some(value),
        ))
    }

    /// Takes over what the record says: the group is Stable if it has members, otherwise Empty.
    pub(in crate::coordinator::group) fn replay(&mut self, value: &GroupMetadataValue) {
        self.is_written = true;
        self.generation = value.generation;
        let protocol_type = Some(&value.protocol_type).filter(|name| !name.is_empty());
        keep(&mut self.protocol_type, protocol_type);
        keep(&mut self.protocol, value.protocol.as_ref());
        keep(&mut self.leader, value.leader.as_ref());
        self.state_timestamp = Timestamp(value.current_state_timestamp);
        self.replay_members(value);
        self.initial = None;
        self.state = if self.members.is_empty() {
            State::Empty
        } else {
            State::Stable
        };
    }

    /// Forgets what earlier records said, because there is a tombstone.
    pub(in crate::coordinator::group) fn replay_tombstone(&mut self) {
        *self = Self::new(self.id.clone());
    }

    fn replay_members(&mut self, value: &GroupMetadataValue) {
        let protocol = &value.protocol.clone().unwrap_or_default();
        for record in &value.members {
            let is_same_instance = |member: &Member| member.instance_id == record.group_instance_id;
            if self
                .members
                .get(&record.member_id)
                .is_some_and(is_same_instance)
            {
                let update = |member: &mut Member| update(member, record, protocol);
                self.members.update(&record.member_id, update);
                continue;
            }
            self.members.remove(&record.member_id);
            let instance_id = record.group_instance_id.as_ref();
            // A static member came back with another member id.
            if let Some(old) = instance_id.and_then(|id| self.members.by_instance(id).cloned()) {
                self.members.remove(&old);
            }
            self.members.insert(loaded(record, protocol));
        }
        // All members of the record are in by now: if there are more, those have left.
        if self.members.len() > value.members.len() {
            let kept: std::collections::BTreeSet<&Str> = value
                .members
                .iter()
                .map(|member| &member.member_id)
                .collect();
            self.members.remove_all(|member| !kept.contains(&member.id));
        }
    }
}

/// Sets a text, which may be a slice of a frame or of the log: it is copied if it differs.
fn keep(text: &mut Option<Str>, new: Option<&Str>) {
    if text.as_ref() != new {
        *text = new.map(|new| Str::copy_from(new));
    }
}

fn update(member: &mut Member, record: &MemberMetadata, protocol: &Str) {
    if member.client_id != record.client_id {
        member.client_id = Str::copy_from(&record.client_id);
    }
    if member.client_host != record.client_host {
        member.client_host = Str::copy_from(&record.client_host);
    }
    member.session_timeout_ms = record.session_timeout;
    member.rebalance_timeout_ms = rebalance_timeout(record);
    if member.metadata(protocol) != Some(&record.subscription) {
        member.protocols = vec![loaded_protocol(record, protocol)];
    }
    if member.assignment != record.assignment {
        member.assignment = Bytes::copy_from_slice(&record.assignment);
    }
}

fn loaded(record: &MemberMetadata, protocol: &Str) -> Member {
    Member {
        id: Str::copy_from(&record.member_id),
        instance_id: record
            .group_instance_id
            .as_ref()
            .map(|id| Str::copy_from(id)),
        client_id: Str::copy_from(&record.client_id),
        client_host: Str::copy_from(&record.client_host),
        rebalance_timeout_ms: rebalance_timeout(record),
        session_timeout_ms: record.session_timeout,
        protocols: vec![loaded_protocol(record, protocol)],
        assignment: Bytes::copy_from_slice(&record.assignment),
        join: None,
        sync: None,
        is_new: false,
        owes_sync: false,
        session: Deadline::default(),
    }
}

fn loaded_protocol(record: &MemberMetadata, protocol: &Str) -> Protocol {
    Protocol {
        name: Str::copy_from(protocol),
        metadata: Bytes::copy_from_slice(&record.subscription),
    }
}

/// The rebalance time-out; in version 0 of the record, which has none, the session time-out.
fn rebalance_timeout(record: &MemberMetadata) -> i32 {
    match record.rebalance_timeout {
        -1 => record.session_timeout,
        timeout => timeout,
    }
}
