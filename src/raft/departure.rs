//! A node that stops waits for another voter to lead, unless there can be none: a majority of the voters,
//! this one not counted, must be there for that. Who is asked tells: its host refuses connections, or it says
//! that it stops as well.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::effect::Effect;
use super::message::Request;
use super::node::RaftNode;
use super::role::Role;
use crate::model::BrokerId;

/// What a node that stops knows of the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Departure {
    /// The voters that are gone, or stop as well.
    departed: BTreeSet<BrokerId>,
}

impl RaftNode {
    pub(super) fn on_shutdown_requested(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.departure.get_or_insert_default();
        if self.is_leader() {
            self.become_resigned(now, effects);
        }
    }

    /// Whether this node is to stop: it seeks no election.
    pub(super) fn is_shutting_down(&self) -> bool {
        self.departure.is_some()
    }

    /// Whether a node that is to stop may do so: no voter needs it to hand over, or none can take over.
    pub fn may_stop(&self) -> bool {
        let has_remote_leader = self
            .election
            .leader
            .is_some_and(|leader| leader != self.local.id);
        self.is_halted()
            || has_remote_leader
            || !self.is_voter()
            || self.voters.is_only(self.local.id)
            || !self.may_be_succeeded()
    }

    fn may_be_succeeded(&self) -> bool {
        let departed = self.departure.as_ref().map(|it| &it.departed);
        let Some(departed) = departed.filter(|departed| !departed.is_empty()) else {
            return true;
        };
        let others = self.voters.others(self.local.id);
        let present = others.filter(|id| !departed.contains(id)).count();
        present > self.voters.ids().len() / 2
    }

    /// Notes that a voter is gone, or stops.
    pub(super) fn note_departed(&mut self, voter: BrokerId) {
        if let Some(departure) = &mut self.departure {
            departure.departed.insert(voter);
        }
    }

    /// Notes that a voter is there.
    pub(super) fn note_present(&mut self, voter: BrokerId) {
        if let Some(departure) = &mut self.departure {
            departure.departed.remove(&voter);
        }
    }

    /// Asks the other voters who leads, while this node waits for that to stop. What they answer to a Fetch
    /// tells, whether they lead or not.
    pub(super) fn seek_successor(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let follows = matches!(self.role, Role::Leader(_) | Role::Follower(_));
        if !self.is_shutting_down() || follows || self.may_stop() {
            return;
        }
        for voter in self.voters.others(self.local.id).collect::<Vec<_>>() {
            let request = self.fetch_request(Duration::ZERO);
            self.ask(now, voter, Request::Fetch(request), effects);
        }
    }
}
