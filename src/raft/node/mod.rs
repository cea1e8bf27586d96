//! One replica of the metadata quorum as a state machine: inputs and time in, effects out.
//!
//! It owns the epoch, the vote, the role and the high watermark; it knows of the log only offsets, epochs
//! and snapshots. Each input is handled in the file named after it. Invariants: the epoch never goes back,
//! a vote or leadership counts only after [`Effect::Persist`], and nothing below the high watermark is ever
//! truncated.

use std::time::{Duration, Instant};

use super::connections::Connections;
use super::departure::Departure;
use super::effect::{Effect, Input};
use super::election_state::ElectionState;
use super::jitter::Jitter;
use super::log_state::{LogState, OffsetAndEpoch};
use super::message::{Refusal, Request, Response, ResponseBody};
use super::newcomer::Newcomer;
use super::progress::Progress;
use super::role::{Resigned, Role, Unattached};
use super::voters::{ReplicaKey, Voters};
use crate::model::{BrokerId, Offset};

/// The quorum's durations, named as their configs.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// `controller.quorum.election.timeout.ms`: after one to two times this duration without a leader, a
    /// voter starts an election.
    pub election: Duration,
    /// `controller.quorum.election.backoff.max.ms`: the longest pause before a successor stands.
    pub election_backoff_max: Duration,
    /// `controller.quorum.fetch.timeout.ms`: a follower seeks election after so long without an answer of
    /// its leader; a leader resigns after one and a half times so long without fetches.
    pub fetch: Duration,
    /// `controller.quorum.request.timeout.ms`.
    pub request: Duration,
    /// `controller.quorum.retry.backoff.ms`.
    pub retry_backoff: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            election: Duration::from_millis(1000),
            election_backoff_max: Duration::from_millis(1000),
            fetch: Duration::from_millis(2000),
            request: Duration::from_millis(2000),
            retry_backoff: Duration::from_millis(20),
        }
    }
}

/// How long a leader may hold a fetch for which there is nothing new.
pub(super) const FETCH_MAX_WAIT: Duration = Duration::from_millis(500);
/// How many bytes of the log one answer brings.
pub(super) const FETCH_MAX_BYTES: u32 = 8 * 1024 * 1024;

/// Who a replica is, and what it found on its disk.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The key of this replica.
    pub local: ReplicaKey,
    /// The voters of the quorum.
    pub voters: Voters,
    /// The content of `quorum-state`; `None` if there was no file.
    pub election: Option<ElectionState>,
    /// The state of the log as it was opened.
    pub log: LogState,
}

/// A replica of the metadata quorum.
#[derive(Debug)]
pub struct RaftNode {
    pub(super) local: ReplicaKey,
    pub(super) voters: Voters,
    pub(super) timeouts: Timeouts,
    pub(super) jitter: Jitter,
    pub(super) election: ElectionState,
    /// `None`: it may vote.
    pub(super) newcomer: Option<Newcomer>,
    pub(super) role: Role,
    pub(super) log: LogState,
    pub(super) high_watermark: Option<Offset>,
    pub(super) learned_high_watermark: Option<Offset>,
    pub(super) connections: Connections,
    /// Set when this node is to stop.
    pub(super) departure: Option<Departure>,
    is_halted: bool,
}

impl RaftNode {
    /// A replica that has not started: the first input must be [`Input::Started`].
    pub fn new(identity: Identity, timeouts: Timeouts, jitter: Jitter) -> Self {
        // A snapshot holds only what is committed, so it is a first high watermark.
        let snapshot = identity.log.latest_snapshot();
        let high_watermark = snapshot.filter(|id| *id != OffsetAndEpoch::BOOTSTRAP);
        let local = identity.local.id;
        let is_one_of_several = identity.voters.contains(local) && !identity.voters.is_only(local);
        let is_newcomer = identity.election.is_none() && is_one_of_several;
        Self {
            local: identity.local,
            voters: identity.voters,
            timeouts,
            jitter,
            election: identity.election.unwrap_or_default(),
            newcomer: is_newcomer.then(Newcomer::default),
            role: Role::Unattached(Unattached { deadline: None }),
            log: identity.log,
            high_watermark: high_watermark.map(|id| id.offset),
            learned_high_watermark: None,
            connections: Connections::new(timeouts.request, timeouts.retry_backoff),
            departure: None,
            is_halted: false,
        }
    }

