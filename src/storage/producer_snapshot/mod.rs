//! The producer snapshots of a partition folder (`N.snapshot`): the producers as of offset N.
//!
//! ```text
//! version i16 = 1 | crc u32 | count i32 | count x (producer id i64, epoch i16, last sequence i32,
//!     last offset i64, offset delta i32, timestamp i64, coordinator epoch i32, open transaction's
//!     first offset i64)                                      crc: CRC-32C of all that follows it
//! ```
//! Only the newest batch of a producer is kept. A file is written in place: a torn one fails its checksum
//! and is deleted, and an older one is used with more of the log replayed.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use super::disk::{self, Disk, OpenMode};
use super::producer_state::{AppendedBatch, NO_SEQUENCE, ProducerEntry, ProducerState, is_expired};
use crate::model::{Offset, ProducerId, Timestamp};

const VERSION: i16 = 1;
const HEADER_SIZE: usize = 10;
const CRC_POSITION: usize = 2;
/// The position from which on the checksum covers the file.
const COUNT_POSITION: usize = 6;
const ENTRY_SIZE: usize = 46;
const SUFFIX: &str = ".snapshot";

/// The snapshots of a partition folder.
///
/// Each call gets the folder's path, because it may change.
#[derive(Clone, Debug, Default)]
pub struct ProducerSnapshots {
    /// The offsets of the snapshots, ascending.
    offsets: Vec<Offset>,
    /// The offset of the last snapshot that was taken or loaded: another one there would be the same.
    last: Offset,
}

impl ProducerSnapshots {
    /// Finds the snapshots in `folder`.
    pub fn list(disk: &dyn Disk, folder: &Path) -> io::Result<Self> {
        let offsets = disk
            .list(folder)?
            .iter()
            .filter_map(|entry| entry.name.strip_suffix(SUFFIX)?.parse().ok().map(Offset))
            .collect();
        Ok(Self::at(offsets))
    }

    /// The snapshots at these offsets, which are known to be in a folder.
    pub fn at(mut offsets: Vec<Offset>) -> Self {
        offsets.sort_unstable();
        Self {
            offsets,
            last: Offset::ZERO,
        }
    }

    /// The offsets of all snapshots, ascending.
    pub fn offsets(&self) -> &[Offset] {
        &self.offsets
    }

    /// The newest snapshot's offset.
    pub fn latest(&self) -> Option<Offset> {
        self.offsets.last().copied()
    }

    /// Writes `state` as the snapshot of its end offset, unless that was done. With `sync` it is on stable
    /// storage afterwards. Returns whether a file was written.
    pub fn take(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        state: &ProducerState,
        sync: bool,
    ) -> io::Result<bool> {
        let offset = state.end_offset();
        if offset <= self.last {
            return Ok(false);
        }
        let file = disk.open(&path(folder, offset), OpenMode::Truncate)?;
        file.write_at(&[IoSlice::new(&encode(state))], 0)?;
        if sync {
            file.sync()?;
        }
        if let Err(position) = self.offsets.binary_search(&offset) {
            self.offsets.insert(position, offset);
        }
        self.last = offset;
        Ok(true)
    }

    /// The state of the newest whole snapshot, without expired producers; an empty one at
    /// `log_start_offset` if there is none. Damaged files are deleted.
    pub fn load(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        log_start_offset: Offset,
        expiry: Expiry,
    ) -> io::Result<ProducerState> {
        while let Some(offset) = self.latest() {
            let content = disk::read_file(disk, &path(folder, offset))?;
            if let Some(state) = content.and_then(|bytes| decode(&bytes, offset, expiry)) {
                self.last = offset;
                return Ok(state);
            }
            tracing::warn!(folder = %folder.display(), %offset, "deleting a damaged snapshot");
            self.delete_where(disk, folder, |it| it == offset)?;
        }
        self.last = log_start_offset;
        Ok(ProducerState::starting_at(log_start_offset))
    }

    /// Deletes the snapshots outside `(log_start_offset, log_end_offset]`, which are of no use to the log.
    pub fn delete_outside(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        log_start_offset: Offset,
        log_end_offset: Offset,
    ) -> io::Result<()> {
        self.delete_where(disk, folder, |offset| {
            offset <= log_start_offset || offset > log_end_offset
        })?;
        self.last = self.last.min(self.latest().unwrap_or(log_start_offset));
        Ok(())
    }

    /// Deletes the snapshots below `offset`.
    pub fn delete_below(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        offset: Offset,
    ) -> io::Result<()> {
        self.delete_where(disk, folder, |it| it < offset)
    }

    /// Deletes all snapshots.
    pub fn delete_all(&mut self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        self.last = Offset::ZERO;
        self.delete_where(disk, folder, |_| true)
    }

    /// Deletes the snapshots that belong to no segment; to be called when the log is opened. The newest of
    /// them stays if it is above all segments, as it was taken at a clean stop.
    pub fn delete_strays(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        segment_base_offsets: &[Offset],
    ) -> io::Result<()> {
        let newest_base = segment_base_offsets.iter().max().copied();
        let at_stop = self.latest().filter(|&offset| Some(offset) > newest_base);
        self.delete_where(disk, folder, |offset| {
            Some(offset) != at_stop && !segment_base_offsets.contains(&offset)
        })
    }

