//! The names of a segment's files, by their [`Stage`].
//!
//! A segment that was deleted or replaced keeps its files, under other names, for those that read them. It
//! never touches files that got its old names since: they are another segment's.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::batch_walk::{HeaderWalk, LOOKUP_CHUNK};
use super::super::disk::{DiskFile, OpenMode};
use super::super::error::StorageError;
use super::super::folder::{FileKind, Stage};
use super::super::transaction_index::AbortedTransaction;
use super::{Indexes, Segment, UNKNOWN};
use crate::model::{Offset, Timestamp};

/// The suffix that a closed handle's path gets: no file has it, so opening the handle anew fails as `NotFound`.
const NOWHERE: &str = "gone";

impl Segment {
    /// The stage of the files.
    pub(in super::super) fn stage(&self) -> Stage {
        Stage::from_number(self.stage.load(Ordering::Acquire))
    }

    /// The current path of one of the files.
    pub(super) fn path(&self, kind: FileKind) -> PathBuf {
        self.folder.staged(self.base_offset, kind, self.stage())
    }

    pub(super) fn open_file(
        &self,
        kind: FileKind,
        mode: OpenMode,
    ) -> io::Result<Arc<dyn DiskFile>> {
        if self.detached.load(Ordering::Acquire) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.folder.disk().open(&self.path(kind), mode)
    }

    /// Whether the files were, or may soon be, removed or replaced.
    pub(in super::super) fn is_going(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Refuses to write to a segment that was deleted or replaced.
    pub(super) fn check_in_use(&self) -> Result<(), StorageError> {
        if self.is_going() {
            Err(StorageError::SegmentDeleted)
        } else {
            Ok(())
        }
    }

    /// Renames all files to the suffix `.deleted`, and returns those that must be removed later. The
    /// batches are renamed first: without them the rest means nothing.
    pub(in super::super) fn mark_deleted(&self) -> Result<Vec<PathBuf>, StorageError> {
        self.expect_gone(true);
        let marked = self.change_stage(Stage::Deleted)?;
        // Hardly anybody will look anything up in this segment again.
        *self.lock_indexes() = Indexes::default();
        Ok(marked)
    }

    /// Renames all files to the suffix of another stage, the batches first. Returns their new paths.
    pub(in super::super) fn change_stage(&self, to: Stage) -> Result<Vec<PathBuf>, StorageError> {
        let transactions = self.transactions.lock();
        let indexes = self.lock_indexes();
        let mut renamed = Vec::with_capacity(FileKind::SEGMENT.len());
        for kind in FileKind::SEGMENT {
            let from = self.path(kind);
            let path = self.folder.staged(self.base_offset, kind, to);
            match self.folder.disk().rename(&from, &path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StorageError::io("rename", &from, error)),
            }
            let open = match kind {
                FileKind::Log => Some(&self.log),
                FileKind::OffsetIndex => indexes.offsets.as_ref().map(|index| index.file()),
                FileKind::TimeIndex => indexes.times.as_ref().map(|index| index.file()),
                _ => transactions.file(),
            };
            if let Some(file) = open {
                file.relocate(&path);
            }
            renamed.push(path);
        }
        self.stage.store(to as u8, Ordering::Release);
        Ok(renamed)
    }

    /// Tells the open files that the folder has another path.
    pub(in super::super) fn relocate(&self) {
        self.relocate_to(|kind| self.path(kind));
    }

    /// Says that the files are gone, or will have other content: a handle that has none open finds none.
    pub(in super::super) fn detach(&self) {
        self.expect_gone(true);
        self.detached.store(true, Ordering::Release);
        let nowhere = |kind| {
            let mut path = self.path(kind).into_os_string();
            path.push(".");
            path.push(NOWHERE);
            PathBuf::from(path)
        };
        self.relocate_to(nowhere);
    }

    fn relocate_to(&self, path: impl Fn(FileKind) -> PathBuf) {
        let tell = |file: &Arc<dyn DiskFile>, kind| file.relocate(&path(kind));
        tell(&self.log, FileKind::Log);
        let indexes = self.lock_indexes();
        if let Some(offsets) = &indexes.offsets {
            tell(offsets.file(), FileKind::OffsetIndex);
        }
        if let Some(times) = &indexes.times {
            tell(times.file(), FileKind::TimeIndex);
        }
        drop(indexes);
        if let Some(file) = self.transactions.lock().file() {
            tell(file, FileKind::TransactionIndex);
        }
    }

    /// The sizes of both indexes in bytes, for output that must fit `segment.index.bytes`.
    pub(in super::super) fn index_bytes(&self) -> Result<(usize, usize), StorageError> {
        let mut indexes = self.lock_indexes();
        let offsets = self.loaded_offsets(&mut indexes)?.len() * 8;
        let times = self.loaded_times(&mut indexes)?.len() * 12;
        Ok((offsets, times))
    }

    /// The transactions that were aborted in the segment.
    pub(in super::super) fn all_aborted(&self) -> Result<Vec<AbortedTransaction>, StorageError> {
        self.transactions.lock().all().map_err(self.io("read"))
    }

    /// The largest timestamp of the first batch; -1 if there is no batch, or it has none.
    pub(in super::super) fn first_timestamp(&self) -> Result<Timestamp, StorageError> {
        let known = self.first_timestamp.load(Ordering::Relaxed);
        if known != UNKNOWN {
            return Ok(Timestamp(known));
        }
        let mut walk = HeaderWalk::new(&*self.log, 0, self.size(), LOOKUP_CHUNK);
        let first = walk.next();
        let first = first.map_err(|error| self.walk_error(error, 0, self.base_offset + -1))?;
        let Some(first) = first else {
            return Ok(Timestamp::NONE);
        };
        let timestamp = first.header.max_timestamp();
        self.first_timestamp.store(timestamp.0, Ordering::Relaxed);
        Ok(timestamp)
    }

    /// Whether the base is so near to `offset` that the indexes can hold it.
    pub(in super::super) fn reaches(&self, offset: Offset) -> bool {
        self.relative(offset).is_some()
    }

    /// Sets when the batches were last written, as the file's own time.
    pub(in super::super) fn set_modified(&self, at: Timestamp) -> Result<(), StorageError> {
        self.log.set_modified(at).map_err(self.io("stamp"))
    }
}