    /// Begins again from what is on disk, as a new process would: `log` is as an opened one, so a snapshot
    /// that is no part of it has taken its place. Only what is known to be committed is kept. The next
    /// input must be [`Input::Started`], which tells that anew.
    pub fn restart(&mut self, election: Option<ElectionState>, log: LogState) {
        let identity = Identity {
            local: self.local,
            voters: self.voters.clone(),
            election,
            log,
        };
        let restarted = Self::new(identity, self.timeouts, self.jitter.clone());
        // A commit of what was fetched is carried out after its flush: not, if the disk was full.
        let written = restarted.log.end_offset();
        let committed = self.high_watermark.map(|offset| offset.min(written));
        // Answers to what was asked before may still come.
        let mut connections = self.connections.clone();
        connections.reset();
        *self = Self {
            high_watermark: committed.max(restarted.high_watermark),
            learned_high_watermark: self.learned_high_watermark,
            connections,
            departure: self.departure.clone(),
            ..restarted
        };
    }

    /// Takes an input in, and adds to `effects` what has to be done.
    pub fn handle(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        if self.is_halted {
            return;
        }
        match input {
            Input::Started => self.on_started(now, effects),
            Input::Proposed { epoch, batches } => self.on_proposed(epoch, batches, effects),
            Input::Flushed(offset) => self.on_flushed(now, offset, effects),
            Input::Requested { token, request } => match request {
                Request::Vote(request) => self.on_vote(now, token, request, effects),
                Request::BeginQuorumEpoch(request) => {
                    self.on_begin_quorum_epoch(now, token, request, effects);
                }
                Request::EndQuorumEpoch(request) => {
                    self.on_end_quorum_epoch(now, token, &request, effects);
                }
                Request::Fetch(request) => self.on_fetch(now, token, request, effects),
                Request::FetchSnapshot(request) => {
                    self.on_fetch_snapshot(now, token, request, effects);
                }
            },
            Input::Responded {
                from,
                correlation,
                response,
            } => {
                // Only an answer to the request under way counts: an older one may tell of an epoch that is
                // over.
                if self.connections.finish(from, correlation) {
                    self.on_response(now, from, response, effects);
                }
            }
            Input::Unreachable {
                to,
                correlation,
                absence,
            } => self.on_unreachable(now, to, correlation, absence),
            Input::SnapshotWritten(id) => self.log.add_snapshot(id),
            Input::Cleaned(id) => self.log.start_at_snapshot(id),
            Input::SnapshotStored(id) => self.on_snapshot_stored(id, effects),
            Input::ResignRequested { epoch } => {
                // Whoever asks may not know yet that the epoch is over.
                if epoch == self.election.epoch && self.is_leader() {
                    self.become_resigned(now, effects);
                }
            }
            Input::ShutdownRequested => self.on_shutdown_requested(now, effects),
        }
        // Any input may have made a connection idle, or given the role something to ask.
        self.send_due(now, effects);
        self.check(effects);
    }

