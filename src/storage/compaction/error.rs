//! Why a log was not cleaned.

use std::path::PathBuf;

use crate::records::RecordsError;
use crate::storage::error::StorageError;

/// A pass ended early. What it had finished by then stays, and is right.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The log was cut, deleted or closed meanwhile, or the broker stops.
    #[error("given up, as the log changed or is not used any more")]
    Aborted,
    /// The disk failed, or the log is damaged.
    #[error(transparent)]
    Storage(StorageError),
    /// A batch is as it was written, but cannot be read.
    #[error("{}: cannot read the batch at position {position}: {reason}", path.display())]
    Unreadable {
        /// The path of the segment's file.
        path: PathBuf,
        /// The position in the file, in bytes.
        position: u64,
        /// What is wrong with the batch.
        reason: RecordsError,
    },
    /// One batch has more keys than the map can hold.
    #[error(
        "a batch has more than the {capacity} keys that fit the memory: raise \
         log.cleaner.dedupe.buffer.size"
    )]
    MapTooSmall {
        /// How many keys the map holds.
        capacity: usize,
    },
    /// Batches that got delete horizons are a little larger, and the file would outgrow its limit.
    #[error("{} would grow beyond what an index can address", path.display())]
    SegmentTooLarge {
        /// The path of the cleaned segment's file.
        path: PathBuf,
    },
}

impl From<StorageError> for CleanError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::SegmentDeleted | StorageError::Offline => Self::Aborted,
            error => Self::Storage(error),
        }
    }
}
