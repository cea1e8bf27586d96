//! Input [`VoteRequest`]: which candidate gets this replica's vote; and its answer: which candidate has
//! enough.
//!
//! Invariant: a replica votes at most once in an epoch, and persists the vote before it tells of it.

use std::time::Instant;

use super::effect::{Effect, RequestToken};
use super::message::{Refusal, Request, ResponseBody, VoteRequest};
use super::node::RaftNode;
use super::role::Role;
use crate::model::{BrokerId, Offset};

impl RaftNode {
    pub(super) fn on_vote(
        &mut self,
        now: Instant,
        token: RequestToken,
        request: VoteRequest,
        effects: &mut Vec<Effect>,
    ) {
        let outcome = self.consider(now, request, effects);
        let body = ResponseBody::Vote {
            granted: outcome == Ok(true),
        };
        let response = match outcome {
            Ok(_) => self.response(body),
            Err(refusal) => self.refuse(refusal, body),
        };
        effects.push(Effect::Reply { token, response });
    }

    fn consider(
        &mut self,
        now: Instant,
        request: VoteRequest,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, Refusal> {
        self.check_claim(request.epoch, request.candidate.id)?;
        // A candidate stands in an epoch that has no leader yet, so no log has a batch of it.
        let last_epoch = request.last.epoch;
        let newest_allowed = request.epoch.0 - i32::from(!request.pre_vote);
        if request.last.offset < Offset::ZERO || !(0..=newest_allowed).contains(&last_epoch.0) {
            return Err(Refusal::InvalidRequest);
        }
        if request.epoch > self.election.epoch {
            self.become_unattached(now, request.epoch, None, effects);
        }
        if request.epoch < self.election.epoch {
            return Err(Refusal::FencedLeaderEpoch);
        }
        if !self.is_addressed(request.voter) {
            return Err(Refusal::InvalidVoterKey);
        }
        let granted = self.would_grant(&request);
        if request.pre_vote {
            self.note_rival(now, &request, granted);
        } else if granted {
            self.cast_vote(now, request, effects);
        }
        Ok(granted)
    }

    fn would_grant(&self, request: &VoteRequest) -> bool {
        let is_up_to_date = request.last >= self.log.end();
        if !self.may_grant(request) {
            return false;
        }
        match &self.role {
            Role::Leader(_) => false,
            // A follower that hears from its leader protects it: it grants no pre-vote.
            Role::Follower(follower) => request.pre_vote && !follower.has_fetched && is_up_to_date,
            Role::Candidate(_) | Role::Resigned(_) => request.pre_vote && is_up_to_date,
            Role::Unattached(_) | Role::Prospective(_) if request.pre_vote => is_up_to_date,
            Role::Unattached(_) | Role::Prospective(_) => match self.election.voted {
                Some(voted) => voted.matches(&request.candidate),
                None => self.election.leader.is_none() && is_up_to_date,
            },
        }
    }

    /// Another voter asks for pre-votes, so it has lost the leader: if it protected it so far, it is
    /// to be asked again. A better one that has our word stands first: the one with the longer log,
    /// or with the lower id if they are the same. Then they do not both stand, and split the votes.
    fn note_rival(&mut self, now: Instant, request: &VoteRequest, granted: bool) {
        let rival = request.candidate.id;
        let ours = (self.log.end(), std::cmp::Reverse(self.local.id));
        let is_better = granted && (request.last, std::cmp::Reverse(rival)) > ours;
        let until = now + self.place_interval() * 2;
        match &mut self.role {
            Role::Prospective(nominee) => {
                nominee.tally.ask_again(rival);
                if is_better {
                    nominee.gives_way_until.get_or_insert(until);
                }
            }
            Role::Follower(follower) if is_better => {
                follower.deadline = follower.deadline.map(|at| at.max(until));
            }
            Role::Unattached(unattached) if is_better => {
                unattached.deadline = unattached.deadline.map(|at| at.max(until));
            }
            _ => {}
        }
    }

    fn cast_vote(&mut self, now: Instant, request: VoteRequest, effects: &mut Vec<Effect>) {
        if self.election.voted.is_some() {
            return;
        }
        self.election.voted = Some(request.candidate);
        self.persist(effects);
        // The candidate is at least as good a leader as this replica, so it gets time.
        let deadline = self.election_deadline(now);
        match &mut self.role {
            Role::Unattached(unattached) => {
                unattached.deadline = unattached.deadline.map(|_| deadline);
            }
            Role::Prospective(nominee) => nominee.deadline = deadline,
            _ => unreachable!("only a replica without a leader votes"),
        }
    }

    /// Counts an answer to a request for this replica's election in this epoch.
    pub(super) fn on_vote_answer(
        &mut self,
        now: Instant,
        from: BrokerId,
        granted: bool,
        effects: &mut Vec<Effect>,
    ) {
        let is_lost = match &mut self.role {
            Role::Prospective(nominee) => {
                nominee.tally.record(from, granted);
                nominee.tally.is_lost()
            }
            Role::Candidate(nominee) => {
                nominee.tally.record(from, granted);
                false
            }
            _ => return,
        };
        if is_lost {
            self.give_up_candidacy(now, effects);
        } else {
            self.advance_election(now, effects);
        }
    }

    pub(super) fn ask_for_votes(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let (nominee, pre_vote) = match &self.role {
            Role::Prospective(nominee) => (nominee, true),
            Role::Candidate(nominee) => (nominee, false),
            _ => return,
        };
        if nominee.tally.is_lost() {
            return;
        }
        let voters: Vec<BrokerId> = nominee.tally.unrecorded().collect();
        for voter in voters {
            let request = VoteRequest {
                candidate: self.local,
                epoch: self.election.epoch,
                last: self.log.end(),
                pre_vote,
                voter: Some(Self::key_of(voter)),
            };
            self.ask(now, voter, Request::Vote(request), effects);
        }
    }
}
