//! Which epochs and leaders a replica believes when others name them.
//!
//! An epoch grows by one with an election. A request that names one more than [`MAX_LEAP`] ahead
//! is refused, so that no message can use up the epochs there are: a voter at the last one could
//! never stand again, not even after a restart. The bound locks out no honest voter, however long
//! it was away. A replica without a leader, or with one that does not answer, asks the voters
//! itself, and what they answer is believed over any distance, but for the last [`MAX_LEAP`]
//! epochs, which no quorum reaches: an election each second takes 68 years.
//!
//! With static voters only a voter stands or leads: who names another has other voters configured.

use super::effect::Effect;
use super::message::{Refusal, Response};
use super::node::RaftNode;
use crate::model::{BrokerId, LeaderEpoch};

/// As many epochs as an election each second makes in twelve days.
const MAX_LEAP: i32 = 1 << 20;

impl RaftNode {
    /// Whether a request may be of this epoch, with this voter as its candidate or leader.
    pub(super) fn check_claim(&self, epoch: LeaderEpoch, voter: BrokerId) -> Result<(), Refusal> {
        let furthest = self.election.epoch.0.saturating_add(MAX_LEAP);
        if epoch < LeaderEpoch(0) || epoch.0 > furthest || voter < BrokerId(0) {
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
        (0..=i32::MAX - MAX_LEAP).contains(&response.epoch.0)
            && response.leader.is_none_or(is_voter)
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
