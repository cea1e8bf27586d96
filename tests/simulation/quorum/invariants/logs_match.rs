//! Log matching: two logs that have a batch of the same offset and epoch are equal up to there.
//!
//! Checked with each batch that is written: what any log ever had at this offset and epoch is the
//! same batch after one of the same epoch, so by induction all before it is the same.

use std::collections::BTreeMap;

use broker::model::{LeaderEpoch, Offset};

use crate::quorum::disk::{Entry, SimulatedDisk};

#[derive(Default)]
pub struct LogsMatch {
    seen: BTreeMap<(Offset, LeaderEpoch), (LeaderEpoch, Entry)>,
}

impl LogsMatch {
    /// A node is about to write a batch at the end of its log.
    pub fn on_append(&mut self, node: usize, disk: &SimulatedDisk, entry: &Entry) {
        let end = disk.end();
        assert_eq!(
            end.offset, entry.base_offset,
            "node {node}: {entry:?} is not at the end of its log"
        );
        let place = (entry.base_offset, entry.epoch);
        let (before, known) = self
            .seen
            .entry(place)
            .or_insert_with(|| (end.epoch, entry.clone()));
        assert!(
            *before == end.epoch && known == entry,
            "node {node}: {entry:?} after epoch {}, elsewhere {known:?} after epoch {before}",
            end.epoch
        );
    }
}
