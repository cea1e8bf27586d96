//! What a replica has on its disk of its epoch only grows, and a vote or a leader of an epoch is
//! not replaced by another.

use broker::raft::ElectionState;

#[derive(Default)]
pub struct EpochsNeverGoBack;

impl EpochsNeverGoBack {
    pub fn on_persist(&mut self, node: usize, old: ElectionState, new: ElectionState) {
        assert!(
            new.epoch >= old.epoch,
            "node {node}: {old:?} became {new:?}"
        );
        if new.epoch > old.epoch {
            return;
        }
        let keeps_leader = old.leader.is_none() || new.leader == old.leader;
        // A leader has no need of the vote for itself.
        let keeps_vote = old.voted.is_none() || new.voted == old.voted || new.leader.is_some();
        assert!(
            keeps_leader && keeps_vote,
            "node {node}: {old:?} became {new:?}"
        );
    }
}
