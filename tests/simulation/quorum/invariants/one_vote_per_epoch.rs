//! A voter grants at most one candidate its vote in an epoch, across crashes and wiped disks.

use std::collections::BTreeMap;

use broker::model::{BrokerId, LeaderEpoch};
use broker::raft::{ElectionState, Request, RequestToken, Response, ResponseBody};

#[derive(Default)]
pub struct OneVotePerEpoch {
    /// The candidacies that wait for an answer. Pre-votes promise nothing.
    asked: BTreeMap<RequestToken, LeaderEpoch>,
    granted: BTreeMap<(usize, LeaderEpoch), usize>,
}

impl OneVotePerEpoch {
    pub fn on_request(&mut self, token: RequestToken, request: &Request) {
        if let Request::Vote(vote) = request
            && !vote.pre_vote
        {
            self.asked.insert(token, vote.epoch);
        }
    }

    /// The epoch of the candidacy that is being answered.
    pub fn epoch_asked(&self, token: RequestToken) -> Option<LeaderEpoch> {
        self.asked.get(&token).copied()
    }

    pub fn on_reply(
        &mut self,
        token: RequestToken,
        voter: usize,
        candidate: usize,
        response: &Response,
    ) {
        let is_vote = self.asked.remove(&token).is_some();
        if is_vote && response.body == (ResponseBody::Vote { granted: true }) {
            let key = (voter, response.epoch);
            let first = *self.granted.entry(key).or_insert(candidate);
            assert_eq!(
                first, candidate,
                "node {voter} voted twice in epoch {}",
                response.epoch
            );
        }
    }

    /// A voter begins with what its disk says, which was not wiped.
    pub fn on_start(&self, voter: usize, found: ElectionState) {
        let Some(candidate) = self.granted.get(&(voter, found.epoch)) else {
            return;
        };
        let candidate = BrokerId(*candidate as i32);
        let remembers = found.voted.is_some_and(|key| key.id == candidate);
        assert!(
            remembers || found.leader.is_some(),
            "node {voter} has forgotten its vote for {candidate} in epoch {}",
            found.epoch
        );
    }
}
