//! The output of a pass: a segment that replaces others. It is written beside the log under Kafka's
//! `.cleaned` names, and is durable with its indexes before the log learns of it.

use std::io::IoSlice;
use std::sync::Arc;

use super::error::CleanError;
use crate::model::{Offset, Timestamp};
use crate::records::{Batch, BatchHeader};
use crate::storage::error::StorageError;
use crate::storage::folder::{FileKind, Folder, Stage};
use crate::storage::log_config::LogConfig;
use crate::storage::segment::Segment;
use crate::storage::transaction_index::AbortedTransaction;

/// The most bytes of a segment's file: Kafka addresses it with 31 bits.
const MAX_SIZE: u64 = i32::MAX as u64;

/// The segment, and the batches that are not in its file yet.
#[derive(Debug)]
pub(super) struct Output {
    folder: Arc<Folder>,
    segment: Segment,
    /// The batches behind those in the file.
    pending: Vec<u8>,
    /// How many bytes are collected for one write.
    chunk: usize,
    index_interval: u64,
    indexed_up_to: u64,
}

impl Output {
    pub(super) fn create(
        folder: &Arc<Folder>,
        base_offset: Offset,
        config: &LogConfig,
        chunk: usize,
    ) -> Result<Self, StorageError> {
        let created = Segment::create_staged(folder, base_offset, Stage::Cleaned, config);
        let segment = created.map_err(|error| {
            let path = folder.staged(base_offset, FileKind::Log, Stage::Cleaned);
            StorageError::io("make", &path, error)
        })?;
        Ok(Self {
            folder: Arc::clone(folder),
            segment,
            pending: Vec::with_capacity(chunk),
            chunk,
            index_interval: config.index_interval_bytes.into(),
            indexed_up_to: 0,
        })
    }

    /// Adds a batch. Returns how many bytes were written because of it: 0 while it waits for others.
    pub(super) fn append(&mut self, batch: &[u8]) -> Result<usize, CleanError> {
        let header = Batch::first_of(batch).ok().flatten();
        let header = *header.expect("it is a whole batch").header();
        self.check_room(&header)?;
        let position = self.segment.size();
        let indexed = position - self.indexed_up_to > self.index_interval;
        if indexed {
            self.indexed_up_to = position;
        }
        // Nobody reads the segment yet, so its size may be ahead of its file.
        self.segment.note_batch(&header, position, indexed)?;
        self.pending.extend_from_slice(batch);
        if self.pending.len() >= self.chunk {
            self.write_out()
        } else {
            Ok(0)
        }
    }

    fn check_room(&self, header: &BatchHeader) -> Result<(), CleanError> {
        let size = self.segment.size() + header.size() as u64;
        if size > MAX_SIZE || !self.segment.reaches(header.last_offset()) {
            return Err(CleanError::SegmentTooLarge {
                path: self.segment.log_path(),
            });
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<usize, CleanError> {
        let length = self.pending.len();
        let position = self.segment.size() - length as u64;
        let log = self.segment.log();
        let written = log.write_at(&[IoSlice::new(&self.pending)], position);
        written.map_err(|error| StorageError::io("write", &self.segment.log_path(), error))?;
        self.pending.clear();
        // Gives memory back: a batch may have been larger than the buffer's usual size.
        self.pending.shrink_to(self.chunk);
        Ok(length)
    }

    /// Completes the segment and makes it durable. `modified` is when the original was last written.
    pub(super) fn finish(
        &mut self,
        aborted: &[AbortedTransaction],
        modified: Timestamp,
    ) -> Result<(), CleanError> {
        self.write_out()?;
        for transaction in aborted {
            self.segment.append_aborted(transaction)?;
        }
        self.segment.seal()?;
        self.segment.set_modified(modified)?;
        Ok(self.segment.sync(true)?)
    }

    pub(super) fn size(&self) -> u64 {
        self.segment.size()
    }

    /// The finished segment.
    pub(super) fn into_segment(self) -> Segment {
        self.segment
    }

    /// Removes the files of this output.
    pub(super) fn discard(&self) {
        discard(&self.folder, &self.segment);
    }
}

/// Removes the files of output that is not part of a log. Files that cannot be removed are left to the next
/// opening of the log, which clears them up.
pub(super) fn discard(folder: &Folder, segment: &Segment) {
    segment.detach();
    for stage in [Stage::Cleaned, Stage::Swap] {
        for kind in FileKind::SEGMENT {
            let path = folder.staged(segment.base_offset(), kind, stage);
            if let Err(error) = folder.disk().remove(&path) {
                tracing::warn!(file = %path.display(), %error, "cannot remove a cleaned segment");
            }
        }
    }
}
