//! The faults of a log, by cause. `api` decides which error a client gets.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::model::Offset;
use crate::records::RecordsError;

/// A fault of the disk or of what is on it.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The disk failed. What was written may be lost, and trying again would not show it: the log is
    /// offline, and its log directory must be.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The action that failed, as in "cannot ... the file".
        action: &'static str,
        /// The path of the file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The disk is full, or the process has no descriptor left. Nothing of the batch is in the log; reads
    /// go on.
    #[error("no space, or no descriptor, left to write {}", path.display())]
    Full {
        /// The path of the file or directory.
        path: PathBuf,
    },
    /// A part of the log that was complete and durable once is damaged. The log is never cut there: the
    /// replica must go offline, and be repaired or fetched again.
    #[error(
        "{} is corrupt at position {position}, after offset {after}: {reason}",
        path.display()
    )]
    Corrupt {
        /// The path of the segment's file.
        path: PathBuf,
        /// The position in the file, in bytes.
        position: u64,
        /// The last offset that was read before it, or the one before the segment's first.
        after: Offset,
        /// What is wrong at that position.
        reason: RecordsError,
    },
    /// The files of a partition folder cannot be one log.
    #[error("{}: {reason}", path.display())]
    Inconsistent {
        /// The path of the file or directory.
        path: PathBuf,
        /// What is wrong, as a sentence.
        reason: String,
    },
    /// The log is offline, by an error that was reported when it happened.
    #[error("the log is offline")]
    Offline,
    /// The thread must not wait, and what it needs is not in memory: read again on a thread that may
    /// ([`without_waiting`](super::disk::without_waiting)).
    #[error("the read would have to wait for the disk")]
    WouldWait,
    /// A segment was deleted while it was read: locate the offset again.
    #[error("the segment was deleted")]
    SegmentDeleted,
}

impl StorageError {
    /// Whether the disk has failed, so that its whole log directory must go offline.
    pub fn is_disk_failure(&self) -> bool {
        matches!(self, Self::Io { .. })
    }

    /// Whether the disk is full: nothing was changed then.
    pub fn is_full_disk(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Makes the right kind of error of a system's error.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if is_out_of_room(&source) {
            Self::Full { path }
        } else if source.kind() == io::ErrorKind::WouldBlock {
            Self::WouldWait
        } else {
            Self::Io {
                action,
                path,
                source,
            }
        }
    }
}

/// Whether the error says that the disk, or this process's share of it, is used up.
pub fn is_full(error: &io::Error) -> bool {
    [Errno::NOSPC, Errno::DQUOT].contains(&Errno::from_io_error(error).unwrap_or(Errno::IO))
}

/// Whether the error says that there is no room on the disk, or no descriptor to use it with. Others hold
/// the descriptors, answers that are being sent for example: the disk is well in both cases.
pub fn is_out_of_room(error: &io::Error) -> bool {
    is_full(error) || is_out_of_descriptors(error)
}

/// Whether the error says that the process, or the system, has no descriptor left: nothing was opened.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].contains(&Errno::from_io_error(error).unwrap_or(Errno::IO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::checkpoint::StateFileError;

    #[test]
    fn a_process_without_descriptors_is_no_failed_disk() {
        for (errno, is_failure) in [
            (Errno::NOSPC, false),
            (Errno::MFILE, false),
            (Errno::NFILE, false),
            (Errno::IO, true),
        ] {
            let error = StorageError::io("write", Path::new("log"), errno.into());
            assert_eq!(error.is_disk_failure(), is_failure, "{error}");
            let error = StateFileError::io(Path::new("checkpoint"))(errno.into());
            assert_eq!(error.is_disk_failure(), is_failure, "{error}");
        }
    }
}
