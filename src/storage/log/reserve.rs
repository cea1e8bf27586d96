//! Room ahead of the end of a log that is being written to.
//!
//! A file system that must find a place for every block of every write spends a third of the write
//! on it; in large steps it finds one place for all. The room is beyond the end of the file, so
//! nobody sees it but the file system, and it is given back when the segment is closed. A wish
//! only: a disk that has no room, or cannot do it, is written to without.

use super::Log;
use crate::storage::error::StorageError;
use crate::storage::segment::Segment;

/// How much is asked for at a time, and how much a segment must have before: small logs, of which
/// there are many, take no more room than they need.
const STEP: u64 = 16 << 20;

/// What of a segment's file has its place already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reserved {
    up_to: u64,
    /// The disk refused: not asked again for this segment.
    refused: bool,
}

impl Log {
    /// Makes room for a write of so many bytes at the end of the active segment.
    pub(super) fn reserve(&mut self, active: &Segment, position: u64, bytes: u64) {
        let reserved = &mut self.tail.reserved;
        let end = position + bytes;
        if position < STEP || end <= reserved.up_to || reserved.refused || self.config.preallocate {
            return;
        }
        let most = u64::from(self.config.segment_bytes).max(end);
        let up_to = (end + STEP).min(most);
        reserved.refused = active.log().reserve(position, up_to - position).is_err();
        reserved.up_to = up_to;
    }

    /// Gives back what the active segment has not used.
    pub(super) fn give_back_room(&self) -> Result<(), StorageError> {
        if self.config.preallocate || self.tail.reserved.up_to > 0 {
            self.active().trim()?;
        }
        Ok(())
    }
}
