//! One pass over one log, from the first key to the last swap.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::cleanable::Cleanable;
use super::error::CleanError;
use super::offset_map::OffsetMap;
use super::output;
use super::retain::Rules;
use super::transactions::Transactions;
use crate::model::{Offset, ProducerId, Timestamp};
use crate::records::{Batch, RecordFilter};
use crate::storage::batch_walk::BatchWalk;
use crate::storage::error::StorageError;
use crate::storage::folder::Folder;
use crate::storage::inventory::Inventory;
use crate::storage::log::{Log, LogView, Replacement};
use crate::storage::log_config::LogConfig;
use crate::storage::segment::Segment;

/// How a pass reaches the log: for as short a time as it can.
pub trait LogAccess {
    /// Runs `act` on the log under its lock.
    ///
    /// # Errors
    /// [`CleanError::Aborted`] if the log is not used any more.
    fn with_log<T>(
        &self,
        act: impl FnOnce(&mut Log) -> Result<T, StorageError>,
    ) -> Result<T, CleanError>;
}

/// Decides when a pass pauses, and when it gives up.
pub trait CleanControl {
    /// Told that so many more bytes were read or written; may wait. Returns false to give up.
    fn go_on(&mut self, bytes: u64) -> bool;
}

/// What a pass may use.
#[derive(Clone, Copy, Debug)]
pub struct CleanSettings {
    /// Memory for keys, in bytes.
    pub map_bytes: u64,
    /// The part of the map that may be filled (`log.cleaner.io.buffer.load.factor`), from 0 to 1.
    pub load_factor: f64,
    /// How many bytes are read, or written, at once. A larger batch gets all the memory it needs.
    pub io_bytes: usize,
    /// A batch that decompresses to more bytes is not read.
    pub max_decompressed_bytes: usize,
    /// Random bytes: the secret of the keys' hashes.
    pub secret: [u8; 16],
    /// The time now.
    pub now: Timestamp,
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanSummary {
    /// The offset below which the log is clean now.
    pub end: Offset,
    /// How many keys were in the dirty part.
    pub keys: usize,
    /// Bytes that were read: the dirty part is read twice, the rest once.
    pub read_bytes: u64,
    /// Bytes of the segments that were written.
    pub written_bytes: u64,
    /// How many segments were replaced.
    pub replaced_segments: usize,
}

/// What each producer wrote last: its epoch, and the last offset of its data if that is known.
pub(super) type LastWrites = BTreeMap<ProducerId, (Option<Offset>, i16)>;

/// A pass under way.
pub(super) struct Pass<'a> {
    pub(super) view: &'a LogView,
    pub(super) folder: &'a Arc<Folder>,
    pub(super) config: Arc<LogConfig>,
    pub(super) settings: &'a CleanSettings,
    control: &'a mut dyn CleanControl,
    pub(super) filter: RecordFilter,
    pub(super) out: Vec<u8>,
    /// Bytes of which [`CleanControl::go_on`] was not told yet.
    unspent: u64,
    has_legacy: bool,
    pub(super) summary: CleanSummary,
}

/// Cleans the part of a log that `target` names, or as much of it as fits the memory.
///
/// # Errors
/// See [`CleanError`]. What was swapped in until then stays.
pub fn clean(
    access: &impl LogAccess,
    target: &Cleanable,
    settings: &CleanSettings,
    control: &mut dyn CleanControl,
) -> Result<CleanSummary, CleanError> {
    let (view, folder, config, last_writes) = access.with_log(|log| {
        log.check_swapped()?;
        let config = Arc::clone(log.config());
        Ok((log.view(), log.folder(), config, last_writes(log)))
    })?;
    // The log may have been cut since that was decided, and what came in its place need not be synced.
    if view.flushed_offset() < target.first_uncleanable {
        return Err(CleanError::Aborted);
    }
    let mut pass = Pass {
        view: &view,
        folder: &folder,
        config,
        settings,
        control,
        filter: RecordFilter::with_limit(settings.max_decompressed_bytes),
        out: Vec::new(),
        unspent: 0,
        has_legacy: false,
        summary: CleanSummary::default(),
    };
    let done = pass.run(access, target, last_writes);
    match done {
        // An error that came because the log is gone is not an error of the log.
        Err(CleanError::Storage(_)) if pass.is_gone() => Err(CleanError::Aborted),
        Err(error) => Err(error),
        Ok(()) => Ok(pass.summary),
    }
}

fn last_writes(log: &Log) -> LastWrites {
    let entries = log.producers().entries().into_iter();
    entries
        .map(|(id, entry)| {
            let last = entry.last_batch().map(|batch| batch.last_offset);
            (
                id,
                (last.filter(|&it| it >= Offset::ZERO), entry.producer_epoch),
            )
        })
        .collect()
}

