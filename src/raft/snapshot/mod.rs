//! Snapshots of the state machine as bytes: encoding them, and decoding only whole ones.
//!
//! A snapshot is a sequence of batches with offsets of its own, from 0 on: a control batch with the
//! header, the records, a control batch with the footer. Without its footer it is no snapshot
//! (KIP-630). Its name is the log position that it stands for: `<offset:20>-<epoch:10>.checkpoint`.

use bytes::Bytes;

use super::control_record;
use super::log_state::OffsetAndEpoch;
use crate::model::{LeaderEpoch, Offset, Timestamp};
use crate::protocol::DecodeError;
use crate::records::control::{self, ControlType, Placement};
use crate::records::{Batch, BatchBuilder, Batches, Compression, NewRecord, RecordsError, Scratch};

/// Larger batches are split: Apache reads the metadata log in pieces of this size.
pub const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// The most that one compressed batch of a foreign snapshot may hold.
const MAX_DECOMPRESSED_BYTES: usize = 256 * 1024 * 1024;

const SUFFIX: &str = ".checkpoint";
const OFFSET_DIGITS: usize = 20;
const EPOCH_DIGITS: usize = 10;

/// A file of the snapshot directory, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotFile {
    /// A whole snapshot.
    Whole(OffsetAndEpoch),
    /// A snapshot that is being written, or was marked for deletion: after a restart it is rubbish.
    Remains,
}

impl SnapshotFile {
    /// The kind of a file, by its name; `None` if the file is none of a snapshot.
    pub fn of_name(name: &str) -> Option<Self> {
        let (stem, rest) = name.split_once(SUFFIX)?;
        match rest {
            "" => parse_id(stem).map(Self::Whole),
            ".part" | ".deleted" => {
                let digits = stem.get(..OFFSET_DIGITS + 1 + EPOCH_DIGITS)?;
                parse_id(digits).map(|_| Self::Remains)
            }
            _ => None,
        }
    }
}

/// The name of the snapshot that stands for the log up to `id`.
pub fn file_name(id: OffsetAndEpoch) -> String {
    format!("{:020}-{:010}{SUFFIX}", id.offset.0, id.epoch.0)
}

fn parse_id(stem: &str) -> Option<OffsetAndEpoch> {
    let (offset, epoch) = stem.split_once('-')?;
    let is_number = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(offset, OFFSET_DIGITS) || !is_number(epoch, EPOCH_DIGITS) {
        return None;
    }
    Some(OffsetAndEpoch::new(
        offset.parse().ok()?,
        epoch.parse().ok()?,
    ))
}

/// Makes the batches of one snapshot, in order: the header, any number of records, the footer.
#[derive(Debug)]
pub struct SnapshotEncoder {
    epoch: LeaderEpoch,
    now: Timestamp,
    next_offset: Offset,
}

impl SnapshotEncoder {
    /// Begins a snapshot of this name; `now` becomes the timestamp of its records.
    pub fn new(id: OffsetAndEpoch, now: Timestamp) -> Self {
        Self {
            epoch: id.epoch,
            now,
            next_offset: Offset::ZERO,
        }
    }

    /// The first batch. It tells when the last batch that the snapshot covers was appended: 0 for a
    /// bootstrap snapshot, which covers none.
    pub fn header(&mut self, last_contained_log_timestamp: Timestamp) -> Bytes {
        let value = control_record::snapshot_header(last_contained_log_timestamp);
        control::snapshot_header(self.place(1), &value)
    }

    /// The batches of these records: several, if one would be too large.
    pub fn records(&mut self, records: &[Bytes]) -> Vec<Bytes> {
        let mut batches = Vec::new();
        let mut first = 0;
        let mut size = 0;
        for (index, record) in records.iter().enumerate() {
            // A record without key or headers takes at most 32 bytes more than its value.
            let with_record = size + record.len() + 32;
            if index > first && with_record > MAX_BATCH_BYTES {
                batches.push(self.batch(&records[first..index]));
                (first, size) = (index, 0);
            }
            size += record.len() + 32;
        }
        if first < records.len() {
            batches.push(self.batch(&records[first..]));
        }
        batches
    }

    /// The last batch.
    pub fn footer(mut self) -> Bytes {
        control::snapshot_footer(self.place(1), &control_record::snapshot_footer())
    }

    fn batch(&mut self, values: &[Bytes]) -> Bytes {
        let placement = self.place(values.len());
        data_batch(placement, values)
    }

    fn place(&mut self, record_count: usize) -> Placement {
        let base_offset = self.next_offset;
        self.next_offset = base_offset + record_count as i64;
        Placement {
            base_offset,
            leader_epoch: self.epoch,
            timestamp: self.now,
        }
    }
}

/// A batch of the state machine's records: values without keys, with one timestamp.
pub fn data_batch(placement: Placement, values: &[Bytes]) -> Bytes {
    let builder = BatchBuilder::new(placement.base_offset);
    let mut builder = builder.leader_epoch(placement.leader_epoch);
    for value in values {
        builder.append(NewRecord {
            timestamp: placement.timestamp,
            value: Some(value),
            ..NewRecord::default()
        });
    }
    builder.build()
}

