//! Input [`Unreachable`](super::Input::Unreachable): a request failed, and what that says of who
//! should have answered it.
//!
//! The host of a leader whose process is gone refuses new connections ([`Absence::Gone`]): its
//! followers need not wait for time-outs. They no longer protect it, and stand one after the other, in
//! the order of their ids. A leader that is only silent stays protected until its time-out.

use std::time::{Duration, Instant};

use super::effect::{Absence, Correlation};
use super::node::RaftNode;
use super::role::Role;
use crate::model::BrokerId;

impl RaftNode {
    pub(super) fn on_unreachable(
        &mut self,
        now: Instant,
        to: BrokerId,
        correlation: Correlation,
        absence: Absence,
    ) {
        let is_under_way = self.connections.fail(now, to, correlation);
        if is_under_way && absence == Absence::Gone {
            self.note_departed(to);
            self.end_loyalty(now, to);
        }
    }

    /// Notes that the voter `to` is gone, or stops: who follows it need not wait until it is silent for
    /// long.
    pub(super) fn end_loyalty(&mut self, now: Instant, to: BrokerId) {
        let first = self.place_pause(to);
        // It is gone still, and an election was tried in vain.
        let again = first + self.jitter.spread(self.place_interval());
        if let Role::Follower(follower) = &mut self.role
            && follower.leader == to
        {
            let pause = if follower.has_fetched { first } else { again };
            follower.has_fetched = false;
            follower.deadline = follower.deadline.map(|at| at.min(now + pause));
        }
    }

    /// How long to wait for those before this replica to stand in the place of `leader`: enough
    /// for a pre-vote and a vote, so that two do not split the others' votes.
    pub(super) fn place_pause(&self, leader: BrokerId) -> Duration {
        let others = self.voters.others(leader);
        let before = others.take_while(|id| *id < self.local.id).count();
        self.place_interval() * u32::try_from(before).unwrap_or(u32::MAX)
    }

    /// 50 ms by default.
    pub(super) fn place_interval(&self) -> Duration {
        self.timeouts.election / 20
    }
}
