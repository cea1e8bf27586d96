//! What a follower does with its leader's answers: append, truncate, or start from a snapshot.
//!
//! Invariant: a follower truncates only to where the logs can agree, and never below the high watermark
//! (KAFKA-12460); it moves the high watermark only after the data is flushed (KAFKA-14704).

use std::time::{Duration, Instant};

use super::effect::Effect;
use super::log_state::OffsetAndEpoch;
use super::message::{
    FetchAnswer, FetchRequest, FetchSnapshotRequest, FetchedBatch, Request, SnapshotChunk,
    ToldHighWatermark,
};
use super::node::{FETCH_MAX_BYTES, FETCH_MAX_WAIT, RaftNode};
use super::role::{Follower, Role, SnapshotProgress};
use crate::model::{BrokerId, Offset};

impl RaftNode {
    pub(super) fn on_fetch_answer(
        &mut self,
        now: Instant,
        from: BrokerId,
        answer: FetchAnswer,
        effects: &mut Vec<Effect>,
    ) {
        if !self.is_following(from) {
            return;
        }
        if let Some(position) = answer.diverging {
            self.truncate(position, effects);
        } else if let Some(id) = answer.snapshot {
            self.begin_snapshot(id);
        } else if !self.go_on(answer, effects) {
            self.connections.back_off(now, from);
            return;
        }
        self.heard_leader(now);
    }

    fn is_following(&self, leader: BrokerId) -> bool {
        matches!(&self.role, Role::Follower(follower) if follower.leader == leader)
    }

    fn heard_leader(&mut self, now: Instant) {
        let deadline = now + self.timeouts.fetch;
        if let Role::Follower(follower) = &mut self.role {
            follower.has_fetched = true;
            follower.deadline = follower.deadline.map(|_| deadline);
        }
    }

    fn truncate(&mut self, leader_end: OffsetAndEpoch, effects: &mut Vec<Effect>) {
        let keep = self.log.truncation_for(leader_end);
        let committed = self.high_watermark.unwrap_or(Offset::ZERO);
        if keep < committed || keep < self.log.start_offset() {
            let reason = format!(
                "the leader of the metadata quorum asks to truncate to offset {keep}, but all \
                 below {committed} is committed: one of the two logs lost data; restore the \
                 metadata directory of the voter that did"
            );
            self.halt(reason, effects);
            return;
        }
        self.log.truncate(keep);
        effects.push(Effect::Truncate(keep));
    }

    /// The leader's log goes on where this one ends. Returns false if the answer is useless, as its batches
    /// do not.
    fn go_on(&mut self, answer: FetchAnswer, effects: &mut Vec<Effect>) -> bool {
        let has_more = !answer.batches.is_empty();
        if !self.append_fetched(answer.batches, effects) {
            return false;
        }
        if !has_more {
            self.catch_up(effects);
        }
        if let Some(high_watermark) = answer.high_watermark {
            self.learned_high_watermark = self.learned_high_watermark.max(Some(high_watermark));
            // The high watermark stays within what this replica has: the rest of the log is still to come.
            self.commit(high_watermark.min(self.log.end_offset()), effects);
        }
        true
    }

    /// Appends the batches of an answer. Returns false if they do not continue the log.
    fn append_fetched(&mut self, batches: Vec<FetchedBatch>, effects: &mut Vec<Effect>) -> bool {
        let mut is_empty = true;
        let mut continues = true;
        for batch in batches {
            continues = batch.base_offset == self.log.end_offset()
                && batch.last_offset >= batch.base_offset
                && (self.log.last_epoch()..=self.election.epoch).contains(&batch.epoch);
            if !continues {
                break;
            }
            is_empty = false;
            self.log.append(batch.last_offset, batch.epoch);
            effects.push(Effect::AppendFetched(batch));
        }
        if !is_empty {
            effects.push(Effect::Flush);
        }
        continues
    }

    fn begin_snapshot(&mut self, id: OffsetAndEpoch) {
        if let Role::Follower(follower) = &mut self.role {
            follower.snapshot = Some(SnapshotProgress { id, position: 0 });
        }
    }

