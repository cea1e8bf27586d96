//! The positions of a segment's batches by offset (`N.index`): sparse, one entry per `index.interval.bytes`
//! of log.
//!
//! An entry is the last offset of a batch, relative to the segment's base, and the position at which that
//! batch begins. The first batch of a segment has no entry.

use super::index_file::{IndexEntry, IndexFile};

/// The entries of one segment.
pub(super) type OffsetIndex = IndexFile<OffsetEntry>;

/// 8 bytes, both numbers big-endian and not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OffsetEntry {
    /// The batch's last offset minus the segment's base offset.
    pub(super) relative_offset: u32,
    /// The position at which the batch begins, in bytes.
    pub(super) position: u32,
}

impl IndexEntry for OffsetEntry {
    const SIZE: usize = 8;

    fn write(&self, file: &mut Vec<u8>) {
        file.extend(self.relative_offset.to_be_bytes());
        file.extend(self.position.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        let (numbers, _) = bytes.as_chunks::<4>();
        Self {
            relative_offset: u32::from_be_bytes(numbers[0]),
            position: u32::from_be_bytes(numbers[1]),
        }
    }

    fn follows(&self, previous: &Self) -> bool {
        self.relative_offset > previous.relative_offset && self.position > previous.position
    }
}
