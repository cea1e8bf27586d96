//! What is on a node's disk, read from its files: the log, the election state, the snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker::doubles::CrashDisk;
use broker::model::{LeaderEpoch, Offset};
use broker::raft::{ElectionState, OffsetAndEpoch, SnapshotStore};
use broker::records::Batches;
use broker::storage::disk::{self, Disk};
use bytes::Bytes;

use crate::quorum::disk::{Entry, SimulatedDisk};

pub const LOG_DIR: &str = "data";
const FOLDER: &str = "data/__cluster_metadata-0";

/// A segment of the log, as it was read last.
#[derive(Default)]
struct Segment {
    raw: Vec<u8>,
    entries: Vec<Entry>,
    /// The end of the last entry in the file.
    parsed: usize,
}

/// What was found, and how it differs from what was there before.
#[derive(Default)]
pub struct View {
    /// The log and the election state, as the invariants take them.
    pub shown: SimulatedDisk,
    segments: BTreeMap<String, Segment>,
    /// The snapshots that were seen.
    pub snapshots: BTreeSet<OffsetAndEpoch>,
    operations: Option<u64>,
}

/// How the log was changed, in this order.
pub struct Changes {
    /// The first offset that was cut off at its end.
    pub cut: Option<Offset>,
    pub appended: Vec<Entry>,
    pub snapshots: Vec<OffsetAndEpoch>,
    /// Where the newest of all snapshots ends.
    pub newest_snapshot: Offset,
    /// The election state before, if it is another now.
    pub election: Option<Option<ElectionState>>,
}

impl View {
    /// Reads the disk, unless nothing has changed there. The log that is shown is cut, but what was appended is
    /// left to the caller.
    pub fn look(&mut self, disk: &CrashDisk) -> Option<Changes> {
        if self.operations.replace(disk.operations()) == Some(disk.operations()) {
            return None;
        }
        let election = read_election(disk);
        let before = std::mem::replace(&mut self.shown.election, election);
        let snapshots = self.read_snapshots(disk);
        let (mut found, start) = self.read_log(disk);
        self.begin_at(start);
        // A power cut may bring back what was deleted.
        found.retain(|entry| entry.base_offset >= self.shown.start.offset);
        let known = &self.shown.log;
        let common = known.iter().zip(&found).take_while(|(old, new)| old == new);
        let common = common.count();
        let cut = known.get(common).map(|entry| entry.base_offset);
        Some(Changes {
            cut,
            appended: found[common..].to_vec(),
            snapshots,
            newest_snapshot: self.snapshots.last().map_or(Offset::ZERO, |id| id.offset),
            election: (before != election).then_some(before),
        })
    }

    /// Forgets what was read, as another disk is in the place of the one that was read; the log that is shown
    /// stays, to be compared.
    pub fn forget(&mut self) {
        self.segments.clear();
        self.operations = None;
    }

    /// The log now begins later, below what it had or behind it.
    fn begin_at(&mut self, start: Offset) {
        let gone = self.shown.log.iter();
        let gone = gone.take_while(|entry| entry.last_offset < start).count();
        let before = gone.checked_sub(1).map(|last| self.shown.log[last].epoch);
        self.shown.log.drain(..gone);
        if start > self.shown.start.offset {
            let snapshot = self.snapshots.iter().rev().find(|id| id.offset == start);
            let epoch = snapshot.map(|id| id.epoch).or(before);
            self.shown.start = OffsetAndEpoch {
                offset: start,
                epoch: epoch.unwrap_or(LeaderEpoch(0)),
            };
        }
    }

    fn read_log(&mut self, disk: &CrashDisk) -> (Vec<Entry>, Offset) {
        let names = names(disk);
        let mut segments: Vec<String> = names
            .into_iter()
            .filter(|name| name.ends_with(".log"))
            .collect();
        segments.sort_unstable();
        self.segments.retain(|name, _| segments.contains(name));
        let mut found = Vec::new();
        for name in &segments {
            let path = Path::new(FOLDER).join(name);
            let raw = disk::read_file(disk, &path).ok().flatten();
            let segment = self.segments.entry(name.clone()).or_default();
            segment.update(raw.unwrap_or_default());
            found.extend(segment.entries.iter().cloned());
        }
        let start = segments.first().and_then(|name| name.split_once('.'));
        let start = start.and_then(|(base, _)| base.parse().ok());
        (found, Offset(start.unwrap_or(0)))
    }

    fn read_snapshots(&mut self, disk: &CrashDisk) -> Vec<OffsetAndEpoch> {
        let names = names(disk);
        let ids: BTreeSet<_> = names.iter().filter_map(|name| snapshot_id(name)).collect();
        let new = ids.difference(&self.snapshots).copied().collect();
        self.snapshots = ids;
        new
    }
}

impl Segment {
    fn update(&mut self, raw: Vec<u8>) {
        if !raw.starts_with(&self.raw[..self.parsed]) {
            self.entries.clear();
            self.parsed = 0;
        }
        let behind = Bytes::copy_from_slice(&raw[self.parsed..]);
        let mut batches = Batches::new(&behind);
        while let Some(Ok(batch)) = batches.next() {
            self.entries.push(Entry {
                base_offset: batch.base_offset(),
                last_offset: batch.last_offset(),
                epoch: batch.partition_leader_epoch(),
                content: behind.slice_ref(batch.bytes()),
            });
        }
        self.parsed += batches.position();
        self.raw = raw;
    }
}

/// The files of the metadata log.
pub fn names(disk: &CrashDisk) -> Vec<String> {
    let entries = disk.list(Path::new(FOLDER)).unwrap_or_default();
    entries.into_iter().map(|entry| entry.name).collect()
}

fn snapshot_id(name: &str) -> Option<OffsetAndEpoch> {
    let (offset, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
    Some(OffsetAndEpoch::new(
        offset.parse().ok()?,
        epoch.parse().ok()?,
    ))
}

/// The election state on a disk.
pub fn read_election(disk: &CrashDisk) -> Option<ElectionState> {
    let path = PathBuf::from(FOLDER).join("quorum-state");
    let content = disk::read_file(disk, &path).ok()??;
    ElectionState::from_json(&content).ok()
}

/// The records of a snapshot on a disk.
pub fn read_snapshot(disk: &CrashDisk, id: OffsetAndEpoch) -> Vec<Bytes> {
    let snapshot = snapshots(disk).read(id);
    snapshot.expect("it is whole").batches.concat()
}

/// The snapshots on a disk.
pub fn snapshots(disk: &CrashDisk) -> SnapshotStore {
    SnapshotStore::new(Arc::new(disk.clone()), Path::new(FOLDER))
}

/// A disk as a node finds it that was just formatted.
pub fn formatted() -> CrashDisk {
    let disk = CrashDisk::new();
    let made = disk.create_dir(Path::new(LOG_DIR));
    made.and_then(|()| disk.sync_dir(Path::new("")))
        .expect("the disk is well");
    disk
}
