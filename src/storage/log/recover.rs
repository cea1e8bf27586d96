//! Recovery after a crash: everything from the recovery point on is checked, and the log is cut at the
//! first bad batch. Producers, epochs and indexes are made again from the good batches.
//!
//! Everything below the recovery point was durable: a bad batch there is damage, and nothing is cut.

use std::sync::Arc;

use super::Log;
use super::place::Surroundings;
use super::produced::Produced;
use super::roll::Tail;
use crate::model::{LeaderEpoch, Offset, Timestamp};
use crate::records::{Batch, RecordsError};
use crate::storage::batch_walk::{BatchWalk, Located, WalkError};
use crate::storage::error::StorageError;
use crate::storage::producer_snapshot::Expiry;
use crate::storage::producer_state::ProducerState;
use crate::storage::segment::Segment;

/// Where the good part of a segment ends, and why it ends there.
struct Cut {
    position: u64,
    reason: RecordsError,
}

/// What is known before a recovery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Where it begins: at the batch that holds this offset.
    pub(super) scan_from: Offset,
    /// Everything below this offset must be good.
    pub(super) durable: Offset,
    /// The base of a segment that is gone, or shorter than it was: the log ends there.
    pub(super) lost_from: Option<Offset>,
}

/// What a recovery knows, and learns on the way.
struct Progress {
    /// See [`Bounds`].
    durable: Offset,
    /// See [`Bounds`].
    lost_from: Option<Offset>,
    around: Surroundings,
    /// The epoch of the last batch that was scanned: those in the file may be wrong.
    epoch: LeaderEpoch,
}

/// The surroundings of a batch; `rest` are the segments behind the one that is scanned.
fn surroundings(file_size: u64, rest: &[Arc<Segment>], has_gaps: bool) -> Surroundings {
    Surroundings {
        file_size,
        next_segment: rest.first().map(|next| next.base_offset()),
        has_gaps,
    }
}

/// How far back batches are looked for that a snapshot does not tell of.
const RECALLED_OFFSETS: i64 = 10_000;
/// Who was silent for longer sends nothing again: clients give up after two minutes, by default.
const RETRIES_FOR_MS: i64 = 5 * 60 * 1000;

impl Log {
    /// Checks the log within these bounds, which begin in segment `first`.
    pub(super) fn recover(
        &mut self,
        first: usize,
        bounds: Bounds,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let durable = bounds.durable;
        let all = Arc::clone(&self.segments);
        Arc::make_mut(&mut self.segments).truncate(first + 1);
        let mut file_size = all[first].size();
        let resumed = all[first].resume_before(bounds.scan_from)?;
        self.end_offset = resumed.offset;
        self.load_producers_at(resumed.offset, now)?;
        self.tail = Tail::new(now);
        self.tail.since_entry = resumed.since_entry;
        let mut progress = Progress {
            durable,
            lost_from: bounds.lost_from,
            around: surroundings(file_size, &all[first + 1..], self.config.compact),
            epoch: LeaderEpoch::NONE,
        };
        let mut rest = all[first + 1..].iter();
        let mut cut = self.scan(resumed.position, &mut progress)?;
        while cut.is_none() {
            let Some(segment) = rest.next() else {
                break;
            };
            if self.leaves_hole(segment, &progress)? {
                self.drop_segments(std::iter::once(segment), now)?;
                break;
            }
            file_size = segment.size();
            self.active().seal()?;
            let resumed = segment.resume_before(segment.base_offset())?;
            self.end_offset = self.end_offset.max(resumed.offset);
            Arc::make_mut(&mut self.segments).push(Arc::clone(segment));
            self.producers.advance_to(self.end_offset);
            self.take_snapshot(false)?;
            self.tail = Tail::new(now);
            progress.around = surroundings(file_size, rest.as_slice(), progress.around.has_gaps);
            cut = self.scan(0, &mut progress)?;
        }
        // The segments behind the cut go first: after a crash in between they must not follow a clean end.
        self.drop_segments(rest, now)?;
        if let Some(cut) = cut {
            self.cut_after_crash(&cut, file_size)?;
        }
        self.check_durable(durable)
    }

