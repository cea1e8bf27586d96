//! Which epochs and leaders a replica believes when others name them.
//!
//! An epoch grows by one with an election. A request or an answer that names one more than
//! [`MAX_LEAP`] ahead is not believed, so that no message can use up the epochs there are: a voter at
//! the last one could never stand again, not even after a restart. The bound locks out no honest
//! voter, unless it missed an election each second for twelve days: then it is to be treated as one
//! whose disk was wiped. A replica that knows of no epoch yet asks the voters itself, and believes
//! over a greater distance what they answer, up to [`LAST_FOR_BEGINNERS`]. If that was wrong, it alone
//! is lost: the others do not follow it there.
//!
//! With static voters only a voter stands or leads: who names another has other voters configured.

use super::effect::Effect;
use super::message::{Refusal, Response};
use super::node::RaftNode;
use crate::model::{BrokerId, LeaderEpoch};

/// As many epochs as an election each second makes in twelve days.
const MAX_LEAP: i32 = 1 << 20;

/// No quorum gets there: an election each second takes 34 years.
const LAST_FOR_BEGINNERS: i32 = i32::MAX / 2;

impl RaftNode {
    /// Whether a request may be of this epoch, with this voter as its candidate or leader.
    pub(super) fn check_claim(&self, epoch: LeaderEpoch, voter: BrokerId) -> Result<(), Refusal> {
        let is_near = (0..=self.furthest()).contains(&epoch.0);
        if !is_near || voter < BrokerId(0) {
            return Err(Refusal::InvalidRequest);
        }
        if !self.voters.contains(voter) {
            return Err(Refusal::InconsistentVoterSet);
        }
        Ok(())
    }

    /// Whether what a voter answered may be true.
    pub(super) fn is_plausible(&self, response: &Response) -> bool {
        let is_voter = |leader| self.voters.contains(leader);
        let furthest = match self.election.epoch {
            LeaderEpoch(0) => LAST_FOR_BEGINNERS,
            _ => self.furthest(),
        };
        (0..=furthest).contains(&response.epoch.0) && response.leader.is_none_or(is_voter)
    }

    /// Requests one after the other lead no further than half of all epochs by leaps: from there on it takes
    /// as many requests as there are epochs left.
    fn furthest(&self) -> i32 {
        let own = self.election.epoch.0;
        if own < LAST_FOR_BEGINNERS {
            own.saturating_add(MAX_LEAP).min(LAST_FOR_BEGINNERS)
        } else {
            own.saturating_add(1)
        }
    }

    /// The epoch after the present one; `None`: there is none, and the replica halts.
    pub(super) fn next_epoch(&mut self, effects: &mut Vec<Effect>) -> Option<LeaderEpoch> {
        let next = self.election.epoch.0.checked_add(1);
        if next.is_none() {
            let reason = format!(
                "epoch {} of the metadata quorum is the last there is, which no elections have \
                 reached: quorum-state is damaged; restore it, or remove this node's metadata \
                 directory, so that it is fetched again",
                self.election.epoch
            );
            self.halt(reason, effects);
        }
        next.map(LeaderEpoch)
    }
}
