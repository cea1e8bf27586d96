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
    /// `None`: nothing was ever saved, or the disk was wiped.
    pub election: Option<ElectionState>,
    /// What was saved before.
    pub previous_election: Option<ElectionState>,
    pub log: Vec<Entry>,
    pub start: OffsetAndEpoch,
    /// What is appended waits in memory, and is written with the next flush.
    pub written_count: usize,
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
        self.write()
    }

    /// Writes what was appended, without a sync.
    pub fn write(&mut self) -> Offset {
        self.written_count = self.log.len();
        self.end_offset()
    }

    /// Everything below survives a crash.
    pub fn flushed_end(&self) -> Offset {
        let last = self.log[..self.flushed_count].last();
        last.map_or(self.start.offset, |entry| entry.last_offset + 1)
    }

    /// The end of the log, with the epoch of its last record.
    pub fn end(&self) -> OffsetAndEpoch {
        self.log.last().map_or(self.start, |last| OffsetAndEpoch {
            offset: last.last_offset + 1,
            epoch: last.epoch,
        })
    }

    /// Up to where what is flushed here is what the other has, too.
    pub fn common_end(&self, other: &Self) -> Offset {
        let has = |entry: &&Entry| {
            let place = other
                .log
                .partition_point(|theirs| theirs.base_offset < entry.base_offset);
            other.log.get(place) == Some(entry)
        };
        let flushed = &self.log[..self.flushed_count];
        let common = flushed.iter().rev().find(has);
        common.map_or(Offset::ZERO, |entry| entry.last_offset + 1)
    }

    /// The disk is full: what was not flushed is taken back.
    pub fn take_back(&mut self) {
        self.log.truncate(self.flushed_count);
        self.written_count = self.log.len();
    }

    pub fn truncate(&mut self, offset: Offset) {
        self.log.retain(|entry| entry.last_offset < offset);
        self.flushed_count = self.flushed_count.min(self.log.len());
        self.written_count = self.written_count.min(self.log.len());
    }

    /// The batches from an offset on, as far as they are written.
    pub fn read(&self, from: Offset, count: usize) -> Vec<FetchedBatch> {
        let log = self.log[..self.written_count]
            .iter()
            .skip_while(|entry| entry.last_offset < from);
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
        (self.flushed_count, self.written_count) = (0, 0);
        self.start = id;
    }

    /// Gives up the log below a snapshot.
    pub fn clean(&mut self, id: OffsetAndEpoch) {
        let before = self.log.len();
        self.log.retain(|entry| entry.last_offset >= id.offset);
        let removed = before - self.log.len();
        self.flushed_count = self.flushed_count.saturating_sub(removed);
        self.written_count = self.written_count.saturating_sub(removed);
        self.snapshots.retain(|(snapshot, _)| *snapshot >= id);
        self.start = id;
    }

    /// The power fails: what was not flushed is lost from some batch on.
    pub fn crash(&mut self, random: &mut Random) {
        let unflushed = self.log.len() - self.flushed_count;
        let kept = random.below(unflushed + 1);
        self.log.truncate(self.flushed_count + kept);
        (self.flushed_count, self.written_count) = (self.log.len(), self.log.len());
        self.part.clear();
    }

    /// As the driver finds it: a snapshot beyond the log's end replaces the log.
    pub fn recover(&mut self) -> LogState {
        let newest = self.snapshots.iter().map(|(id, _)| *id).max();
        if let Some(id) = newest
            && !self.state().has(id)
        {
            self.restart_at(id);
            self.snapshots.retain(|(other, _)| *other == id);
        }
        self.state()
    }

    fn state(&self) -> LogState {
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
