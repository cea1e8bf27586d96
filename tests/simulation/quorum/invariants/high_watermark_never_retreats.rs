//! What a process has once given out as committed stays so.

use std::collections::BTreeMap;

use broker::model::Offset;

#[derive(Default)]
pub struct HighWatermarkNeverRetreats {
    /// By node and incarnation: a new process learns the watermark anew.
    seen: BTreeMap<(usize, u64), Offset>,
}

impl HighWatermarkNeverRetreats {
    pub fn on_commit(&mut self, process: (usize, u64), offset: Offset) {
        let seen = self.seen.entry(process).or_insert(Offset::ZERO);
        assert!(
            offset >= *seen,
            "{process:?}: the high watermark went from {seen} to {offset}"
        );
        *seen = offset;
    }
}