/// The content of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// When the last batch that it covers was appended.
    pub last_contained_log_timestamp: Timestamp,
    /// The values of its records, batch by batch.
    pub batches: Vec<Vec<Bytes>>,
}

/// Why bytes are not a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A batch can't be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A control record can't be read.
    #[error("its header can't be read: {0}")]
    Header(#[from] DecodeError),
    /// The first batch is not a header.
    #[error("it does not begin with a snapshot header")]
    NoHeader,
    /// The last batch is not a footer, so the snapshot was not written to its end.
    #[error("it does not end with a snapshot footer")]
    NoFooter,
    /// The offsets of its batches have a gap.
    #[error("the batch at offset {found} should begin at {expected}")]
    Gap {
        /// The offset at which the batch begins.
        found: i64,
        /// The offset at which it should begin.
        expected: i64,
    },
    /// A record has no value, or a control batch stands between the records.
    #[error("the batch at offset {0} is not one of metadata records")]
    NotMetadata(i64),
    /// The voters are in the log (kraft.version 1).
    #[error(
        "it belongs to a quorum with kraft.version 1, whose voters are in the log; only the static \
         voters of controller.quorum.voters are supported"
    )]
    DynamicQuorum,
}

impl Snapshot {
    /// Decodes a snapshot and checks every byte of it.
    pub fn parse(content: &Bytes) -> Result<Self, SnapshotError> {
        let mut scratch = Scratch::with_limit(MAX_DECOMPRESSED_BYTES);
        let mut walk = Batches::new(content);
        let mut expected = Offset::ZERO;
        let mut header = None;
        let mut has_footer = false;
        let mut batches = Vec::new();
        for batch in &mut walk {
            let batch = batch?;
            batch.check_crc()?;
            if batch.base_offset() != expected {
                return Err(SnapshotError::Gap {
                    found: batch.base_offset().0,
                    expected: expected.0,
                });
            }
            // Nothing follows the footer: by it a whole snapshot is told from one that was cut off.
            if has_footer {
                return Err(SnapshotError::NoFooter);
            }
            expected = batch.next_offset();
            match (header, batch.is_control()) {
                (None, _) => header = Some(read_header(&batch, &mut scratch)?),
                (Some(_), true) => has_footer = read_footer(&batch, &mut scratch)?,
                (Some(_), false) => batches.push(values(content, &batch, &mut scratch)?),
            }
        }
        let is_whole = has_footer && walk.position() == content.len();
        match header {
            None => Err(SnapshotError::NoHeader),
            Some(_) if !is_whole => Err(SnapshotError::NoFooter),
            Some(last_contained_log_timestamp) => Ok(Self {
                last_contained_log_timestamp,
                batches,
            }),
        }
    }
}

/// When the last batch that a snapshot covers was appended, as its first bytes say.
pub fn header_timestamp(head: &[u8]) -> Result<Timestamp, SnapshotError> {
    let batch = Batch::first_of(head)?.ok_or(SnapshotError::NoHeader)?;
    batch.check_crc()?;
    read_header(&batch, &mut Scratch::with_limit(head.len()))
}

fn read_header(batch: &Batch<'_>, scratch: &mut Scratch) -> Result<Timestamp, SnapshotError> {
    if !batch.is_control() {
        return Err(SnapshotError::NoHeader);
    }
    let mut timestamp = None;
    for record in batch.records(scratch)? {
        let record = record?;
        match ControlType::of(&record) {
            Some(ControlType::SnapshotHeader) => {
                let value = record.value().unwrap_or_default();
                timestamp = Some(control_record::last_contained_log_timestamp(value)?);
            }
            Some(ControlType::KraftVersion | ControlType::KraftVoters) => {
                return Err(SnapshotError::DynamicQuorum);
            }
            _ => {}
        }
    }
    timestamp.ok_or(SnapshotError::NoHeader)
}

fn read_footer(batch: &Batch<'_>, scratch: &mut Scratch) -> Result<bool, SnapshotError> {
    let mut has_footer = false;
    for record in batch.records(scratch)? {
        has_footer |= ControlType::of(&record?) == Some(ControlType::SnapshotFooter);
    }
    Ok(has_footer)
}

/// The values of a batch's records. They share the memory of `content`, in which the batch lies, unless
/// they are compressed.
pub fn values(
    content: &Bytes,
    batch: &Batch<'_>,
    scratch: &mut Scratch,
) -> Result<Vec<Bytes>, SnapshotError> {
    let is_plain = batch.compression()? == Compression::None;
    let base_offset = batch.base_offset();
    let mut values = Vec::new();
    for record in batch.records(scratch)? {
        let value = record?
            .value()
            .ok_or(SnapshotError::NotMetadata(base_offset.0))?;
        values.push(if is_plain {
            content.slice_ref(value)
        } else {
            Bytes::copy_from_slice(value)
        });
    }
    Ok(values)
}

#[cfg(test)]
mod tests;
