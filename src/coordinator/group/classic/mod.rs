//! A classic group: members that join, a leader that shares out the work, and generations in which they do.
//! There is a file for each input. The rules are Kafka's; KIP numbers stand where they apply.
//!
//! The fields are those of the generation in the making; the log has those of the last one that was
//! assigned. `replay` turns the one into the other: at once when the group's record is decided, and when
//! the log is loaded.

mod describe;
mod expire;
mod group_metadata;
mod heartbeat;
mod join;
mod leave;
mod member;
mod members;
mod pending;
mod rebalance;
mod rejoin;
mod static_member;
mod subscriptions;
mod sync;
mod validate;

use std::time::Duration;

pub(super) use join::Join;

use super::timers::Deadline;
use crate::model::Timestamp;
use crate::protocol::Str;
use members::Members;
use pending::Pending;

/// The protocol type of consumers: the one whose subscriptions can be read.
const CONSUMER_PROTOCOL_TYPE: &str = "consumer";
/// The bytes of a group with members in memory, besides its texts, which are about twice its id.
const GROUP_BYTES: usize = 512;

/// Where a classic group stands between two generations; see the head of `group/mod.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The group has no members.
    Empty,
    /// Members have to join.
    PreparingRebalance,
    /// Members have joined, and wait for the leader's assignment.
    CompletingRebalance,
    /// Members have their assignments.
    Stable,
}

impl State {
    /// Kafka's name of the state.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// The first rebalance of an empty group: it waits for more members even when all have joined.
#[derive(Clone, Copy, Debug)]
struct InitialRebalance {
    /// The length of the current delay.
    delay: Duration,
    /// By how much the delays after it may still extend the wait.
    remaining: Duration,
    /// Whether somebody has joined during the current delay.
    has_new_member: bool,
}

/// A classic group; see the module's head.
#[derive(Debug)]
pub(super) struct ClassicGroup {
    id: Str,
    state: State,
    generation: i32,
    protocol_type: Option<Str>,
    /// The protocol that the members of this generation voted for.
    protocol: Option<Str>,
    leader: Option<Str>,
    /// The time of the last record.
    state_timestamp: Timestamp,
    members: Members,
    /// Whether the log has a record of the group.
    is_written: bool,

    // The fields below are volatile.
    initial: Option<InitialRebalance>,
    /// Clients that were given a member id and have not joined with it yet (KIP-394).
    pending: Pending,
    join_deadline: Deadline,
    sync_deadline: Deadline,
}

impl ClassicGroup {
    pub(super) fn new(id: Str) -> Self {
        Self {
            id,
            state: State::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            state_timestamp: Timestamp::NONE,
            members: Members::default(),
            is_written: false,
            initial: None,
            pending: Pending::default(),
            join_deadline: Deadline::default(),
            sync_deadline: Deadline::default(),
        }
    }

    pub(super) fn id(&self) -> &Str {
        &self.id
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// How many members there are.
    pub(super) fn member_count(&self) -> usize {
        self.members.len()
    }

    pub(super) fn protocol_type(&self) -> Option<&Str> {
        self.protocol_type.as_ref()
    }

    pub(super) fn state_timestamp(&self) -> Timestamp {
        self.state_timestamp
    }

    /// Whether the log has a record of the group.
    pub(super) fn is_written(&self) -> bool {
        self.is_written
    }

    /// Whether the group is in the state Empty.
    pub(super) fn is_empty(&self) -> bool {
        self.state == State::Empty
    }

    /// Whether nobody is in the group, or about to be.
    pub(super) fn is_expendable(&self) -> bool {
        self.is_empty() && self.pending.is_empty()
    }

    /// Whether nothing of the group needs to be kept.
    pub(super) fn is_bare(&self) -> bool {
        self.is_expendable() && !self.is_written
    }

    /// Whether the members are consumers, or were.
    pub(super) fn uses_consumer_protocol(&self) -> bool {
        let protocol_type = self.protocol_type.as_ref();
        protocol_type.is_some_and(|name| *name == CONSUMER_PROTOCOL_TYPE)
    }

    /// The bytes that the members take in memory, with the group itself. A group without members counts
    /// among the offsets: groups that were left long ago must not keep members out.
    pub(super) fn member_bytes(&self) -> usize {
        let has_any = !self.members.is_empty() || !self.pending.is_empty();
        let own = if self.is_written && has_any {
            GROUP_BYTES + 2 * self.id.len()
        } else {
            0
        };
        own + self.members.bytes() + self.pending.bytes()
    }

    fn is_leader(&self, member_id: &str) -> bool {
        self.leader
            .as_ref()
            .is_some_and(|leader| *leader == *member_id)
    }

    /// Whether every member has joined the rebalance.
    fn has_all_joined(&self) -> bool {
        self.members.awaiting_join() == self.members.len() && self.pending.is_empty()
    }
}