    pub(super) fn on_snapshot_chunk(
        &mut self,
        now: Instant,
        from: BrokerId,
        chunk: SnapshotChunk,
        effects: &mut Vec<Effect>,
    ) {
        if !self.is_following(from) {
            return;
        }
        let Role::Follower(Follower {
            snapshot: Some(progress),
            ..
        }) = &mut self.role
        else {
            return;
        };
        let end = chunk.position + chunk.bytes.len() as u64;
        let continues = chunk.id == progress.id && chunk.position == progress.position;
        // Asking again at once would get the same answer again.
        if !continues || chunk.bytes.is_empty() || end > chunk.size {
            self.connections.back_off(now, from);
            return;
        }
        progress.position = end;
        effects.push(Effect::StoreSnapshot {
            id: chunk.id,
            position: chunk.position,
            bytes: chunk.bytes,
            is_last: end == chunk.size,
        });
        self.heard_leader(now);
    }

    pub(super) fn on_snapshot_stored(&mut self, id: OffsetAndEpoch, effects: &mut Vec<Effect>) {
        let is_wanted = |progress: &mut SnapshotProgress| progress.id == id;
        let fetched = self.role.snapshot_mut();
        if fetched.and_then(|place| place.take_if(is_wanted)).is_none() {
            return;
        }
        let committed = self.high_watermark.unwrap_or(Offset::ZERO);
        // Whatever the log has above is not committed, even if it is of a newer epoch: a leader
        // wrote it for itself, and the records of the snapshot were committed without it.
        if id.offset < committed {
            let reason = format!(
                "the leader of the metadata quorum sent a snapshot up to {id}, but this node has \
                 all below offset {committed} committed: one of the two lost data; restore the \
                 metadata directory of the voter that did"
            );
            self.halt(reason, effects);
            return;
        }
        self.log.restart_at_snapshot(id);
        effects.push(Effect::RestartAtSnapshot(id));
        self.high_watermark = Some(id.offset);
    }

    /// Sends a fetch to the leader; while that does not answer, to any other voter, to learn of a new
    /// leader.
    pub(super) fn fetch(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        // A fetch says that everything below its offset is flushed, so it has to wait for the flush.
        let is_flushed = self.log.flushed_offset() == self.log.end_offset();
        if !is_flushed {
            return;
        }
        let (to, snapshot) = match &self.role {
            Role::Follower(follower) if self.connections.is_idle(follower.leader) => {
                (Some(follower.leader), follower.snapshot)
            }
            _ if self.connections.is_any_waiting() => return,
            Role::Follower(_) | Role::Unattached(_) => (self.any_idle_voter(), None),
            _ => return,
        };
        let Some(to) = to else {
            return;
        };
        let request = match snapshot {
            Some(progress) => Request::FetchSnapshot(FetchSnapshotRequest {
                replica: self.fetches_as(),
                epoch: self.election.epoch,
                id: progress.id,
                position: progress.position,
                max_bytes: FETCH_MAX_BYTES,
            }),
            None => Request::Fetch(self.fetch_request(self.patience(FETCH_MAX_WAIT))),
        };
        self.ask(now, to, request, effects);
    }

    pub(super) fn fetch_request(&self, max_wait: Duration) -> FetchRequest {
        FetchRequest {
            replica: self.fetches_as(),
            epoch: self.election.epoch,
            position: self.log.end(),
            high_watermark: match self.high_watermark {
                Some(offset) => ToldHighWatermark::Known(offset),
                None => ToldHighWatermark::Unknown,
            },
            max_wait,
            max_bytes: FETCH_MAX_BYTES,
        }
    }

    fn any_idle_voter(&mut self) -> Option<BrokerId> {
        let others = self.voters.others(self.local.id);
        let idle: Vec<BrokerId> = others.filter(|id| self.connections.is_idle(*id)).collect();
        let chosen = self.jitter.below(idle.len().max(1) as u64) as usize;
        idle.get(chosen).copied()
    }
}
