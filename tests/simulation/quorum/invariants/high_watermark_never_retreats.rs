//! What a process has once given out as committed stays so, and what it takes for committed is given out.

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

    /// A process that has nothing left to do takes all below for committed.
    pub fn on_idle(&self, process: (usize, u64), committed: Option<Offset>) {
        let told = self.seen.get(&process).copied();
        assert!(
            told >= committed,
            "{process:?} has told {told:?}, and all below {committed:?} is committed"
        );
    }
}
