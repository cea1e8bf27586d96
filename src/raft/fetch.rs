//! Inputs [`FetchRequest`] and [`FetchSnapshotRequest`]: a leader serves its log to replicas.
//!
//! A fetch tells that everything below its offset is flushed on that replica, so it may move the high
//! watermark. A fetch that finds nothing new is parked until there is data, a new high watermark, or its
//! time is over. The leader sends only what it has flushed: what is appended may not be readable before,
//! and its offsets are given out anew if the flush finds the disk full.

use std::time::Instant;

use super::effect::{Effect, RequestToken};
use super::log_state::{OffsetAndEpoch, Validity};
use super::message::{
    FetchAnswer, FetchRequest, FetchSnapshotRequest, Refusal, Response, ResponseBody, SnapshotChunk,
};
use super::node::RaftNode;
use super::role::{ParkedFetch, Role};
use crate::model::{BrokerId, LeaderEpoch, Offset};

/// At most this many fetches wait: far more than there are replicas.
const MAX_PARKED: usize = 1000;

impl RaftNode {
    pub(super) fn on_fetch(
        &mut self,
        now: Instant,
        token: RequestToken,
        request: FetchRequest,
        effects: &mut Vec<Effect>,
    ) {
        if let Err(refusal) = self.check_fetch(&request) {
            let body = ResponseBody::Fetch(FetchAnswer::default());
            let response = self.refuse(refusal, body);
            effects.push(Effect::Reply { token, response });
            return;
        }
        let validity = self.validate_fetch(request.position);
        // The position of a log that differs from ours is no proof of what the replica has.
        if validity == Validity::Valid {
            self.note_fetch(now, &request, effects);
        }
        let answer = self.fetch_answer(validity);
        let has_something_to_say = validity != Validity::Valid
            || request.position.offset < self.log.flushed_offset()
            || request.high_watermark.is_below(answer.high_watermark)
            || request.max_wait.is_zero();
        if has_something_to_say {
            self.answer_fetch(token, &request, answer, effects);
        } else {
            self.park(now, token, request, effects);
        }
    }

    /// A replica waits for one answer: who asks again has given up what it asked before. Of those
    /// that are no replicas the one that waits for the longest makes room.
    fn park(
        &mut self,
        now: Instant,
        token: RequestToken,
        request: FetchRequest,
        effects: &mut Vec<Effect>,
    ) {
        let deadline = now + request.max_wait.min(self.timeouts.fetch);
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let is_replica = request.replica.id >= BrokerId(0);
        let is_same =
            |parked: &ParkedFetch| is_replica && parked.request.replica == request.replica;
        let earlier = leader.parked.iter().position(is_same);
        let is_no_replica = |parked: &ParkedFetch| parked.request.replica.id < BrokerId(0);
        let is_full = leader.parked.len() >= MAX_PARKED;
        let released = earlier
            .or_else(|| is_full.then(|| leader.parked.iter().position(is_no_replica).unwrap_or(0)))
            .map(|place| leader.parked.remove(place));
        leader.parked.push(ParkedFetch {
            token,
            request,
            deadline,
        });
        if let Some(fetch) = released {
            let answer = self.fetch_answer(self.validate_fetch(fetch.request.position));
            self.answer_fetch(fetch.token, &fetch.request, answer, effects);
        }
    }

    fn check_fetch(&self, request: &FetchRequest) -> Result<(), Refusal> {
        let position = request.position;
        if position.offset < Offset::ZERO
            || position.epoch < LeaderEpoch(0)
            || position.epoch > request.epoch
            || request.replica.id == self.local.id
        {
            return Err(Refusal::InvalidRequest);
        }
        self.check_leads(request.epoch)
    }

    fn check_leads(&self, epoch: LeaderEpoch) -> Result<(), Refusal> {
        match epoch.cmp(&self.election.epoch) {
            _ if self.is_shutting_down() && !self.is_leader() => Err(Refusal::Stopping),
            std::cmp::Ordering::Less => Err(Refusal::FencedLeaderEpoch),
            std::cmp::Ordering::Greater => Err(Refusal::UnknownLeaderEpoch),
            std::cmp::Ordering::Equal if self.is_leader() => Ok(()),
            std::cmp::Ordering::Equal => Err(Refusal::NotLeaderOrFollower),
        }
    }

