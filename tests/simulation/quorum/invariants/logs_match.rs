//! Log matching: two logs that have a batch of the same offset and epoch are equal up to there.

use std::collections::BTreeMap;

use crate::quorum::world::Node;

#[derive(Default)]
pub struct LogsMatch;

impl LogsMatch {
    pub fn check(&mut self, nodes: &[Node], seed: u64) {
        for (place, one) in nodes.iter().enumerate() {
            let by_offset: BTreeMap<_, _> = one
                .disk
                .log
                .iter()
                .map(|entry| (entry.base_offset, entry))
                .collect();
            for other in &nodes[place + 1..] {
                let mut must_match = false;
                for theirs in other.disk.log.iter().rev() {
                    let Some(ours) = by_offset.get(&theirs.base_offset) else {
                        // Below the start of our log, or above its end.
                        continue;
                    };
                    must_match |= ours.epoch == theirs.epoch;
                    assert!(
                        !must_match || *ours == theirs,
                        "seed {seed}: {ours:?} and {theirs:?}"
                    );
                }
            }
        }
    }
}
