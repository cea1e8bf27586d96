//! A voter that finds no `quorum-state` on its disk: its cluster is new, or its disk was wiped.
//!
//! A wiped voter has forgotten which records it had, which votes it gave, and which epochs it had
//! heard of. So a newcomer is part of no majority, as if it were down: it gives no vote, does not
//! stand, and fetches without a replica's id, so that what it has does not count. It writes no
//! `quorum-state`, and is a newcomer still after a restart. It becomes a voter in one of two ways.
//!
//! **It has caught up.** Two things hold, each of a moment after its start:
//!
//! - It has all that the leader of its epoch `e` had flushed. A fetch that finds nothing more says so:
//!   a leader that has more sends at least one batch, however small the fetch (Apache sends its whole
//!   log; we what is flushed), and a fetch that waited in vain found nothing when it came. Where the
//!   leader's log ends is not on the wire otherwise. A newcomer's fetch does not wait, so that it is
//!   told at once. Under writes without a pause it is told nothing, and waits for one.
//! - Each other voter has *answered* that it is in no later epoch than `e`. A request that comes may
//!   have been on its way since before the start; an answer is of a question that was asked after it.
//!
//! Why this is enough. *Epochs and votes*: who stood, led or voted in an epoch was in it, durably, and
//! epochs never go back. So no other voter has stood or led in an epoch above `e`, and the newcomer,
//! which acknowledged records and votes only to those who had, promised nothing there. (It may have
//! stood there itself. Nobody leads by that: the answers to that candidacy died with the process.) In
//! `e` itself it gives no vote, as it knows the leader. *Records*: what it acknowledged to the leader of
//! `e`, that had flushed before it sent it. What it acknowledged to a leader of an earlier epoch, and
//! that leader may yet commit by it, a majority has; one of these elected the leader of `e`, after it
//! had the record, and compared the logs, so that leader has the record: the newcomer, too, when it
//! was the one, as it voted before its disk was wiped.
//!
//! Why the high watermark is not enough. Voter A acknowledges record 7 of leader B and is wiped; its
//! fetch is still on its way, or B waits for one more of five. B tells the new A that all below 7 is
//! committed, and A has that. Now B counts the old fetch, and commits record 7 by A's word. Did A vote
//! by then, it could elect C, which lacks record 7 as A does.
//!
//! **There is nothing that could be forgotten.** Its log is empty, and so is, by their own word (a
//! granted pre-vote, which is an answer), that of every other voter: a new cluster. What it
//! acknowledged with the forgotten log would lie at the leader that sent it. Its forgotten votes are
//! of epochs that their candidates are in, and all are in its own or an earlier one. So it stands in the
//! next; what it persists first is its vote for itself there. Had it first persisted the epoch that it
//! is in, it could vote in that a second time, after a crash.
//!
//! With three voters, one of them wiped and another down, the third alone can't tell whether it has
//! what the other two committed. Nobody is elected then, and nothing is committed, until the one
//! that is down is back: the two that were not wiped go on, and the wiped one fetches from them. For
//! the same reason a new cluster begins only once all of its voters have started.
//!
//! **Where too few have a `quorum-state`, nobody is ever elected**: two new voters beside the one of a
//! cluster that grows, two wiped ones of three, one of two. From within, these look alike: the one that
//! is left can't know whether the others committed what it lacks. The newcomers say so
//! ([`NewcomerInfo`]), and an operator decides:
//!
//! 1. Stop all voters, and leave them stopped: what is copied must be the newest, and no message of
//!    before may be on its way.
//! 2. Copy the folder `__cluster_metadata-0` of the voter whose log has the highest last epoch, and of
//!    these the highest end, to each newcomer, in place of its own. `quorum-state` must come along: with
//!    it the copy may vote, and what is promised in it binds the copy as it binds the original.
//!    `meta.properties` must not, as it names the node.
//! 3. Where disks were lost (not where a cluster grows): write into `quorum-state` of *every* voter the
//!    same `leaderEpoch`, 1000 above the highest of them, with `leaderId` and `votedId` -1. Those who
//!    were lost may have led and voted in a few epochs that nobody else has heard of; one that was used
//!    must not be used again. What only the lost disks had is lost, and a broker that had seen it stops
//!    with a sentence: its folder is to be removed, so that it is fetched again.
//! 4. Name the same voters on all, and start them. A voter that ran alone in between has what the
//!    copies lack, and they could outvote it: begin again then.