    /// Takes the snapshot at `offset` out of the list, because its segment was deleted. Returns the path of
    /// the file, for the caller to delete.
    pub fn forget(&mut self, folder: &Path, offset: Offset) -> Option<PathBuf> {
        let position = self.offsets.binary_search(&offset).ok()?;
        self.offsets.remove(position);
        Some(path(folder, offset))
    }

    fn delete_where(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        unwanted: impl Fn(Offset) -> bool,
    ) -> io::Result<()> {
        for &offset in self.offsets.iter().filter(|&&offset| unwanted(offset)) {
            disk.remove(&path(folder, offset))?;
        }
        self.offsets.retain(|&offset| !unwanted(offset));
        Ok(())
    }
}

/// When idle producers are forgotten.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    /// The time now.
    pub now: Timestamp,
    /// `producer.id.expiration.ms`.
    pub after_ms: i64,
}

impl Expiry {
    /// No producer is forgotten.
    pub const NEVER: Self = Self {
        now: Timestamp::NONE,
        after_ms: i64::MAX,
    };
}

fn path(folder: &Path, offset: Offset) -> PathBuf {
    folder.join(format!("{:020}{SUFFIX}", offset.0))
}

/// The bytes of a snapshot of `state`, with producers by ascending id.
pub fn encode(state: &ProducerState) -> Vec<u8> {
    let count = i32::try_from(state.len()).expect("a partition has less than 2^31 producers");
    let mut bytes = Vec::with_capacity(HEADER_SIZE + state.len() * ENTRY_SIZE);
    bytes.extend(VERSION.to_be_bytes());
    // The checksum comes last.
    bytes.extend([0; 4]);
    bytes.extend(count.to_be_bytes());
    for (producer_id, entry) in state.entries() {
        let batch = entry.last_batch().copied().unwrap_or(AppendedBatch {
            last_offset: Offset::NONE,
            timestamp: entry.last_timestamp,
            last_sequence: NO_SEQUENCE,
            offset_delta: 0,
        });
        bytes.extend(producer_id.0.to_be_bytes());
        bytes.extend(entry.producer_epoch.to_be_bytes());
        bytes.extend(batch.last_sequence.to_be_bytes());
        bytes.extend(batch.last_offset.0.to_be_bytes());
        bytes.extend(batch.offset_delta.to_be_bytes());
        bytes.extend(entry.last_timestamp.0.to_be_bytes());
        bytes.extend(entry.coordinator_epoch.to_be_bytes());
        bytes.extend(entry.transaction_first_offset.0.to_be_bytes());
    }
    let crc = crc32c::crc32c(&bytes[COUNT_POSITION..]);
    bytes[CRC_POSITION..COUNT_POSITION].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// The state in a snapshot taken at `offset`; `None` if the bytes are not a whole snapshot.
pub fn decode(bytes: &[u8], offset: Offset, expiry: Expiry) -> Option<ProducerState> {
    let (header, entries) = bytes.split_first_chunk::<HEADER_SIZE>()?;
    let [version @ .., _, _, _, _, _, _, _, _] = *header;
    let [_, _, crc @ .., _, _, _, _] = *header;
    let [_, _, _, _, _, _, count @ ..] = *header;
    let (entries, rest) = entries.as_chunks::<ENTRY_SIZE>();
    let is_whole = i16::from_be_bytes(version) == VERSION
        && u32::from_be_bytes(crc) == crc32c::crc32c(&bytes[COUNT_POSITION..])
        && usize::try_from(i32::from_be_bytes(count)) == Ok(entries.len())
        && rest.is_empty();
    if !is_whole {
        return None;
    }
    let mut state = ProducerState::starting_at(offset);
    for (producer_id, entry) in entries.iter().map(decode_entry) {
        if !is_expired(&entry, expiry.now, expiry.after_ms) {
            state.restore(producer_id, entry);
        }
    }
    Some(state)
}

fn decode_entry(bytes: &[u8; ENTRY_SIZE]) -> (ProducerId, ProducerEntry) {
    let mut fields = Fields { rest: bytes };
    let producer_id = ProducerId(i64::from_be_bytes(fields.take()));
    let producer_epoch = i16::from_be_bytes(fields.take());
    let last_sequence = i32::from_be_bytes(fields.take());
    let last_offset = Offset(i64::from_be_bytes(fields.take()));
    let offset_delta = i32::from_be_bytes(fields.take());
    let timestamp = Timestamp(i64::from_be_bytes(fields.take()));
    let coordinator_epoch = i32::from_be_bytes(fields.take());
    let first_offset = Offset(i64::from_be_bytes(fields.take()));
    let mut entry = ProducerEntry::default();
    entry.last_timestamp = timestamp;
    entry.transaction_first_offset = first_offset.max(Offset::NONE);
    entry.coordinator_epoch = coordinator_epoch;
    entry.enter_epoch(producer_epoch);
    // A producer of which only markers are left has no batch.
    if last_offset.0 >= 0 {
        let batch = AppendedBatch {
            last_offset,
            timestamp,
            last_sequence,
            offset_delta,
        };
        entry.remember(producer_epoch, batch);
    }
    (producer_id, entry)
}

struct Fields<'a> {
    rest: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self
            .rest
            .split_first_chunk()
            .expect("the fields fill the entry");
        self.rest = rest;
        *field
    }
}

#[cfg(test)]
mod tests;
