//! Inputs [`BeginQuorumEpochRequest`] and [`EndQuorumEpochRequest`]: a leader begins or ends its epoch.

use std::time::{Duration, Instant};

use super::effect::{Effect, RequestToken};
use super::message::{
    BeginQuorumEpochRequest, EndQuorumEpochRequest, Refusal, Request, Response, ResponseBody,
};
use super::node::RaftNode;
use super::role::Role;
use super::voters::ReplicaKey;
use crate::model::{BrokerId, LeaderEpoch};

impl RaftNode {
    pub(super) fn on_begin_quorum_epoch(
        &mut self,
        now: Instant,
        token: RequestToken,
        request: BeginQuorumEpochRequest,
        effects: &mut Vec<Effect>,
    ) {
        let body = ResponseBody::BeginQuorumEpoch;
        let response = match self.accept_leader(now, request.epoch, request.leader, effects) {
            Err(refusal) => self.refuse(refusal, body),
            Ok(()) if !self.is_addressed(request.voter) => {
                self.refuse(Refusal::InvalidVoterKey, body)
            }
            Ok(()) => self.response(body),
        };
        self.reply_unless_halted(token, response, effects);
    }

    pub(super) fn on_end_quorum_epoch(
        &mut self,
        now: Instant,
        token: RequestToken,
        request: &EndQuorumEpochRequest,
        effects: &mut Vec<Effect>,
    ) {
        let body = ResponseBody::EndQuorumEpoch;
        let response = match self.accept_leader(now, request.epoch, request.leader, effects) {
            Err(refusal) => self.refuse(refusal, body),
            Ok(()) => {
                let pause = self.succession_pause(request);
                if let Role::Follower(follower) = &mut self.role {
                    // It says itself that it is to be protected no more.
                    follower.has_fetched = false;
                    follower.deadline = follower.deadline.map(|_| now + pause);
                }
                self.response(body)
            }
        };
        self.reply_unless_halted(token, response, effects);
    }

    fn accept_leader(
        &mut self,
        now: Instant,
        epoch: LeaderEpoch,
        leader: BrokerId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        self.check_claim(epoch, leader)?;
        if epoch < self.election.epoch {
            return Err(Refusal::FencedLeaderEpoch);
        }
        if leader == self.local.id {
            return Err(Refusal::InvalidRequest);
        }
        self.learn_leader(now, epoch, Some(leader), effects);
        Ok(())
    }

    fn reply_unless_halted(
        &self,
        token: RequestToken,
        response: Response,
        effects: &mut Vec<Effect>,
    ) {
        if !matches!(effects.last(), Some(Effect::Halt(_))) {
            effects.push(Effect::Reply { token, response });
        }
    }

    /// How long to wait before standing for election. The first successor does not wait, each further one
    /// twice as long as the one before it, up to the configured longest pause; a voter that is not named
    /// waits the longest. If none is named, as the leader has started again and knows nothing of the
    /// voters, they stand in the order of their ids.
    fn succession_pause(&self, request: &EndQuorumEpochRequest) -> Duration {
        let longest = self.timeouts.election_backoff_max;
        let successors = &request.successors;
        if successors.is_empty() {
            return self.place_pause(request.leader);
        }
        let place = successors.iter().position(|key| key.matches(&self.local));
        match place {
            Some(0) => Duration::ZERO,
            Some(place) => {
                let doublings = (successors.len() - 1).min(31) as u32;
                let shortest = longest / (1 << doublings);
                longest.min(shortest * (1 << (place - 1).min(31)))
            }
            None => longest,
        }
    }

    /// Tells voters that have not fetched for a while who leads.
    pub(super) fn tell_voters(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let interval = self.timeouts.fetch / 2;
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        if leader.begin_epoch.is_none_or(|at| at > now) {
            return;
        }
        leader.begin_epoch = Some(now + interval);
        let local = self.local.id;
        let is_silent = |last: Option<Instant>| last.is_none_or(|last| now - last >= interval);
        let voters = leader.progress.voters();
        let silent = voters.filter(|voter| voter.key.id != local && is_silent(voter.last_fetch));
        let silent: Vec<ReplicaKey> = silent.map(|voter| voter.key).collect();
        for voter in silent {
            let request = BeginQuorumEpochRequest {
                leader: local,
                epoch: self.election.epoch,
                voter: Some(voter),
            };
            self.ask(now, voter.id, Request::BeginQuorumEpoch(request), effects);
        }
    }

    /// Tells voters that their leader resigned.
    pub(super) fn tell_resignation(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Role::Resigned(resigned) = &self.role else {
            return;
        };
        let request = EndQuorumEpochRequest {
            leader: self.local.id,
            epoch: self.election.epoch,
            successors: resigned.successors.clone(),
        };
        for voter in resigned.unacknowledged.clone() {
            self.ask(
                now,
                voter,
                Request::EndQuorumEpoch(request.clone()),
                effects,
            );
        }
    }

    /// Notes that a voter knows of its leader's resignation.
    pub(super) fn on_resignation_acknowledged(&mut self, from: BrokerId) {
        if let Role::Resigned(resigned) = &mut self.role {
            resigned.unacknowledged.retain(|voter| *voter != from);
        }
    }

    pub(super) fn key_of(id: BrokerId) -> ReplicaKey {
        ReplicaKey {
            id,
            directory_id: None,
        }
    }
}