    /// Notes the good batches of the active segment from `position` on.
    fn scan(
        &mut self,
        position: u64,
        progress: &mut Progress,
    ) -> Result<Option<Cut>, StorageError> {
        let file_size = progress.around.file_size;
        let segment = Arc::clone(self.active());
        segment.set_size(position);
        let log = Arc::clone(segment.log());
        let mut walk = BatchWalk::new(&*log, position, file_size);
        loop {
            let after = self.end_offset + -1;
            let position = walk.position();
            let reason = match walk.next() {
                Ok(Some((_, batch))) => {
                    match self.check_batch(&segment, position, &batch, progress) {
                        Ok(()) => {
                            progress.around.has_gaps |=
                                position > 0 && batch.base_offset() > after + 1;
                            progress.epoch = progress.epoch.max(batch.partition_leader_epoch());
                            self.note_written(&batch, position)?;
                            // These bytes count as written and not as synced, so that the next flush takes
                            // them along.
                            if self.end_offset > progress.durable {
                                self.written += batch.size() as u64;
                            }
                            continue;
                        }
                        Err(reason) => reason,
                    }
                }
                Ok(None) if position == file_size => return Ok(None),
                Ok(None) => segment.truncated(position, file_size),
                Err(WalkError::Bad(reason)) => reason,
                Err(error @ WalkError::Disk(_)) => {
                    return Err(segment.walk_error(error, position, after));
                }
            };
            let cut = Cut { position, reason };
            return self.judge(cut, progress.durable).map(Some);
        }
    }

    /// Whether a batch is good, and may be at its place.
    fn check_batch(
        &self,
        segment: &Segment,
        position: u64,
        batch: &Batch<'_>,
        progress: &Progress,
    ) -> Result<(), RecordsError> {
        let after = self.end_offset + -1;
        segment.check_batch(batch, after)?;
        let header = *batch.header();
        self.check_place(segment, &Located { position, header }, &progress.around)?;
        let epoch = batch.partition_leader_epoch();
        // Leader epochs never go back. Above the durable part such a batch was removed by a cut, and a
        // power cut brought it back; below it the batch is damaged.
        if LeaderEpoch::NONE < epoch && epoch < progress.epoch {
            return Err(RecordsError::OffsetsOutOfOrder {
                base_offset: batch.base_offset().0,
                last_offset: batch.last_offset().0,
                previous: after.0,
            });
        }
        Ok(())
    }

    /// Accepts a cut above what was durable; below it the cut is damage.
    fn judge(&self, cut: Cut, durable: Offset) -> Result<Cut, StorageError> {
        if self.end_offset >= durable {
            return Ok(cut);
        }
        Err(self
            .active()
            .corrupt(cut.position, self.end_offset + -1, cut.reason))
    }

    fn cut_after_crash(&mut self, cut: &Cut, file_size: u64) -> Result<(), StorageError> {
        self.drop_inventory()?;
        let active = self.active();
        tracing::warn!(
            segment = %active.log_path().display(),
            position = cut.position,
            end = %self.end_offset,
            bytes = file_size.saturating_sub(cut.position),
            reason = %cut.reason,
            "cutting off what a crash left"
        );
        active.trim()
    }

    pub(super) fn check_durable(&self, durable: Offset) -> Result<(), StorageError> {
        if self.end_offset >= durable || durable == Offset(i64::MAX) {
            return Ok(());
        }
        Err(self.lost(durable))
    }

    /// Whether a crash lost good batches before a segment. In a log that was compacted once, offsets may be
    /// missing there for another reason: unless it is known that batches are, nothing was lost.
    fn leaves_hole(&self, segment: &Segment, progress: &Progress) -> Result<bool, StorageError> {
        let from = segment.base_offset();
        let is_known = progress.lost_from.is_some_and(|lost| lost < from);
        if !is_known && (from <= self.end_offset || progress.around.has_gaps) {
            return Ok(false);
        }
        if self.end_offset < progress.durable {
            return Err(self.lost(progress.durable.min(from)));
        }
        tracing::warn!(
            log = %self.path().display(),
            end = %self.end_offset,
            %from,
            "a crash lost what was before a segment: dropping it"
        );
        Ok(true)
    }

