//! Inputs [`Proposed`](super::Input::Proposed) and [`Flushed`](super::Input::Flushed): a leader
//! writes its log, and commits what a majority has flushed.
//!
//! Invariant: offsets are contiguous, and a leader counts itself only for what it has flushed.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::effect::{BatchContent, Effect, LeaderBatch};
use super::node::RaftNode;
use super::role::Role;
use crate::model::{LeaderEpoch, Offset};

impl RaftNode {
    pub(super) fn on_proposed(
        &mut self,
        epoch: LeaderEpoch,
        batches: Vec<Vec<Bytes>>,
        effects: &mut Vec<Effect>,
    ) {
        // The proposer was told that the leadership is lost, or is about to be.
        if !self.is_leader() || epoch != self.election.epoch || batches.is_empty() {
            return;
        }
        for records in batches {
            assert!(!records.is_empty(), "a batch has at least one record");
            let batch = LeaderBatch {
                base_offset: self.log.end_offset(),
                epoch,
                content: BatchContent::Records(records),
            };
            self.append(batch, effects);
        }
        effects.push(Effect::Flush);
    }

    pub(super) fn append(&mut self, batch: LeaderBatch, effects: &mut Vec<Effect>) {
        self.log.append(batch.last_offset(), batch.epoch);
        effects.push(Effect::Append(batch));
    }

    pub(super) fn on_flushed(&mut self, now: Instant, offset: Offset, effects: &mut Vec<Effect>) {
        self.log.flush(offset);
        let flushed = self.log.flushed_offset();
        if let Role::Leader(leader) = &mut self.role {
            let moved = leader.progress.leader_flushed(flushed);
            if moved {
                self.commit_as_leader(effects);
            }
            self.wake_fetches(now, effects);
        }
    }

    /// Commits up to the new high watermark of the leader's progress.
    pub(super) fn commit_as_leader(&mut self, effects: &mut Vec<Effect>) {
        let high_watermark = self
            .progress()
            .and_then(super::progress::Progress::high_watermark);
        if let Some(high_watermark) = high_watermark {
            self.learned_high_watermark = self.learned_high_watermark.max(Some(high_watermark));
            self.commit(high_watermark, effects);
        }
    }

    /// Notes that everything below is committed, as the leader says or this node has worked out.
    pub(super) fn commit(&mut self, offset: Offset, effects: &mut Vec<Effect>) {
        if self.high_watermark.is_none_or(|current| current < offset) {
            self.high_watermark = Some(offset);
            effects.push(Effect::Commit(offset));
        }
    }

    pub(super) fn on_leader_deadline(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let timeout = self.check_quorum_timeout();
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        if leader.check_quorum.is_some_and(|at| at <= now) {
            let heard = leader
                .progress
                .majority_heard_since(now)
                .map(|since| since + timeout);
            match heard.filter(|at| *at > now) {
                Some(deadline) => leader.check_quorum = Some(deadline),
                None => {
                    // This leader is cut off from a majority: its callers must not wait for commits that
                    // cannot come.
                    self.become_resigned(now, effects);
                    return;
                }
            }
        }
        self.expire_fetches(now, effects);
    }

    /// How long a leader waits to hear from a majority: one and a half fetch time-outs leave a follower
    /// time for another try.
    pub(super) fn check_quorum_timeout(&self) -> Duration {
        self.timeouts.fetch * 3 / 2
    }
}