impl Pass<'_> {
    fn run(
        &mut self,
        access: &impl LogAccess,
        target: &Cleanable,
        last_writes: LastWrites,
    ) -> Result<(), CleanError> {
        let (first, bound) = (target.first_dirty, target.first_uncleanable);
        let settings = self.settings;
        let mut map = OffsetMap::new(
            first,
            bound,
            settings.map_bytes,
            settings.load_factor,
            settings.secret,
        );
        let end = self.fill(&mut map, first, bound)?;
        self.summary.keys = map.len();
        let rules = Rules {
            map: &map,
            end,
            upper_bound: bound,
            last_writes,
            now: settings.now,
            horizon: Timestamp(
                settings
                    .now
                    .0
                    .saturating_add(self.config.delete_retention_ms),
            ),
        };
        // It goes from group to group: a transaction may begin in one and end in another.
        let mut transactions = Transactions::default();
        let groups = self.view.groups(end, bound, &self.config)?;
        for group in groups {
            let replaced = self.view.segment_list()[group.clone()].to_vec();
            if let Some(segment) = self.rewrite(group, &rules, &mut transactions)? {
                self.summary.replaced_segments += replaced.len();
                // Each group is swapped in by itself: a pass that ends early keeps what it did, and needs
                // the room of one group only.
                let replacement = Replacement::new(self.view, segment, replaced);
                self.swap_in(access, &replacement)?;
            }
        }
        self.summary.end = end;
        let view = self.view;
        access.with_log(|log| {
            // The log may have been cut while the pass ran, and hold other records at these offsets now.
            if view.is_cut() {
                return Err(StorageError::SegmentDeleted);
            }
            log.set_cleaned_offset(Some(end));
            Ok(())
        })
    }

    /// Puts output in the place of what it was made from. Each step is durable before the next begins, and
    /// only the renames are done under the log's lock.
    fn swap_in(
        &self,
        access: &impl LogAccess,
        replacement: &Replacement,
    ) -> Result<(), CleanError> {
        let now = self.settings.now;
        let begun = access
            .with_log(|log| log.begin_swap(replacement))
            .and_then(|begun| self.sync_names().map(|()| begun));
        let replaced = match begun {
            Ok(true) => access.with_log(|log| log.replace(replacement, now))?,
            Ok(false) => false,
            Err(error) => {
                self.give_up_swap(access, replacement);
                return Err(error);
            }
        };
        if !replaced {
            self.give_up_swap(access, replacement);
            return Err(CleanError::Aborted);
        }
        self.sync_names()?;
        access.with_log(|log| log.end_swap(replacement))?;
        // There may be segments behind that are not synced, whose names are durable now: after a power cut only the
        // list tells what they had.
        let path = self.folder.path();
        let synced = Inventory::sync(self.folder.disk(), &path);
        synced.map_err(|source| sync_error(&path, source))?;
        self.sync_names()
    }

    fn give_up_swap(&self, access: &impl LogAccess, replacement: &Replacement) {
        let given_up = access.with_log(Log::give_up_swap);
        // A log that is not used any more has forgotten the swap already.
        drop(given_up);
        output::discard(self.folder, replacement.output());
    }

    fn sync_names(&self) -> Result<(), CleanError> {
        let path = self.folder.path();
        let synced = self.folder.disk().sync_dir(&path);
        synced.map_err(|source| sync_error(&path, source))
    }

    /// The next batch of a segment, checked; `None` at the end.
    pub(super) fn next<'w>(
        &mut self,
        segment: &Segment,
        walk: &'w mut BatchWalk<'_>,
        after: Offset,
    ) -> Result<Option<(u64, Batch<'w>)>, CleanError> {
        let position = walk.position();
        let end = walk.end();
        let next = match walk.next() {
            Ok(Some((_, batch))) => match segment.check_batch(&batch, after) {
                Ok(()) => Ok(Some((position, batch))),
                Err(reason) => Err(segment.corrupt(position, after, reason)),
            },
            Ok(None) if position == end => Ok(None),
            Ok(None) => {
                let reason = segment.truncated(position, end);
                Err(segment.corrupt(position, after, reason))
            }
            Err(error) => Err(segment.walk_error(error, position, after)),
        };
        let next = self.view.judge(next)?;
        if let Some((_, batch)) = &next {
            self.summary.read_bytes += batch.size() as u64;
            self.spend(batch.size())?;
        }
        Ok(next)
    }

    /// Notes that bytes were read or written, and now and then asks whether to go on.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), CleanError> {
        self.unspent += bytes as u64;
        if self.unspent < self.settings.io_bytes as u64 {
            return Ok(());
        }
        let unspent = std::mem::take(&mut self.unspent);
        if self.is_gone() || !self.control.go_on(unspent) {
            Err(CleanError::Aborted)
        } else {
            Ok(())
        }
    }

    /// Whether the log was cut, or its files are about to be removed.
    fn is_gone(&self) -> bool {
        let segments = self.view.segment_list();
        self.view.is_cut() || segments.last().is_some_and(|active| active.is_going())
    }

    /// Notes a segment that is left out: records of magic 0 and 1 are served as they are, never cleaned.
    pub(super) fn note_legacy(&mut self, segment: &Segment) {
        if !std::mem::replace(&mut self.has_legacy, true) {
            let segment = segment.log_path();
            tracing::warn!(segment = %segment.display(), "records of magic 0 and 1 are not compacted");
        }
    }
}

fn sync_error(path: &Path, source: io::Error) -> CleanError {
    CleanError::from(StorageError::Io {
        action: "sync",
        path: path.to_owned(),
        source,
    })
}
