//! Counts the votes of one election.

use std::collections::BTreeMap;

use super::voters::Voters;
use crate::model::BrokerId;

/// The votes of one election, real or pre-vote, as far as they have come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    majority: usize,
    votes: BTreeMap<BrokerId, Option<bool>>,
}

impl Tally {
    /// An election that begins with the candidate's vote for itself.
    pub fn new(voters: &Voters, candidate: BrokerId) -> Self {
        let mut tally = Self {
            majority: voters.majority(),
            votes: voters.ids().iter().map(|id| (*id, None)).collect(),
        };
        tally.record(candidate, true);
        tally
    }

    /// Counts an answer. The last answer of a voter counts; that of a node without a vote does not.
    pub fn record(&mut self, voter: BrokerId, granted: bool) {
        if let Some(vote) = self.votes.get_mut(&voter) {
            *vote = Some(granted);
        }
    }

    /// Whether a majority has granted its vote.
    pub fn is_won(&self) -> bool {
        self.granting().count() >= self.majority
    }

    /// Whether all are in favour.
    pub fn is_unanimous(&self) -> bool {
        self.votes.values().all(|vote| *vote == Some(true))
    }

    /// A voter that was against may think otherwise now: it is to be asked again.
    pub fn ask_again(&mut self, voter: BrokerId) {
        if let Some(vote) = self.votes.get_mut(&voter)
            && *vote == Some(false)
        {
            *vote = None;
        }
    }

    /// Whether a majority can no longer come together.
    pub fn is_lost(&self) -> bool {
        let rejected = self
            .votes
            .values()
            .filter(|vote| **vote == Some(false))
            .count();
        self.votes.len() - rejected < self.majority
    }

    /// The voters that granted their vote, ascending.
    pub fn granting(&self) -> impl Iterator<Item = BrokerId> + '_ {
        self.votes
            .iter()
            .filter(|(_, vote)| **vote == Some(true))
            .map(|(id, _)| *id)
    }

    /// The voters that have not answered, ascending.
    pub fn unrecorded(&self) -> impl Iterator<Item = BrokerId> + '_ {
        self.votes
            .iter()
            .filter(|(_, vote)| vote.is_none())
            .map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(voters: i32) -> Tally {
        Tally::new(&Voters::new((1..=voters).map(BrokerId)), BrokerId(1))
    }

    #[test]
    fn the_only_voter_has_won_with_its_own_vote() {
        assert!(tally(1).is_won());
        assert!(!tally(2).is_won());
    }

    #[test]
    fn two_of_three_decide() {
        let mut won = tally(3);
        won.record(BrokerId(3), true);
        let mut lost = tally(3);
        lost.record(BrokerId(2), false);
        lost.record(BrokerId(3), false);

        assert!(won.is_won() && !won.is_lost());
        assert_eq!(won.unrecorded().collect::<Vec<_>>(), [BrokerId(2)]);
        assert!(lost.is_lost() && !lost.is_won());
    }

    #[test]
    fn a_node_without_a_vote_does_not_count() {
        let mut tally = tally(3);

        tally.record(BrokerId(9), true);

        assert!(!tally.is_won());
    }
}
