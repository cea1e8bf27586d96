//! The positions in a segment by time (`N.timeindex`).
//!
//! An entry is the largest timestamp so far, and the last offset of the batch that has it, relative to the
//! segment's base. One is added along with an entry of the offset index if the timestamp has grown, and one
//! when the segment is closed: so the last entry of a closed segment has its largest timestamp.

use super::index_file::{IndexEntry, IndexFile};
use crate::model::Timestamp;

/// The entries of one segment.
pub(super) type TimeIndex = IndexFile<TimeEntry>;

/// 12 bytes, both numbers big-endian and not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeEntry {
    /// The largest timestamp of the segment's batches up to this one.
    pub(super) timestamp: Timestamp,
    /// The batch's last offset minus the segment's base offset.
    pub(super) relative_offset: u32,
}

impl IndexEntry for TimeEntry {
    const SIZE: usize = 12;

    fn write(&self, file: &mut Vec<u8>) {
        file.extend(self.timestamp.0.to_be_bytes());
        file.extend(self.relative_offset.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        let (timestamp, offset) = bytes.split_first_chunk().expect("an entry has 12 bytes");
        let (offset, _) = offset.split_first_chunk().expect("an entry has 12 bytes");
        Self {
            timestamp: Timestamp(i64::from_be_bytes(*timestamp)),
            relative_offset: u32::from_be_bytes(*offset),
        }
    }

    fn follows(&self, previous: &Self) -> bool {
        self.timestamp > previous.timestamp && self.relative_offset >= previous.relative_offset
    }
}
