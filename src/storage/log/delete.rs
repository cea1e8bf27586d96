//! Deletes segments in two steps: the files get the suffix `.deleted`, and are removed when readers have
//! had `file.delete.delay.ms` to finish. It also moves the whole folder.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Log, later};
use crate::model::{Offset, Timestamp};
use crate::storage::error::StorageError;
use crate::storage::folder::Folder;
use crate::storage::inventory::Inventory;
use crate::storage::segment::Segment;

/// Files that are no part of the log any more, to be removed later.
#[derive(Debug)]
pub struct DeletedFiles {
    folder: Arc<Folder>,
    segments: Vec<Arc<Segment>>,
    names: Vec<PathBuf>,
    due: Timestamp,
}

impl DeletedFiles {
    /// Leaves out the files of a segment at `base_offset`, because another deleted segment gets their
    /// names.
    fn forget(&mut self, base_offset: Offset) {
        let named_so = |segment: &mut Arc<Segment>| segment.base_offset() == base_offset;
        for segment in self.segments.extract_if(.., named_so) {
            segment.detach();
        }
        let prefix = format!("{:020}.", base_offset.0);
        let is_of = |name: &Path| {
            name.as_os_str()
                .as_encoded_bytes()
                .starts_with(prefix.as_bytes())
        };
        self.names.retain(|name| !is_of(name));
    }

    /// When the files may be removed.
    pub fn due(&self) -> Timestamp {
        self.due
    }

    /// Removes the files. It is slow for large ones, so no lock should be held.
    pub fn remove(&self) -> Result<(), StorageError> {
        let folder = self.folder.path();
        // If the file system loses what was not synced, an older list must not miss these files.
        let synced = Inventory::sync(self.folder.disk(), &folder);
        synced.map_err(|error| StorageError::io("sync", &folder, error))?;
        for name in &self.names {
            let path = folder.join(name);
            let removed = self.folder.disk().remove(&path);
            removed.map_err(|error| StorageError::io("delete", &path, error))?;
        }
        Ok(())
    }
}

impl Log {
    /// Deletes the segments that end at `offset` or below it, so that the log starts at the next one. If
    /// that is all of them, an empty one is made first. Returns how many were deleted.
    pub fn delete_below(&mut self, offset: Offset, now: Timestamp) -> Result<usize, StorageError> {
        self.check_online()?;
        let begins_below = self
            .segments
            .partition_point(|segment| segment.base_offset() <= offset);
        let all = self.end_offset <= offset && self.active().size() > 0;
        let count = if all {
            self.segments.len()
        } else {
            begins_below.saturating_sub(1)
        };
        if count > 0 {
            self.change(|log| log.delete_front(count, now))?;
        }
        Ok(count)
    }

    fn delete_front(&mut self, count: usize, now: Timestamp) -> Result<(), StorageError> {
        if count == self.segments.len() {
            self.roll_at(self.end_offset, now)?;
        }
        let start = self.segments[count].base_offset();
        let bases: Vec<Offset> = self.segments[..count]
            .iter()
            .map(|segment| segment.base_offset())
            .collect();
        // The start moves first, for readers: then the files can go.
        self.raise_log_start_offset(start.min(self.end_offset));
        self.save_inventory_of(count)?;
        self.remove_segments(0..count, now)?;
        let path = self.folder.path();
        for base in bases {
            if let Some(snapshot) = self.snapshots.forget(&path, base) {
                let removed = self.folder.disk().remove(&snapshot);
                removed.map_err(|error| StorageError::io("delete", &snapshot, error))?;
            }
        }
        Ok(())
    }

    /// Takes segments out of the log: from an end of it inwards, so that a crash in between leaves no hole.
    pub(super) fn remove_segments(
        &mut self,
        range: Range<usize>,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let is_front = range.start == 0 && range.end < self.segments.len();
        let mut left = range;
        while let Some(at) = if is_front {
            left.next()
        } else {
            left.next_back()
        } {
            // Those in front of it are gone by then.
            let at = if is_front { 0 } else { at };
            self.mark_deleted(vec![Arc::clone(&self.segments[at])], now)?;
            // If the disk is full, what was not marked stays a part of the log.
            Arc::make_mut(&mut self.segments).remove(at);
        }
        Ok(())
    }

    /// Schedules the removal of segments that are no part of the log any more.
    pub(super) fn mark_deleted(
        &mut self,
        segments: Vec<Arc<Segment>>,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let mut names = Vec::new();
        for segment in &segments {
            for earlier in &mut self.deletions {
                earlier.forget(segment.base_offset());
            }
            for path in segment.mark_deleted()? {
                names.extend(path.file_name().map(PathBuf::from));
            }
        }
        self.names += 1;
        self.deletions.push(DeletedFiles {
            folder: Arc::clone(&self.folder),
            segments,
            names,
            due: later(now, self.config.file_delete_delay_ms),
        });
        Ok(())
    }

    /// When the next files are due for removal.
    pub fn next_deletion(&self) -> Option<Timestamp> {
        self.deletions.iter().map(DeletedFiles::due).min()
    }

    /// The files that are due. The caller removes them outside the lock ([`DeletedFiles::remove`]).
    pub fn take_due_deletions(&mut self, now: Timestamp) -> Vec<DeletedFiles> {
        let due = self.deletions.extract_if(.., |files| files.due <= now);
        let due: Vec<_> = due.collect();
        // From here on their names may be given to others.
        due.iter()
            .flat_map(|files| &files.segments)
            .for_each(|segment| segment.detach());
        due
    }

    /// Moves the folder to another path on the same disk, where the log goes on.
    pub fn move_to(&mut self, to: &Path) -> Result<(), StorageError> {
        let from = self.folder.path();
        // Readers do not wait for the lock, so they may look for the files in between.
        self.segments
            .iter()
            .for_each(|segment| segment.expect_gone(true));
        let moved = self.folder.disk().rename(&from, to).and_then(|()| {
            self.folder.relocate(to);
            for segment in self.segments.iter().chain(&self.pending_swap) {
                segment.relocate();
                segment.expect_gone(false);
            }
            self.folder.disk().sync_dir(to.parent().unwrap_or(to))
        });
        let moved = moved.map_err(|error| StorageError::io("rename", &from, error));
        self.offline_if_failed(moved)
    }

    /// Gives up the log: its folder is renamed to `name` beside it, and removed after a while. Readers can
    /// finish; nothing is written any more. Returns the new path.
    ///
    /// The name must come from [`marked_folder_name`](super::super::partition_folder::marked_folder_name).
    pub fn mark_folder_deleted(&mut self, name: &str) -> Result<PathBuf, StorageError> {
        let to = self.path().with_file_name(name);
        let moved = self.move_to(&to);
        self.offline = true;
        self.segments
            .iter()
            .for_each(|segment| segment.expect_gone(true));
        moved.map(|()| to)
    }
}
