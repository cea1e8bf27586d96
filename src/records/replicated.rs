//! Checks batches that a leader has validated, for followers and for recovery after a crash.
//!
//! Records are not parsed: the checksum says that they are those that the leader wrote.

use crate::model::Offset;

use super::batch::{Batch, Batches};
use super::error::RecordsError;
use super::header::CURRENT_MAGIC;

/// Iterates over the whole batches in `bytes` and checks each: size, magic, checksum, a possible range of
/// offsets, and that it lies above the last offset before it. `after` is the last offset in the log,
/// [`Offset::NONE`] if there is none. Ends before a partial batch, and after the first bad one.
pub fn checked_batches(bytes: &[u8], after: Offset) -> CheckedBatches<'_> {
    CheckedBatches {
        batches: Batches::new(bytes),
        last_offset: after,
        valid_size: 0,
        failed: false,
    }
}

/// What [`check_replicated`] found in good bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicated {
    /// The bytes of whole batches; a partial one follows.
    pub size: usize,
    /// The count of batches.
    pub batch_count: usize,
    /// The last offset of the last batch; if there is none, the `after` that was given.
    pub last_offset: Offset,
}

/// Checks all whole batches in `bytes` as [`checked_batches`] does.
///
/// # Errors
/// What is wrong with the first bad batch.
pub fn check_replicated(bytes: &[u8], after: Offset) -> Result<Replicated, RecordsError> {
    let mut batches = checked_batches(bytes, after);
    let mut batch_count = 0;
    for batch in &mut batches {
        batch?;
        batch_count += 1;
    }
    Ok(Replicated {
        size: batches.valid_size(),
        batch_count,
        last_offset: batches.last_offset,
    })
}

/// Iterates over checked batches; see [`checked_batches`].
#[derive(Clone, Debug)]
pub struct CheckedBatches<'a> {
    batches: Batches<'a>,
    last_offset: Offset,
    valid_size: usize,
    failed: bool,
}

impl CheckedBatches<'_> {
    /// The bytes of the good batches so far: where a log must be cut.
    pub fn valid_size(&self) -> usize {
        self.valid_size
    }
}

impl<'a> Iterator for CheckedBatches<'a> {
    type Item = Result<Batch<'a>, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let checked = self
            .batches
            .next()?
            .and_then(|batch| check(&batch, self.last_offset).map(|()| batch));
        match &checked {
            Ok(batch) => {
                self.last_offset = batch.last_offset();
                self.valid_size = self.batches.position();
            }
            Err(_) => self.failed = true,
        }
        Some(checked)
    }
}

fn check(batch: &Batch<'_>, previous: Offset) -> Result<(), RecordsError> {
    batch.check_crc()?;
    let (first, last) = (batch.base_offset(), batch.last_offset());
    // Batches of magic 0 and 1 do not tell their first offset.
    let follows = first > previous || (batch.magic() < CURRENT_MAGIC && last > previous);
    if !follows || first < Offset::ZERO || last < first {
        return Err(RecordsError::OffsetsOutOfOrder {
            base_offset: first.0,
            last_offset: last.0,
            previous: previous.0,
        });
    }
    Ok(())
}
