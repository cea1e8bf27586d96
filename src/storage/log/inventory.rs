//! Keeping the list of the log's segments in step with them: see [`crate::storage::inventory`].

use std::sync::Arc;

use super::Log;
use crate::model::Offset;
use crate::storage::error::StorageError;
use crate::storage::inventory::{Inventory, Listed};
use crate::storage::segment::Segment;

/// What of the list is known to be on the disk.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    /// What the list is to carry; 0: none is kept.
    generation: u64,
    /// The list may be written: the log is open.
    is_open: bool,
    /// There is a file, whatever is in it.
    is_there: bool,
    /// What is in it, if that holds.
    list: Option<Inventory>,
}

impl Recorded {
    /// What was found when the log was opened.
    pub(super) fn found(generation: u64, is_there: bool, list: Option<Inventory>) -> Self {
        Self {
            generation,
            is_open: false,
            is_there,
            list,
        }
    }

    /// The list on the disk, if it holds.
    pub(super) fn list(&self) -> Option<&Inventory> {
        self.list.as_ref()
    }
}

impl Log {
    /// Begins to keep the list: the log is open.
    pub(super) fn begin_inventory(&mut self) -> Result<(), StorageError> {
        self.recorded.is_open = true;
        self.save_inventory()
    }

    /// Writes down which segments there are, if that has changed.
    pub(super) fn save_inventory(&mut self) -> Result<(), StorageError> {
        self.save_inventory_of(0)
    }

    /// As [`Self::save_inventory`], without so many at the front, which are about to go.
    pub(super) fn save_inventory_of(&mut self, front: usize) -> Result<(), StorageError> {
        if !self.keeps_inventory() {
            return Ok(());
        }
        let segments = self.segments[front..].iter().map(listed).collect();
        let list = Inventory {
            generation: self.recorded.generation,
            log_start: self.log_start_offset,
            segments,
        };
        let recorded = &self.recorded;
        let is_needless = list.is_needless() && !recorded.is_there;
        if is_needless || recorded.list.as_ref().is_some_and(|it| it.holds_for(&list)) {
            return Ok(());
        }
        self.write_inventory(list)
    }

    fn write_inventory(&mut self, list: Inventory) -> Result<(), StorageError> {
        self.recorded.is_there = true;
        let path = self.folder.path();
        if list.write(self.folder.disk(), &path).is_err() {
            // No list is as good as none was; an older one would miss what goes from now on.
            return self.drop_inventory();
        }
        self.recorded.list = Some(list);
        Ok(())
    }

    /// Has the list vouch for the log's start, before a checkpoint says so.
    pub(super) fn settle_listed_start(&mut self) -> Result<(), StorageError> {
        let start = self.log_start_offset;
        match &self.recorded.list {
            Some(list) if list.log_start < start => {
                let mut list = list.clone();
                list.log_start = start;
                self.write_inventory(list)
            }
            _ => Ok(()),
        }
    }

    /// Makes the list durable, as the log is closed.
    pub(super) fn seal_inventory(&mut self) -> Result<(), StorageError> {
        self.save_inventory()?;
        self.settle_listed_start()?;
        let Some(list) = &self.recorded.list else {
            return Ok(());
        };
        let path = self.folder.path();
        if list.write_durably(self.folder.disk(), &path).is_err() {
            return self.drop_inventory();
        }
        Ok(())
    }

    /// Removes the list before segments are cut or replaced.
    pub(super) fn drop_inventory(&mut self) -> Result<(), StorageError> {
        self.recorded.list = None;
        if self.recorded.is_there {
            let removed = Inventory::remove(self.folder.disk(), &self.folder.path());
            removed.map_err(|error| self.folder_error("delete", error))?;
            self.recorded.is_there = false;
        }
        Ok(())
    }

    /// The log start that the list vouches for: no later one was told to a checkpoint.
    pub(super) fn listed_start(&self) -> Option<Offset> {
        self.recorded.list().map(|list| list.log_start)
    }

    fn keeps_inventory(&self) -> bool {
        // A kill in the midst of a swap has the next opening finish it: no list foresees what is there then.
        self.recorded.generation != 0 && self.recorded.is_open && self.pending_swap.is_none()
    }
}

fn listed(segment: &Arc<Segment>) -> Listed {
    Listed {
        base_offset: segment.base_offset(),
        log_bytes: segment.size(),
        aborts_bytes: segment.aborts_bytes(),
    }
}
