//! The state machines that the quorums feed: each node's gets the same records in the same order, by batches
//! or by a snapshot.

use std::collections::BTreeMap;

use broker::model::Offset;
use broker::raft::{CommittedBatch, OffsetAndEpoch};
use bytes::Bytes;

/// The state machine of one process: all records that it was given.
#[derive(Default)]
pub struct StateMachine {
    pub records: Vec<Bytes>,
    /// The end of what it was given, and when the last of that was appended.
    pub end: Option<OffsetAndEpoch>,
    pub last_append: i64,
}

impl StateMachine {
    pub fn next_offset(&self) -> Offset {
        self.end.map_or(Offset::ZERO, |end| end.offset)
    }
}

/// What any of them was given.
#[derive(Default)]
pub struct StateMachines {
    batches: BTreeMap<Offset, CommittedBatch>,
}

impl StateMachines {
    pub fn on_committed(&mut self, node: usize, state: &mut StateMachine, batch: &CommittedBatch) {
        let next = state.next_offset();
        assert_eq!(
            next, batch.base_offset,
            "node {node} is given {batch:?} out of order"
        );
        let known = self.batches.entry(next).or_insert_with(|| batch.clone());
        assert!(
            known == batch,
            "node {node} is given {batch:?} where others were given {known:?}"
        );
        state.records.extend(batch.records.iter().cloned());
        state.end = Some(batch.end());
        state.last_append = batch.append_time.0;
    }

    pub fn on_load(
        &self,
        node: usize,
        state: &mut StateMachine,
        id: OffsetAndEpoch,
        records: Vec<Bytes>,
    ) {
        assert!(
            state.next_offset() <= id.offset,
            "node {node} is given a snapshot up to {id}, and had all up to {}",
            state.next_offset()
        );
        self.check_snapshot(node, id, &records);
        state.records = records;
        state.end = Some(id);
    }

    /// A snapshot of this name has these records.
    pub fn check_snapshot(&self, node: usize, id: OffsetAndEpoch, records: &[Bytes]) {
        let below = self.batches.range(..id.offset);
        let expected: Vec<&Bytes> = below.flat_map(|(_, batch)| &batch.records).collect();
        let found: Vec<&Bytes> = records.iter().collect();
        assert!(
            found == expected,
            "the snapshot {id} of node {node} is not of what is committed: {found:?}, not {expected:?}"
        );
    }
}
