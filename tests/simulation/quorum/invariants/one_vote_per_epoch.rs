//! A voter grants at most one candidate its vote in an epoch, across crashes.

use std::collections::BTreeMap;

use broker::model::LeaderEpoch;
use broker::raft::{Request, RequestToken, Response, ResponseBody};

#[derive(Default)]
pub struct OneVotePerEpoch {
    /// The candidacies that wait for an answer. Pre-votes promise nothing.
    asked: BTreeMap<RequestToken, ()>,
    granted: BTreeMap<(usize, LeaderEpoch), usize>,
}

impl OneVotePerEpoch {
    pub fn on_request(&mut self, token: RequestToken, request: &Request) {
        if matches!(request, Request::Vote(vote) if !vote.pre_vote) {
            self.asked.insert(token, ());
        }
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
}