    pub(super) fn lost(&self, durable: Offset) -> StorageError {
        StorageError::Inconsistent {
            path: self.path().to_path_buf(),
            reason: format!(
                "batches end at {} but were durable up to {durable}: a file was lost or cut, or the \
                 recovery-point checkpoint belongs to another log. Restore the folder, or, if the log \
                 is right, remove the line of the partition from recovery-point-offset-checkpoint",
                self.end_offset
            ),
        }
    }

    fn drop_segments<'s>(
        &mut self,
        unwanted: impl Iterator<Item = &'s Arc<Segment>>,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let unwanted: Vec<_> = unwanted.map(Arc::clone).collect();
        if unwanted.is_empty() {
            return Ok(());
        }
        self.drop_inventory()?;
        let kept = self.segments.len();
        Arc::make_mut(&mut self.segments).extend(unwanted);
        self.remove_segments(kept..self.segments.len(), now)?;
        self.sync_names()
    }

    /// Loads the producers of a log that was closed in order.
    pub(super) fn load_producers(&mut self, now: Timestamp) -> Result<(), StorageError> {
        // Without a snapshot (lost, or from before there were any) the whole log is replayed.
        self.load_producers_at(self.end_offset, now)
    }

    /// Loads the producers after the log was cut.
    pub(super) fn reload_producers(&mut self, now: Timestamp) -> Result<(), StorageError> {
        self.load_producers_at(self.end_offset, now)
    }

    /// Loads the newest snapshot at or below `offset`, and replays the log from there.
    fn load_producers_at(&mut self, offset: Offset, now: Timestamp) -> Result<(), StorageError> {
        let path = self.folder.path();
        let disk = self.folder.disk();
        let expiry = Expiry {
            now,
            after_ms: self.config.producer_id_expiration_ms,
        };
        let start = self.log_start_offset.min(offset);
        let loaded = self
            .snapshots
            .delete_outside(disk, &path, start, offset)
            .and_then(|()| self.snapshots.load(disk, &path, start, expiry));
        self.producers = loaded.map_err(|error| self.folder_error("read", error))?;
        self.recall_batches(now)?;
        self.replay_producers(offset)
    }

    /// A snapshot tells of the last batch of each producer, but a client may have five in flight, and send any
    /// of them again: those before the last are looked for at the end of the log. Kafka forgets them, and
    /// refuses such a retry as out of order; some clients write it a second time then, in another epoch.
    fn recall_batches(&mut self, now: Timestamp) -> Result<(), StorageError> {
        let up_to = self.producers.end_offset();
        let from = self.log_start_offset.max(up_to + -RECALLED_OFFSETS);
        let retries_since = Timestamp(now.0.saturating_sub(RETRIES_FOR_MS));
        if from >= up_to || !self.producers.has_active_since(retries_since) {
            return Ok(());
        }
        let mut seen = ProducerState::starting_at(from);
        let first = self.segment_of(from);
        for segment in self.segments.iter().skip(first) {
            segment.each_header(from, |batch| {
                if batch.header.base_offset() >= up_to {
                    return Ok(false);
                }
                if !batch.header.is_control() {
                    Produced::of(&batch.header, &[]).apply(&mut seen);
                }
                Ok(true)
            })?;
        }
        self.producers.recall(&seen);
        Ok(())
    }

    fn replay_producers(&mut self, up_to: Offset) -> Result<(), StorageError> {
        let from = self.producers.end_offset();
        if from < up_to {
            let first = self.segment_of(from);
            for segment in Arc::clone(&self.segments).iter().skip(first) {
                segment.each_header(from, |batch| {
                    if batch.header.base_offset() >= up_to {
                        return Ok(false);
                    }
                    Produced::of_located(segment, batch)?.apply(&mut self.producers);
                    Ok(true)
                })?;
            }
        }
        self.producers.advance_to(up_to);
        Ok(())
    }
}
