//! Input [`Started`](super::Input::Started): from what was found on disk to a first role.
//!
//! A replica begins in the role that it had, except that a leader begins resigned: it must not write in an
//! epoch whose end it may have lost.

use std::time::Instant;

use super::effect::Effect;
use super::election_state::ElectionState;
use super::node::RaftNode;
use super::role::{Resigned, Role, Unattached};

impl RaftNode {
    pub(super) fn on_started(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        // A full disk may have kept this from being told, before the replica began again.
        if let Some(committed) = self.high_watermark {
            effects.push(Effect::Commit(committed));
        }
        let log_epoch = self.log.last_epoch();
        if self.election.epoch < log_epoch {
            // The file was lost, or is older than the log: nobody here knows who led that epoch.
            self.election = ElectionState {
                epoch: log_epoch,
                ..ElectionState::default()
            };
            self.persist(effects);
        }
        self.resume(now, effects);
        // No other voter could lead, so there is nothing to wait for.
        let stands_alone = self.voters.is_only(self.local.id);
        // Whether there is a cluster already is to be asked of the others.
        let may_be_first = self.is_newcomer() && self.is_blank();
        let is_standing = matches!(self.role, Role::Candidate(_) | Role::Leader(_));
        if (stands_alone || may_be_first) && !is_standing {
            self.become_prospective(now, effects);
        }
    }

    fn resume(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let voted_for_itself = self
            .election
            .voted
            .is_some_and(|key| key.matches(&self.local));
        match self.election.leader {
            Some(leader) if leader == self.local.id => {
                self.role = Role::Resigned(Resigned {
                    deadline: self.election_deadline(now),
                    unacknowledged: self.voters.others(self.local.id).collect(),
                    successors: Vec::new(),
                });
            }
            None if voted_for_itself && self.is_voter() => self.stand_again(now, effects),
            Some(leader) if self.voters.contains(leader) => {
                self.role = Role::Follower(self.new_follower(now, leader));
            }
            _ => {
                let deadline = self.is_voter().then(|| self.election_deadline(now));
                self.role = Role::Unattached(Unattached { deadline });
            }
        }
    }
}
