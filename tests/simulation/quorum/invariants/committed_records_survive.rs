//! State machine safety and leader completeness: what was committed anywhere is what is committed
//! everywhere, and the leader of every later epoch has it.

use std::collections::BTreeMap;

use broker::model::{LeaderEpoch, Offset};
use broker::raft::OffsetAndEpoch;
use bytes::{Bytes, BytesMut};

use crate::quorum::disk::{Entry, SimulatedDisk};

#[derive(Default)]
pub struct CommittedRecordsSurvive {
    /// With the epoch of whom first said so.
    committed: BTreeMap<Offset, (Entry, LeaderEpoch)>,
    /// By node and incarnation: what was looked at already.
    checked: BTreeMap<(usize, u64), Offset>,
    marked: usize,
}

impl CommittedRecordsSurvive {
    /// All below `offset` is committed, says this process, which is in this epoch.
    pub fn on_commit(
        &mut self,
        process: (usize, u64),
        epoch: LeaderEpoch,
        disk: &SimulatedDisk,
        offset: Offset,
    ) {
        let checked = self.checked.entry(process).or_default();
        let first = disk
            .log
            .partition_point(|entry| entry.base_offset < *checked);
        for entry in disk.log[first..]
            .iter()
            .take_while(|entry| entry.last_offset < offset)
        {
            let (known, _) = self
                .committed
                .entry(entry.base_offset)
                .or_insert_with(|| (entry.clone(), epoch));
            assert!(
                known == entry,
                "{process:?} has committed something else: {entry:?} where {known:?} is"
            );
            *checked = entry.last_offset + 1;
        }
    }

    /// A node is about to cut its log.
    pub fn on_truncate(&self, node: usize, disk: &SimulatedDisk, offset: Offset) {
        let cut = disk.log.iter().rev();
        for entry in cut.take_while(|entry| entry.last_offset >= offset) {
            assert!(
                self.entry_at(entry.base_offset) != Some(entry),
                "node {node} truncates what is committed: {entry:?}"
            );
        }
    }

    /// A node gives its state a snapshot.
    pub fn on_snapshot_written(&self, node: usize, id: OffsetAndEpoch) {
        let last = self.committed.last_key_value();
        let end = last.map_or(Offset::ZERO, |(_, (entry, _))| entry.last_offset + 1);
        assert!(
            id.offset <= end,
            "the snapshot of node {node} up to {id} is above what is committed, {end}"
        );
    }

    /// How much was committed since [`Self::mark`].
    pub fn count_since_mark(&self) -> usize {
        self.committed.len() - self.marked
    }

    /// A node leads this epoch. It may learn of its election late: what was committed in a later one, it
    /// need not have.
    pub fn on_leader(&self, node: usize, epoch: LeaderEpoch, disk: &SimulatedDisk) {
        let ours: BTreeMap<_, _> = disk
            .log
            .iter()
            .map(|entry| (entry.base_offset, entry))
            .collect();
        let committed = self.committed.range(disk.start.offset..);
        for (offset, (entry, _)) in committed.filter(|(_, (_, at))| *at < epoch) {
            let found = ours.get(offset);
            assert_eq!(found, Some(&entry), "leader {node} lacks what is committed");
        }
    }

    /// A node has thrown away its log for a snapshot.
    pub fn on_snapshot(&self, disk: &SimulatedDisk, id: OffsetAndEpoch) {
        let (_, content) = disk
            .snapshots
            .iter()
            .find(|(other, _)| *other == id)
            .expect("it was stored");
        assert_eq!(
            *content,
            self.content_up_to(id),
            "a snapshot is of what is committed"
        );
    }

    /// The state that a snapshot stands for.
    pub fn content_up_to(&self, id: OffsetAndEpoch) -> Bytes {
        let mut content = BytesMut::new();
        for (entry, _) in self.committed.range(..id.offset).map(|(_, known)| known) {
            content.extend_from_slice(&entry.content);
        }
        content.freeze()
    }

    pub fn mark(&mut self) {
        self.marked = self.committed.len();
    }

    fn entry_at(&self, offset: Offset) -> Option<&Entry> {
        self.committed.get(&offset).map(|(entry, _)| entry)
    }
}
