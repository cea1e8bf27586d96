//! Reserves room ahead of the end of a log that is being written to.
//!
//! A file system that must find room for every block of every write spends a third of the write on that;
//! asked for a large step, it finds room once. The room is beyond the end of the file, so nobody but the
//! file system sees it, and it is given back when the segment is closed. The log does not depend on it: a
//! disk that has no room, or cannot do it, is written to without.

use super::Log;
use crate::storage::error::StorageError;
use crate::storage::segment::Segment;

/// How much is asked for at a time. A segment must have as much before it is first asked for: so small
/// logs, of which there are many, take no more room than they need.
const STEP: u64 = 16 << 20;

/// How much of a segment's file has room already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoomAhead {
    up_to: u64,
    /// Whether the disk refused: it is not asked again for this segment.
    refused: bool,
}

impl Log {
    /// Reserves room for a write of so many bytes at the end of the active segment, if it is time.
    pub(super) fn reserve_room(&mut self, active: &Segment, position: u64, bytes: u64) {
        let room = &mut self.tail.room_ahead;
        let end = position + bytes;
        if position < STEP || end <= room.up_to || room.refused || self.config.preallocate {
            return;
        }
        let most = u64::from(self.config.segment_bytes).max(end);
        let up_to = (end + STEP).min(most);
        room.refused = active.log().reserve(position, up_to - position).is_err();
        room.up_to = up_to;
    }

    /// Gives back the room that the active segment has not used.
    pub(super) fn give_back_room(&self) -> Result<(), StorageError> {
        if self.config.preallocate || self.tail.room_ahead.up_to > 0 {
            self.active().trim()?;
        }
        Ok(())
    }
}
