//! Whether a batch is where its base offset says, which its checksum does not cover: the batches
//! around it tell, as each begins where the one before it ends, but for gaps of compaction.

use super::Log;
use crate::model::Offset;
use crate::records::{CURRENT_MAGIC, RecordsError};
use crate::storage::batch_walk::{HeaderWalk, LOOKUP_CHUNK, Located};
use crate::storage::segment::Segment;

/// What is known of the log around a batch.
pub(super) struct Surroundings {
    /// How much of the batch's file there is.
    pub(super) file_size: u64,
    /// The base offset of the next segment, if there is one.
    pub(super) next_segment: Option<Offset>,
    /// Offsets may be missing before any batch.
    pub(super) has_gaps: bool,
}

impl Log {
    /// Checks the base offset of a batch that is about to follow the end of the log.
    ///
    /// One that leaves offsets out is right if the batch behind goes on from it, and wrong if that
    /// goes on from the end of the log as if nothing were left out. With nothing behind it is right
    /// only where offsets may be missing.
    pub(super) fn check_place(
        &self,
        segment: &Segment,
        batch: &Located,
        around: &Surroundings,
    ) -> Result<(), RecordsError> {
        let (base, last) = (batch.header.base_offset(), batch.header.last_offset());
        // A compressed batch of the old formats tells its last offset only.
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

/// Where the batch or the segment behind a batch begins; `None` if there is none that can be read.
fn base_offset_behind(segment: &Segment, batch: &Located, around: &Surroundings) -> Option<Offset> {
    let file = segment.log();
    let mut walk = HeaderWalk::new(&**file, batch.end(), around.file_size, LOOKUP_CHUNK);
    match walk.next() {
        Ok(Some(behind)) => Some(behind.header.base_offset()),
        Ok(None) if batch.end() == around.file_size => around.next_segment,
        // The scan of the log comes to it, and says what is wrong.
        Ok(None) | Err(_) => None,
    }
}
