//! Moves the log to another log directory (KIP-113): a copy is filled beside it, as a follower's log is,
//! and takes its place in one step under the partition's lock.
//!
//! Until that step, nothing that happens to the copy affects the log in use. In the step the copy gets what
//! it still lacks, is made at least as durable as what it replaces, and is renamed. The log that was in use
//! is returned to the caller, who removes it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::{Moment, News, Partition, State};
use crate::model::{Offset, Timestamp};
use crate::records::Batches;
use crate::replication::error::ReplicaError;
use crate::storage::error::StorageError;
use crate::storage::log::{Log, ReadPlan};
use crate::storage::log_dir::LogDir;

/// Reads what a plan says: as much as is copied at a time.
pub type ReadForCopy<'a> = &'a dyn Fn(&ReadPlan) -> Result<Bytes, StorageError>;

impl Partition {
    /// Cuts off what the copy has and the log does not, and plans to read what the copy lacks. `None` if it
    /// has everything.
    ///
    /// # Errors
    /// The partition was stopped, or the copy's disk failed.
    pub fn plan_copy(
        &self,
        copy: &mut Log,
        now: Timestamp,
    ) -> Result<Option<ReadPlan>, ReplicaError> {
        let state = self.state.lock();
        state.check_running()?;
        align(&state.log, copy, now)?;
        lacking(&state.log, copy)
    }

    /// Puts the copy in the place of the log: it becomes `folder` in `dir`. If that works the copy is
    /// taken, and the log that it replaces is returned. If the disk fails after the rename, the copy stays
    /// under its new name, out of use. `is_clean` says that nothing was compacted while the copy was
    /// filled, so that it is compacted as far as the log is.
    ///
    /// # Errors
    /// The partition was stopped, or one of the disks failed: the log stays in use.
    pub fn relocate(
        &self,
        copy: &mut Option<Log>,
        dir: &Arc<LogDir>,
        folder: &Path,
        read: ReadForCopy<'_>,
        is_clean: bool,
        now: Moment,
    ) -> Result<Option<Log>, ReplicaError> {
        // A sync that is under way would be noted for the wrong log.
        let _no_sync = self.flushing.lock();
        let mut state = self.state.lock();
        state.check_running()?;
        let Some(filled) = copy.as_mut() else {
            return Ok(None);
        };
        align(&state.log, filled, now.wall)?;
        while let Some(plan) = lacking(&state.log, filled)? {
            append_copy(filled, &read(&plan)?, now.wall)?;
        }
        state.complete(filled, now.wall)?;
        let cleaned_offset = state.log.cleaned_offset().filter(|_| is_clean);
        filled.set_cleaned_offset(cleaned_offset);
        filled.move_to(folder)?;
        let filled = copy.take().expect("it was just filled");
        let replaced = std::mem::replace(&mut state.log, filled);
        state.last_stable_offset = state.computed_last_stable_offset();
        self.dir.store(Arc::clone(dir));
        let deletions = state.set_copy_start(None);
        // The copy may be synced where the log was not: no later sync would commit that.
        let mut news = state.advance(now.instant);
        news.woken.extend(deletions.woken);
        self.finish(state, news);
        Ok(Some(replaced))
    }

    /// Notes the start of a copy that is being filled; `None` if there is none. Records count as deleted
    /// only when they are gone from the copy, too.
    pub fn note_copy(&self, start: Option<Offset>) {
        let mut state = self.state.lock();
        if state.copy_start != start {
            let news = state.set_copy_start(start);
            self.finish(state, news);
        }
    }
}

impl State {
    fn set_copy_start(&mut self, start: Option<Offset>) -> News {
        self.copy_start = start;
        News {
            woken: self.advance_deletions(),
            ..News::default()
        }
    }

    /// Gives a copy that has all batches everything else that the log in use knows.
    fn complete(&self, copy: &mut Log, now: Timestamp) -> Result<(), StorageError> {
        assert!(
            copy.end_offset() == self.log.end_offset(),
            "a copy that takes the log's place ends where it ends"
        );
        copy.set_config(Arc::clone(&self.config.log));
        if copy.flushed_offset() < self.log.flushed_offset() {
            copy.flush(now)?;
        }
        // The current epoch may not have written anything yet.
        let latest = self.log.epochs().latest();
        if let Some(latest) = latest.filter(|it| copy.epochs().latest() != Some(*it)) {
            copy.begin_epoch(latest.epoch);
        }
        // The checkpoint of its new directory says where the log starts, and after a kill it is only believed
        // if the copy says so, too.
        copy.settle_start(now)?;
        copy.on_high_watermark(self.high_watermark);
        Ok(())
    }
}

/// Appends what was read from the log to its copy.
///
/// # Errors
/// The records are damaged or do not continue the copy, or the copy's disk failed.
pub fn append_copy(copy: &mut Log, records: &[u8], now: Timestamp) -> Result<(), ReplicaError> {
    let first = Batches::new(records).next().and_then(Result::ok);
    let base_offset = first.map(|batch| batch.base_offset());
    // The log may start within its first batch, which is copied whole.
    if let Some(base_offset) = base_offset.filter(|it| *it < copy.end_offset() && copy.size() == 0)
    {
        copy.truncate_fully(base_offset, base_offset, now)?;
    }
    copy.append_as_follower(records, now)?;
    Ok(())
}

/// Cuts off what the copy has and the log does not. The leader epochs show it: within one, an offset has
/// only one content (KIP-101).
fn align(log: &Log, copy: &mut Log, now: Timestamp) -> Result<(), StorageError> {
    while let Some(latest) = copy.epochs().latest() {
        let Some(end) = log.end_offset_for_epoch(latest.epoch) else {
            copy.truncate_fully(log.log_start_offset(), log.log_start_offset(), now)?;
            break;
        };
        let own = copy.end_offset_for_epoch(end.epoch);
        let limit = own.map_or(end.end_offset, |own| own.end_offset.min(end.end_offset));
        if copy.end_offset() <= limit && latest.epoch <= end.epoch {
            break;
        }
        copy.truncate_to(limit, now)?;
        // Nothing of that epoch was cut, and the next round would cut nothing either.
        if copy.epochs().latest() == Some(latest) {
            break;
        }
    }
    if copy.end_offset() > log.end_offset() {
        copy.truncate_to(log.end_offset(), now)?;
    }
    let start = log.log_start_offset();
    if copy.end_offset() < start {
        copy.truncate_fully(start, start, now)?;
    }
    if copy.log_start_offset() < start && copy.end_offset() >= start {
        copy.raise_log_start_offset(start);
        copy.delete_below(start, now)?;
    }
    Ok(())
}

fn lacking(log: &Log, copy: &Log) -> Result<Option<ReadPlan>, ReplicaError> {
    if copy.end_offset() >= log.end_offset() {
        return Ok(None);
    }
    let plan = log.locate(copy.end_offset(), log.end_offset())?;
    Ok(Some(plan))
}