    /// The moment at which [`Self::on_deadline`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.is_halted {
            return None;
        }
        let role = match &self.role {
            Role::Unattached(unattached) => unattached.deadline,
            Role::Prospective(nominee) => Some(nominee.next_deadline()),
            Role::Candidate(nominee) => Some(nominee.deadline),
            Role::Leader(leader) => {
                let parked = leader.parked.iter().map(|fetch| fetch.deadline).min();
                let timers = [leader.check_quorum, leader.begin_epoch, parked];
                timers.into_iter().flatten().min()
            }
            Role::Follower(follower) => follower.deadline,
            Role::Resigned(resigned) => Some(resigned.deadline),
        };
        let role = role.filter(|_| !self.is_shutting_down() || self.is_leader());
        role.into_iter()
            .chain(self.connections.next_deadline())
            .min()
    }

    /// Does what is due at `now`.
    pub fn on_deadline(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.is_halted {
            return;
        }
        self.connections.expire(now);
        match &self.role {
            // A node that stops does not seek election: it only waits for another node's.
            Role::Leader(_) => self.on_leader_deadline(now, effects),
            _ if self.is_shutting_down() => {}
            Role::Unattached(Unattached {
                deadline: Some(deadline),
            }) if *deadline <= now => self.become_prospective(now, effects),
            Role::Prospective(nominee) if nominee.deadline <= now => {
                self.give_up_candidacy(now, effects);
            }
            Role::Prospective(_) => self.end_giving_way(now, effects),
            Role::Candidate(nominee) if nominee.deadline <= now => {
                self.become_prospective(now, effects);
            }
            Role::Follower(follower) if follower.deadline.is_some_and(|at| at <= now) => {
                self.become_prospective(now, effects);
            }
            Role::Resigned(Resigned { deadline, .. }) if *deadline <= now => {
                // In the same epoch this replica would take itself for the leader that it must follow.
                if let Some(next) = self.next_epoch(effects) {
                    self.become_unattached(now, next, None, effects);
                }
            }
            _ => {}
        }
        self.send_due(now, effects);
        self.check(effects);
    }

    /// The key of this replica.
    pub fn local(&self) -> ReplicaKey {
        self.local
    }

    /// The voters of the quorum.
    pub fn voters(&self) -> &Voters {
        &self.voters
    }

    /// The epoch, with its leader and the vote in it.
    pub fn election(&self) -> ElectionState {
        self.election
    }

    /// The present role.
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// Whether this replica leads.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// The state of this node's log.
    pub fn log(&self) -> &LogState {
        &self.log
    }

    /// The offset below which everything is committed; `None` until this replica has learned of any.
    pub fn high_watermark(&self) -> Option<Offset> {
        self.high_watermark
    }

    /// The newest high watermark that a leader has told in this run; it may be above the end of this node's
    /// log. `None` before the first. What a snapshot on this node's disk says does not count, because the
    /// log may be committed far beyond it.
    pub fn learned_high_watermark(&self) -> Option<Offset> {
        self.learned_high_watermark
    }

    /// How far the replicas have come, if this one leads.
    pub fn progress(&self) -> Option<&Progress> {
        match &self.role {
            Role::Leader(leader) => Some(&leader.progress),
            _ => None,
        }
    }

    pub(super) fn is_halted(&self) -> bool {
        self.is_halted
    }

    pub(super) fn is_voter(&self) -> bool {
        self.voters.contains(self.local.id)
    }

    pub(super) fn response(&self, body: ResponseBody) -> Response {
        Response {
            refusal: None,
            epoch: self.election.epoch,
            leader: self.election.leader,
            body,
        }
    }

    pub(super) fn refuse(&self, refusal: Refusal, body: ResponseBody) -> Response {
        Response {
            refusal: Some(refusal),
            ..self.response(body)
        }
    }

    /// Whether a request's voter key, if it has one, is this replica's.
    pub(super) fn is_addressed(&self, voter: Option<ReplicaKey>) -> bool {
        voter.is_none_or(|key| key.matches(&self.local))
    }

    /// Sends a request to another replica, if no other is under way there.
    pub(super) fn ask(
        &mut self,
        now: Instant,
        to: BrokerId,
        request: Request,
        effects: &mut Vec<Effect>,
    ) {
        if self.connections.is_idle(to) {
            let correlation = self.connections.start(now, to);
            effects.push(Effect::Send {
                to,
                correlation,
                request,
            });
        }
    }

    /// Sends the requests that the current role has to send now.
    fn send_due(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        match &self.role {
            _ if self.is_halted => {}
            Role::Prospective(_) | Role::Candidate(_) => self.ask_for_votes(now, effects),
            Role::Leader(_) => self.tell_voters(now, effects),
            Role::Resigned(_) => self.tell_resignation(now, effects),
            Role::Unattached(_) | Role::Follower(_) => {
                self.fetch(now, effects);
                self.ask_around(now, effects);
            }
        }
        if !self.is_halted {
            self.seek_successor(now, effects);
        }
    }

    /// Makes epoch, leader and vote durable; a newcomer has nothing to remember.
    pub(super) fn persist(&self, effects: &mut Vec<Effect>) {
        if !self.is_newcomer() {
            effects.push(Effect::Persist(self.election));
        }
    }

    pub(super) fn halt(&mut self, reason: String, effects: &mut Vec<Effect>) {
        self.is_halted = true;
        effects.push(Effect::Halt(reason));
    }

    /// Asserts the invariants that guard committed data.
    fn check(&self, effects: &[Effect]) {
        let halting = matches!(effects.last(), Some(Effect::Halt(_)));
        let high_watermark = self.high_watermark.unwrap_or(Offset::ZERO);
        assert!(
            halting || high_watermark <= self.log.end_offset(),
            "the high watermark is never above the end of the log"
        );
        assert!(
            self.log.last_epoch() <= self.election.epoch,
            "no batch is of an epoch that is yet to come"
        );
    }
}

#[cfg(test)]
mod tests;
