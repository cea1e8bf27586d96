//! A voter that finds no `quorum-state` on its disk: its cluster is new, or its disk was wiped.
//!
//! A wiped voter has forgotten records that were committed because it had them, and votes that it
//! gave. So a newcomer is part of no majority, as if it were down: it gives no vote, does not stand,
//! and fetches without a replica's id, so that what it has does not count. It writes no
//! `quorum-state`, and is a newcomer still after a restart. It becomes a voter in one of two ways:
//!
//! - It has what was committed. It flushed all below the high watermark of the leader of epoch `e`,
//!   and every other voter has answered since its start that it is in no later epoch than `e`. (A
//!   request proves nothing: it may have been on its way since before the start.)
//!   Whoever led when a record was committed, or flushed it as well, persisted that epoch before, so
//!   it is not above `e`, and the leader of `e` has the record. Whoever was given a vote persisted
//!   the epoch of its candidacy before: the forgotten votes are not above `e` either, and in `e`
//!   itself no vote is given, as its leader is known.
//! - There is nothing that could be forgotten. Its log is empty, and so is, by their own word (a
//!   granted pre-vote), that of every other voter: a new cluster. What was committed with the
//!   forgotten log would lie at another voter, too. Its forgotten votes are of epochs that their
//!   candidates are in, and all are in its own or an earlier one. So it stands in the next, and the
//!   first that it persists is its vote for itself there: had it first persisted the epoch that it is
//!   in, it could vote in that a second time, after a crash.
//!
//! With three voters, one of them wiped and another down, the third alone can't tell whether it has
//! what the other two committed. Nobody is elected then, and nothing is committed, until the one
//! that is down is back: the two that were not wiped go on, and the wiped one fetches from them. For
//! the same reason a new cluster begins only once all of its voters have started.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::effect::Effect;
use super::message::{Request, VoteRequest};
use super::node::RaftNode;
use super::role::Role;
use super::voters::ReplicaKey;
use crate::model::{BrokerId, LeaderEpoch, Offset};

/// What a newcomer has learned since it started.
#[derive(Clone, Debug, Default)]
pub(super) struct Newcomer {
    /// The other voters that have answered; its own epoch is not below any of theirs.
    heard: BTreeSet<BrokerId>,
    /// A high watermark, and the epoch of the leader that told it.
    committed: Option<(LeaderEpoch, Offset)>,
    /// When to ask again who was not heard of.
    next_question: Option<Instant>,
}

impl RaftNode {
    /// Whether this replica must not promise anything yet.
    pub fn is_newcomer(&self) -> bool {
        self.newcomer.is_some()
    }

    /// A voter answered that it is in this epoch.
    pub(super) fn hear_of(
        &mut self,
        voter: BrokerId,
        epoch: LeaderEpoch,
        effects: &mut Vec<Effect>,
    ) {
        let is_other = voter != self.local.id && self.voters.contains(voter);
        let is_reached = epoch <= self.election.epoch;
        if let Some(newcomer) = &mut self.newcomer
            && is_other
            && is_reached
        {
            newcomer.heard.insert(voter);
            self.settle_if_complete(effects);
        }
    }

    /// The leader that this replica follows told a high watermark.
    pub(super) fn hear_of_commit(&mut self, high_watermark: Offset) {
        let epoch = self.election.epoch;
        if let Some(newcomer) = &mut self.newcomer
            && newcomer.committed.is_none_or(|(told, _)| told != epoch)
        {
            newcomer.committed = Some((epoch, high_watermark));
        }
    }

    /// Becomes a voter if it has what was committed.
    pub(super) fn settle_if_complete(&mut self, effects: &mut Vec<Effect>) {
        let Some(newcomer) = &self.newcomer else {
            return;
        };
        let has_committed = newcomer.committed.is_some_and(|(epoch, offset)| {
            epoch == self.election.epoch && offset <= self.log.flushed_offset()
        });
        let has_heard_all = {
            let mut others = self.voters.others(self.local.id);
            others.all(|id| newcomer.heard.contains(&id))
        };
        if has_committed && has_heard_all {
            self.settle(effects);
        }
    }

    /// Becomes a voter if nothing was ever written. `is_unanimous`: all others granted a pre-vote
    /// to this replica. It stands in the next epoch then, and persists nothing of this one.
    pub(super) fn settle_if_first(&mut self, is_unanimous: bool) {
        if self.is_newcomer() && self.is_blank() && is_unanimous {
            self.newcomer = None;
        }
    }

    fn settle(&mut self, effects: &mut Vec<Effect>) {
        self.newcomer = None;
        self.persist(effects);
    }

    /// Whether there is nothing in its log, nor was.
    pub(super) fn is_blank(&self) -> bool {
        self.log.end_offset() == Offset::ZERO
    }

    /// What a newcomer may grant: it tells one whose log is empty that its own is.
    pub(super) fn may_grant(&self, request: &VoteRequest) -> bool {
        let is_question = request.pre_vote && request.last.offset == Offset::ZERO;
        !self.is_newcomer() || (is_question && self.is_blank())
    }

    /// As whom it fetches: a newcomer as one that is no replica, which counts for nothing.
    pub(super) fn fetches_as(&self) -> ReplicaKey {
        if self.is_newcomer() {
            Self::key_of(BrokerId::NONE)
        } else {
            self.local
        }
    }

    /// Asks the voters that were not heard of in which epoch they are: a follower has nothing else
    /// to say to them. What they answer to a fetch tells, as they do not lead.
    pub(super) fn ask_around(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Role::Follower(follower) = &self.role else {
            return;
        };
        let leader = follower.leader;
        let Some(newcomer) = &mut self.newcomer else {
            return;
        };
        if newcomer.next_question.is_some_and(|at| at > now) {
            return;
        }
        newcomer.next_question = Some(now + self.timeouts.fetch / 4);
        let others = self.voters.others(self.local.id);
        let silent = others.filter(|id| *id != leader && !newcomer.heard.contains(id));
        for voter in silent.collect::<Vec<_>>() {
            let request = self.fetch_request(Duration::ZERO);
            self.ask(now, voter, Request::Fetch(request), effects);
        }
    }
}
