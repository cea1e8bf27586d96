//! One replica's disk: what a crash leaves of its log is what was flushed, and a random part of
//! what was not.

use broker::model::{LeaderEpoch, Offset};
use broker::raft::{
    ElectionState, EpochStart, FetchSnapshotRequest, FetchedBatch, LogState, OffsetAndEpoch,
    SnapshotChunk,
};
use bytes::Bytes;

use crate::random::Random;

/// A batch of the simulated log; its content is a name that no other batch has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub base_offset: Offset,
    pub last_offset: Offset,
    pub epoch: LeaderEpoch,
    pub content: Bytes,
}

impl Entry {
    pub fn of(batch: &FetchedBatch) -> Self {
        Self {
            base_offset: batch.base_offset,
            last_offset: batch.last_offset,
            epoch: batch.epoch,
            content: batch.bytes.clone(),
        }
    }

    pub fn batch(&self) -> FetchedBatch {
        FetchedBatch {
            base_offset: self.base_offset,
            last_offset: self.last_offset,
            epoch: self.epoch,
            bytes: self.content.clone(),
        }
    }
}

/// What a replica finds when it starts.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk {
    pub election: ElectionState,
    pub log: Vec<Entry>,
    pub start: OffsetAndEpoch,
    pub flushed_count: usize,
    pub snapshots: Vec<(OffsetAndEpoch, Bytes)>,
    /// The snapshot that is being fetched.
    pub part: Vec<u8>,
}

impl SimulatedDisk {
    pub fn end_offset(&self) -> Offset {
        let last = self.log.last();
        last.map_or(self.start.offset, |entry| entry.last_offset + 1)
    }

    pub fn flush(&mut self) -> Offset {
        self.flushed_count = self.log.len();
        self.end_offset()
    }

    pub fn truncate(&mut self, offset: Offset) {
        self.log.retain(|entry| entry.last_offset < offset);
        self.flushed_count = self.flushed_count.min(self.log.len());
    }

    /// The batches from an offset on.
    pub fn read(&self, from: Offset, count: usize) -> Vec<FetchedBatch> {
        let log = self.log.iter().skip_while(|entry| entry.last_offset < from);
        log.take(count).map(Entry::batch).collect()
    }

    /// A part of a snapshot; `None` if it is not there.
    pub fn read_snapshot(
        &self,
        request: &FetchSnapshotRequest,
        max: usize,
    ) -> Option<SnapshotChunk> {
        let (id, content) = self.snapshots.iter().find(|(id, _)| *id == request.id)?;
        let from = (request.position as usize).min(content.len());
        let to = (from + max).min(content.len());
        Some(SnapshotChunk {
            id: *id,
            size: content.len() as u64,
            position: request.position,
            bytes: content.slice(from..to),
        })
    }

    pub fn store_snapshot(
        &mut self,
        id: OffsetAndEpoch,
        position: u64,
        bytes: &[u8],
        is_last: bool,
    ) {
        self.part.truncate(position as usize);
        self.part.extend_from_slice(bytes);
        if is_last {
            let content = Bytes::from(std::mem::take(&mut self.part));
            self.snapshots.retain(|(other, _)| *other != id);
            self.snapshots.push((id, content));
        }
    }

    /// Empties the log to go on from a snapshot.
    pub fn restart_at(&mut self, id: OffsetAndEpoch) {
        self.log.clear();
        self.flushed_count = 0;
        self.start = id;
    }

    /// Gives up the log below a snapshot.
    pub fn clean(&mut self, id: OffsetAndEpoch) {
        let before = self.log.len();
        self.log.retain(|entry| entry.last_offset >= id.offset);
        self.flushed_count -= before - self.log.len();
        self.snapshots.retain(|(snapshot, _)| *snapshot >= id);
        self.start = id;
    }

    /// The power fails: what was not flushed is lost from some batch on.
    pub fn crash(&mut self, random: &mut Random) {
        let unflushed = self.log.len() - self.flushed_count;
        let kept = random.below(unflushed + 1);
        self.log.truncate(self.flushed_count + kept);
        self.flushed_count = self.log.len();
        self.part.clear();
    }

    /// As the driver finds it: a snapshot beyond the log's end replaces the log.
    pub fn recover(&mut self) -> LogState {
        let last_epoch = self
            .log
            .last()
            .map_or(self.start.epoch, |entry| entry.epoch);
        if let Some((id, _)) = self.snapshots.last().cloned()
            && (id.offset > self.end_offset() || id.epoch > last_epoch)
        {
            self.restart_at(id);
        }
        let mut epochs: Vec<EpochStart> = Vec::new();
        for entry in &self.log {
            if epochs.last().is_none_or(|last| last.epoch < entry.epoch) {
                epochs.push(EpochStart {
                    epoch: entry.epoch,
                    start_offset: entry.base_offset,
                });
            }
        }
        let ids = self.snapshots.iter().map(|(id, _)| *id).collect();
        LogState::recovered(self.start.offset, self.end_offset(), epochs, ids)
    }
}
