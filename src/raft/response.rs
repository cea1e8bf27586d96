//! Input [`Responded`](super::Input::Responded): what any answer tells of epochs and leaders, before it is
//! read as the answer to its question.

use std::time::Instant;

use super::effect::Effect;
use super::message::{Refusal, Response, ResponseBody};
use super::node::RaftNode;
use super::role::Role;
use crate::model::BrokerId;

impl RaftNode {
    pub(super) fn on_response(
        &mut self,
        now: Instant,
        from: BrokerId,
        response: Response,
        effects: &mut Vec<Effect>,
    ) {
        if !self.is_plausible(&response) {
            self.connections.back_off(now, from);
            return;
        }
        let is_stopping = response.refusal == Some(Refusal::Stopping);
        if is_stopping {
            self.note_departed(from);
        } else {
            self.note_present(from);
        }
        let is_new = self.learn_from(now, &response, effects);
        if is_stopping {
            self.end_loyalty(now, from);
        }
        self.hear_of(from, response.epoch, effects);
        if !is_new {
            if response.refusal.is_some() && self.connections.is_idle(from) {
                self.connections.back_off(now, from);
            }
            return;
        }
        match (response.refusal, response.body) {
            (None, ResponseBody::Vote { granted }) => {
                self.on_vote_answer(now, from, granted, effects);
            }
            (None, ResponseBody::BeginQuorumEpoch) => {}
            (None, ResponseBody::EndQuorumEpoch) => self.on_resignation_acknowledged(from),
            (None, ResponseBody::Fetch(answer)) => self.on_fetch_answer(now, from, answer, effects),
            (None, ResponseBody::FetchSnapshot(chunk)) => {
                self.on_snapshot_chunk(now, from, chunk, effects);
            }
            (Some(Refusal::SnapshotNotFound | Refusal::PositionOutOfRange), _) => {
                // The leader has a newer snapshot by now: its answer to a fetch will name it.
                if let Role::Follower(follower) = &mut self.role {
                    follower.snapshot = None;
                }
            }
            (Some(_), _) => self.connections.back_off(now, from),
        }
    }

    /// Learns the epoch and the leader from an answer. Returns whether the answer is of this replica's
    /// epoch: only then is the rest of it of use.
    fn learn_from(&mut self, now: Instant, response: &Response, effects: &mut Vec<Effect>) -> bool {
        let ours = self.election;
        let is_stale = response.epoch < ours.epoch;
        if is_stale || response.refusal == Some(Refusal::UnknownLeaderEpoch) {
            return false;
        }
        let is_newer = response.epoch > ours.epoch;
        let denies_leader = matches!(
            response.refusal,
            Some(Refusal::FencedLeaderEpoch | Refusal::NotLeaderOrFollower | Refusal::Stopping)
        );
        if is_newer || denies_leader || ours.leader.is_none() {
            self.learn_leader(now, response.epoch, response.leader, effects);
        }
        !is_newer && !denies_leader && !matches!(effects.last(), Some(Effect::Halt(_)))
    }
}