use std::collections::BTreeSet;
use std::fmt;
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
    /// The epoch in which it had all that the leader had flushed.
    caught_up: Option<LeaderEpoch>,
    /// When to ask again who was not heard of.
    next_question: Option<Instant>,
}

/// Why a voter does not vote yet; [`fmt::Display`] says it in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewcomerInfo {
    /// The voter.
    pub voter: BrokerId,
    /// Whether it has all that the leader of its epoch had flushed.
    pub has_caught_up: bool,
    /// The other voters that have answered since it started.
    pub heard: Vec<BrokerId>,
    /// The other voters that have not.
    pub silent: Vec<BrokerId>,
}

impl fmt::Display for NewcomerInfo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { voter, heard, .. } = self;
        let (heard, others) = (heard.len(), heard.len() + self.silent.len());
        let progress = if self.has_caught_up {
            "done"
        } else {
            "not yet"
        };
        write!(
            formatter,
            "voter {voter} is a newcomer, as it has no quorum-state: it votes once it has fetched all \
             that a leader has ({progress}) and every other voter has answered ({heard} of {others}"
        )?;
        let mut separator = "; not yet ";
        for silent in &self.silent {
            write!(formatter, "{separator}{silent}")?;
            separator = ", ";
        }
        formatter.write_str(")")?;
        if self.silent.is_empty() && !self.has_caught_up {
            formatter.write_str(
                ". If no leader is elected now, too few voters have a quorum-state: stop all, and copy \
                 the folder __cluster_metadata-0 of the one that has the most to the newcomers; see \
                 ARCHITECTURE.md, decision 30",
            )?;
        }
        Ok(())
    }
}

impl RaftNode {
    /// Whether this replica must not promise anything yet.
    pub fn is_newcomer(&self) -> bool {
        self.newcomer.is_some()
    }

    /// What keeps this voter from voting; `None`: nothing does, or it is no voter.
    pub fn newcomer_info(&self) -> Option<NewcomerInfo> {
        let newcomer = self.newcomer.as_ref()?;
        let others = self.voters.others(self.local.id);
        let (heard, silent) = others.partition(|id| newcomer.heard.contains(id));
        Some(NewcomerInfo {
            voter: self.local.id,
            has_caught_up: newcomer.caught_up == Some(self.election.epoch),
            heard,
            silent,
        })
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

    /// The leader that this replica follows had nothing to add to its log, which is flushed.
    pub(super) fn catch_up(&mut self, effects: &mut Vec<Effect>) {
        let epoch = self.election.epoch;
        if let Some(newcomer) = &mut self.newcomer {
            newcomer.caught_up = Some(epoch);
            self.settle_if_complete(effects);
        }
    }

    /// Becomes a voter if it has caught up and heard of all.
    fn settle_if_complete(&mut self, effects: &mut Vec<Effect>) {
        let is_complete = self
            .newcomer_info()
            .is_some_and(|info| info.has_caught_up && info.silent.is_empty());
        if is_complete {
            self.newcomer = None;
            self.persist(effects);
        }
    }

    /// Becomes a voter if nothing was ever written. `is_unanimous`: all others granted a pre-vote
    /// to this replica. It stands in the next epoch then, and persists nothing of this one.
    pub(super) fn settle_if_first(&mut self, is_unanimous: bool) {
        if self.is_newcomer() && self.is_blank() && is_unanimous {
            self.newcomer = None;
        }
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

    /// How long the leader may hold its fetch: a newcomer wants to know whether there is more.
    pub(super) fn patience(&self, usual: Duration) -> Duration {
        let info = self.newcomer_info();
        if info.is_some_and(|info| !info.has_caught_up) {
            Duration::ZERO
        } else {
            usual
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
