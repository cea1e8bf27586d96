//! Whether a batch is where its base offset says. Its checksum does not cover that offset, but its
//! neighbours show it: each batch begins where the one before it ends, except for gaps of compaction.

use super::Log;
use crate::model::Offset;
use crate::records::{CURRENT_MAGIC, RecordsError};
use crate::storage::batch_walk::{HeaderWalk, LOOKUP_CHUNK, Located};
use crate::storage::segment::Segment;

/// The log around a batch.
pub(super) struct Surroundings {
    /// The size of the batch's file.
    pub(super) file_size: u64,
    /// The base offset of the next segment, if there is one.
    pub(super) next_segment: Option<Offset>,
    /// Whether offsets may be missing before any batch, because the log was compacted once.
    pub(super) has_gaps: bool,
}

impl Log {
    /// Checks the base offset of a batch that is about to follow the end of the log.
    ///
    /// A batch that skips offsets is right if the batch behind it goes on from its end, and wrong if that
    /// one goes on from the end of the log as if nothing were skipped. With nothing behind, it is right
    /// only where offsets may be missing.
    pub(super) fn check_place(
        &self,
        segment: &Segment,
        batch: &Located,
        around: &Surroundings,
    ) -> Result<(), RecordsError> {
        let (base, last) = (batch.header.base_offset(), batch.header.last_offset());
        // A compressed batch of the old formats tells only its last offset.
        if base <= self.end_offset || batch.header.magic() < CURRENT_MAGIC {
            return Ok(());
        }
        let end_without_gap = self.end_offset + (last - base) + 1;
        let is_misplaced = match base_offset_behind(segment, batch, around) {
            Some(behind) => behind <= last && behind >= end_without_gap,
            None => !around.has_gaps,
        };
        if !is_misplaced {
            return Ok(());
        }
        Err(RecordsError::OffsetsOutOfOrder {
            base_offset: base.0,
            last_offset: last.0,
            previous: self.end_offset.0 - 1,
        })
    }
}

/// The base offset of the batch, or segment, behind a batch; `None` if there is none that can be read.
fn base_offset_behind(segment: &Segment, batch: &Located, around: &Surroundings) -> Option<Offset> {
    let file = segment.log();
    let mut walk = HeaderWalk::new(&**file, batch.end(), around.file_size, LOOKUP_CHUNK);
    match walk.next() {
        Ok(Some(behind)) => Some(behind.header.base_offset()),
        Ok(None) if batch.end() == around.file_size => around.next_segment,
        // The scan of the log comes to that batch next, and says what is wrong with it.
        Ok(None) | Err(_) => None,
    }
}
