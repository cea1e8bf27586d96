//! Election safety: an epoch has at most one leader.

use std::collections::BTreeMap;

use broker::model::LeaderEpoch;

#[derive(Default)]
pub struct SingleLeaderPerEpoch {
    leaders: BTreeMap<LeaderEpoch, usize>,
}

impl SingleLeaderPerEpoch {
    /// A node may lead the same epoch twice only if it crashed before it wrote anything in it: it
    /// had its own vote on disk, and not yet its leadership.
    pub fn on_leader(&mut self, node: usize, epoch: LeaderEpoch) {
        let first = *self.leaders.entry(epoch).or_insert(node);
        assert_eq!(first, node, "two nodes lead epoch {epoch}");
    }
}
