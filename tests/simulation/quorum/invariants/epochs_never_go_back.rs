//! What a replica has on its disk of its epoch only grows, and a vote or a leader of an epoch is
//! not replaced by another.

use std::collections::BTreeMap;

use broker::model::LeaderEpoch;
use broker::raft::ElectionState;

#[derive(Default)]
pub struct EpochsNeverGoBack {
    /// By node: the highest that it ever saved.
    highest: BTreeMap<usize, LeaderEpoch>,
}

impl EpochsNeverGoBack {
    pub fn on_persist(&mut self, node: usize, old: Option<ElectionState>, new: ElectionState) {
        let highest = self.highest.entry(node).or_insert(new.epoch);
        *highest = new.epoch.max(*highest);
        let Some(old) = old else {
            return;
        };
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

    /// A node begins with what its disk says.
    pub fn on_start(&self, node: usize, found: Option<ElectionState>) {
        let epoch = found.unwrap_or_default().epoch;
        let highest = self.highest.get(&node);
        assert!(
            highest.is_none_or(|highest| *highest <= epoch),
            "node {node} went back to epoch {epoch}: {highest:?} was saved"
        );
    }

    /// Its disk is empty.
    pub fn on_wipe(&mut self, node: usize) {
        self.highest.remove(&node);
    }
}