    /// How a fetch's position relates to the log. An empty replica is filled from a snapshot, which is
    /// shorter than the segments.
    fn validate_fetch(&self, position: OffsetAndEpoch) -> Validity {
        match self.log.latest_snapshot() {
            Some(latest)
                if position.offset == Offset::ZERO && latest != OffsetAndEpoch::BOOTSTRAP =>
            {
                Validity::Snapshot(latest)
            }
            _ => self.log.validate(position),
        }
    }

    fn note_fetch(&mut self, now: Instant, request: &FetchRequest, effects: &mut Vec<Effect>) {
        let leader_end = self.log.end_offset();
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        // A consumer that reads the log is no replica: it has no progress to note.
        if request.replica.id < BrokerId(0) {
            return;
        }
        let offset = request.position.offset;
        if leader
            .progress
            .fetched(now, request.replica, offset, leader_end)
        {
            self.commit_as_leader(effects);
            self.wake_fetches(now, effects);
        }
    }

    fn fetch_answer(&self, validity: Validity) -> FetchAnswer {
        let mut answer = FetchAnswer {
            high_watermark: self
                .progress()
                .and_then(super::progress::Progress::high_watermark),
            log_start_offset: self.log.start_offset(),
            ..FetchAnswer::default()
        };
        match validity {
            Validity::Valid => {}
            Validity::Diverging(position) => answer.diverging = Some(position),
            Validity::Snapshot(id) => answer.snapshot = Some(id),
        }
        answer
    }

    fn answer_fetch(
        &self,
        token: RequestToken,
        request: &FetchRequest,
        answer: FetchAnswer,
        effects: &mut Vec<Effect>,
    ) {
        let from = request.position.offset;
        let is_valid = answer.diverging.is_none() && answer.snapshot.is_none();
        let has_data = is_valid && from < self.log.flushed_offset();
        let response = self.response(ResponseBody::Fetch(answer));
        effects.push(if has_data {
            Effect::ReplyWithLog {
                token,
                from,
                max_bytes: request.max_bytes,
                response,
            }
        } else {
            Effect::Reply { token, response }
        });
    }

    /// Answers parked fetches for which there is something new. They need no second check: they were valid
    /// when they came, and a leader never truncates its log.
    pub(super) fn wake_fetches(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let end = self.log.flushed_offset();
        let high_watermark = self
            .progress()
            .and_then(super::progress::Progress::high_watermark);
        self.release_fetches(effects, |fetch| {
            fetch.request.position.offset < end
                || fetch.request.high_watermark.is_below(high_watermark)
                || fetch.deadline <= now
        });
    }

    /// Answers the parked fetches whose time is over.
    pub(super) fn expire_fetches(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.release_fetches(effects, |fetch| fetch.deadline <= now);
    }

    fn release_fetches(
        &mut self,
        effects: &mut Vec<Effect>,
        is_due: impl Fn(&ParkedFetch) -> bool,
    ) {
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let due: Vec<ParkedFetch> = leader
            .parked
            .extract_if(.., |fetch| is_due(fetch))
            .collect();
        for fetch in due {
            let answer = self.fetch_answer(self.validate_fetch(fetch.request.position));
            self.answer_fetch(fetch.token, &fetch.request, answer, effects);
        }
    }

    pub(super) fn on_fetch_snapshot(
        &mut self,
        now: Instant,
        token: RequestToken,
        request: FetchSnapshotRequest,
        effects: &mut Vec<Effect>,
    ) {
        let body = ResponseBody::FetchSnapshot(SnapshotChunk {
            id: request.id,
            position: request.position,
            ..SnapshotChunk::default()
        });
        if let Err(refusal) = self.check_leads(request.epoch) {
            let response = self.refuse(refusal, body);
            effects.push(Effect::Reply { token, response });
            return;
        }
        if let Role::Leader(leader) = &mut self.role {
            leader.progress.heard_of(now, request.replica.id);
        }
        let response: Response = self.response(body);
        effects.push(Effect::ReplyWithSnapshot {
            token,
            request,
            response,
        });
    }
}
