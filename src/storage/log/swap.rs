//! Putting output of the cleaner in the place of the segments it was made from, in three short steps
//! under the partition's lock. Between them the caller makes the folder's names durable.
//!
//! 1. The output is complete, and its files say so (`.swap`): a crash from here on is completed at the next
//!    opening.
//! 2. The old segments' files become `.deleted`, and readers find the output.
//! 3. The output's files get their names.

use std::io;
use std::sync::Arc;

use super::{Log, LogView};
use crate::model::Timestamp;
use crate::storage::error::StorageError;
use crate::storage::folder::{FileKind, Folder, Stage};
use crate::storage::segment::Segment;

/// A segment, and the segments that it replaces.
#[derive(Debug)]
pub(in super::super) struct Replacement {
    output: Arc<Segment>,
    replaced: Vec<Arc<Segment>>,
    view: LogView,
}

impl Replacement {
    /// A replacement; `replaced` are adjacent segments of `view`.
    pub(in super::super) fn new(
        view: &LogView,
        output: Segment,
        replaced: Vec<Arc<Segment>>,
    ) -> Self {
        Self {
            output: Arc::new(output),
            replaced,
            view: view.clone(),
        }
    }

    pub(in super::super) fn output(&self) -> &Segment {
        &self.output
    }
}

impl Log {
    pub(in super::super) fn folder(&self) -> Arc<Folder> {
        Arc::clone(&self.folder)
    }

    /// The first step. Returns false if the log is not what it was when the output was made.
    pub(in super::super) fn begin_swap(
        &mut self,
        replacement: &Replacement,
    ) -> Result<bool, StorageError> {
        self.check_online()?;
        if self.place_of(replacement).is_none() {
            return Ok(false);
        }
        // After a kill from here on the next opening finishes the swap, and may be killed in its midst.
        self.drop_inventory()?;
        self.pending_swap = Some(Arc::clone(&replacement.output));
        self.change(|_| replacement.output.change_stage(Stage::Swap))?;
        Ok(true)
    }

    /// The second step. Returns false if the log is not what it was. After an error the log is offline,
    /// because nobody knows what is left of it until it is opened again.
    pub(in super::super) fn replace(
        &mut self,
        replacement: &Replacement,
        now: Timestamp,
    ) -> Result<bool, StorageError> {
        self.check_online()?;
        let (Some(place), true) = (self.place_of(replacement), self.pending_swap.is_some()) else {
            return Ok(false);
        };
        let replaced = self.change(|log| log.replace_at(place, replacement, now));
        self.watch_swap(replaced)?;
        Ok(true)
    }

    fn replace_at(
        &mut self,
        place: usize,
        replacement: &Replacement,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let replaced = &replacement.replaced;
        self.drop_inventory()?;
        self.mark_deleted(replaced.clone(), now)?;
        let output = [Arc::clone(&replacement.output)];
        let segments = Arc::make_mut(&mut self.segments);
        drop(segments.splice(place..place + replaced.len(), output));
        // A producer snapshot belongs to the beginning of a segment.
        let path = self.folder.path();
        for segment in &replaced[1..] {
            if let Some(snapshot) = self.snapshots.forget(&path, segment.base_offset()) {
                let removed = self.folder.disk().remove(&snapshot);
                removed.map_err(|error| StorageError::io("delete", &snapshot, error))?;
            }
        }
        Ok(())
    }

    /// The third step.
    pub(in super::super) fn end_swap(
        &mut self,
        replacement: &Replacement,
    ) -> Result<(), StorageError> {
        self.check_online()?;
        // The segment may have been deleted since.
        if replacement.output.stage() == Stage::Swap {
            let ended = self.change(|_| replacement.output.change_stage(Stage::Live));
            self.watch_swap(ended)?;
        }
        self.pending_swap = None;
        let saved = self.save_inventory();
        self.offline_if_failed(saved)
    }

    /// Takes the log offline if a swap is under way, which a bug must have left: nobody knows how far it came.
    /// Another pass would take the segment that waits for its name for output of its own.
    ///
    /// # Errors
    /// The log is offline.
    pub fn check_swapped(&mut self) -> Result<(), StorageError> {
        self.is_changing |= self.pending_swap.is_some();
        self.check_online()
    }

    /// Ends a swap after its first step; the caller removes the output's files.
    pub(in super::super) fn give_up_swap(&mut self) -> Result<(), StorageError> {
        self.pending_swap = None;
        if self.offline {
            return Ok(());
        }
        let saved = self.save_inventory();
        self.offline_if_failed(saved)
    }

    /// Removes output that waits for its swap, before the log is cut: after a crash, output of what is cut
    /// must not come back.
    pub(super) fn drop_pending_swap(&mut self) -> Result<(), StorageError> {
        let Some(output) = self.pending_swap.take() else {
            return Ok(());
        };
        if self.segments.iter().any(|it| Arc::ptr_eq(it, &output)) {
            // The output is part of the log by now, and is cut with it.
            self.pending_swap = Some(output);
            return Ok(());
        }
        output.detach();
        for stage in [Stage::Cleaned, Stage::Swap] {
            for kind in FileKind::SEGMENT {
                let path = self.folder.staged(output.base_offset(), kind, stage);
                let removed = self.folder.disk().remove(&path);
                removed.map_err(|error| StorageError::io("delete", &path, error))?;
            }
        }
        self.sync_names()
    }

    /// The range of the replaced segments, if they all are still what they were.
    fn place_of(&self, replacement: &Replacement) -> Option<usize> {
        let replaced = &replacement.replaced;
        let first = self
            .segments
            .iter()
            .position(|segment| Arc::ptr_eq(segment, &replaced[0]))?;
        let found = self.segments.get(first..first + replaced.len())?;
        let are_same = found.iter().zip(replaced).all(|(a, b)| Arc::ptr_eq(a, b));
        let is_active = first + replaced.len() == self.segments.len();
        (are_same && !is_active && !replacement.view.is_cut()).then_some(first)
    }

    /// Passes an outcome on. Any failure leaves half a swap, a full disk as well, and takes the log
    /// offline.
    fn watch_swap<T>(&mut self, outcome: Result<T, StorageError>) -> Result<T, StorageError> {
        self.offline |= outcome.is_err();
        outcome.map_err(|error| match error {
            StorageError::Full { path } => StorageError::Io {
                action: "rename",
                path,
                source: io::ErrorKind::StorageFull.into(),
            },
            other => other,
        })
    }
}
