//! One replica's log: the segments of a partition folder, and what is known of their content.
//!
//! The log is a value behind its partition's lock. Only `&mut self` changes it; readers take a [`LogView`]
//! or a [`ReadPlan`] under the lock and do their I/O outside. Invariant: offsets rise, leader epochs never
//! go back, and after a failed write or sync nothing is written any more.

mod append;
mod delete;
mod flush;
mod inventory;
mod open;
mod place;
mod produced;
mod read;
mod recover;
mod roll;
mod room_ahead;
mod segment_list;
mod swap;
mod truncate;
mod view;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use super::error::StorageError;
use super::folder::Folder;
use super::leader_epochs::{EpochEnd, LeaderEpochs};
use super::log_config::LogConfig;
use super::producer_snapshot::ProducerSnapshots;
use super::producer_state::ProducerState;
use super::segment::Segment;
use crate::model::{LeaderEpoch, Offset, Timestamp};

pub use super::segment::TimedOffset;
pub use append::{AppendError, AppendInfo, LeaderAppend};
pub use delete::DeletedFiles;
pub use flush::{FlushPlan, FlushScope};
pub use open::Opening;
pub use read::{OffsetOutOfRange, ReadOutcome, ReadPlan};
pub(super) use swap::Replacement;
pub use view::{LogView, SegmentDescription};

use inventory::Recorded;
use roll::Tail;
use segment_list::SegmentList;

/// The segments in order; the last is the active one. Readers share the list, so a change replaces it.
type Segments = Arc<SegmentList>;

/// One replica's log.
#[derive(Debug)]
pub struct Log {
    folder: Arc<Folder>,
    config: Arc<LogConfig>,
    segments: Segments,
    log_start_offset: Offset,
    end_offset: Offset,
    /// Everything below this offset is on stable storage.
    flushed_offset: Offset,
    /// Bytes written since the log was opened, and how many of them are on stable storage.
    written: u64,
    flushed: u64,
    /// Counts the changes of names in the folder that must be durable, and how many of them are.
    names: u32,
    synced_names: u32,
    /// Whether the folder's own name may not be durable yet.
    folder_is_new: bool,
    last_flush: Timestamp,
    offline: bool,
    /// A change of the segments was begun and has not ended. If nobody is at it, a panic has ended it midway.
    is_changing: bool,
    tail: Tail,
    epochs: LeaderEpochs,
    producers: ProducerState,
    snapshots: ProducerSnapshots,
    deletions: Vec<DeletedFiles>,
    /// What of the list of segments is on the disk.
    recorded: Recorded,
    /// Output of the cleaner that is complete, by the names of its files, but is not part of the log yet.
    pending_swap: Option<Arc<Segment>>,
    /// Everything below this offset is compacted; `None` if that is not known.
    cleaned_offset: Option<Offset>,
}

impl Log {
    /// The path of the partition folder.
    pub fn path(&self) -> Arc<Path> {
        self.folder.path()
    }

    /// The settings in force.
    pub fn config(&self) -> &Arc<LogConfig> {
        &self.config
    }

    /// Takes over other settings. They do not change what is written already.
    pub fn set_config(&mut self, config: Arc<LogConfig>) {
        self.config = config;
    }

    /// The first offset that may be read.
    pub fn log_start_offset(&self) -> Offset {
        self.log_start_offset
    }

    /// The offset that the next record gets.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// Everything below this offset is on stable storage. With `flush.messages=1` it may be acknowledged,
    /// and the recovery-point checkpoint says it.
    pub fn flushed_offset(&self) -> Offset {
        self.flushed_offset
    }

    /// Everything below this offset is compacted; `None` if that is not known.
    pub fn cleaned_offset(&self) -> Option<Offset> {
        self.cleaned_offset
    }

    /// Sets the offset below which the log is compacted, from a checkpoint or after a pass.
    pub fn set_cleaned_offset(&mut self, offset: Option<Offset>) {
        self.cleaned_offset = offset;
    }

    /// The size of all batches in bytes.
    pub fn size(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size()).sum()
    }

    /// How many segments there are: at least one.
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Whether the log takes no more writes because one failed, or because a bug has left it half changed: what
    /// is in memory need not be what is in the files then, until these are opened again.
    pub fn is_offline(&self) -> bool {
        self.offline || self.is_changing
    }

    /// Takes the log offline: its disk failed, or it is corrupt.
    pub fn set_offline(&mut self) {
        self.offline = true;
    }

    /// The leader epochs that wrote the log.
    pub fn epochs(&self) -> &LeaderEpochs {
        &self.epochs
    }

    /// Notes that a leader begins `epoch` at the end of the log, before it has written anything.
    pub fn begin_epoch(&mut self, epoch: LeaderEpoch) {
        self.epochs.assign(epoch, self.end_offset);
    }

    /// Forgets epochs that this replica began as their leader and wrote nothing in. A leader that was started
    /// again in its epoch, and has lost its last records, began it below where others have it: as a follower
    /// it would take no batch of the epochs in between.
    pub fn forget_unwritten_epochs(&mut self) {
        self.epochs.truncate_from_end(self.end_offset);
    }

    /// The end of `epoch`, or of the largest known epoch below it, in this log (KIP-101, KIP-279).
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<EpochEnd> {
        self.epochs.end_offset_for(epoch, self.end_offset)
    }

    /// What is known of the producers, for DescribeProducers and the last stable offset.
    pub fn producers(&self) -> &ProducerState {
        &self.producers
    }

    /// As [`Self::producers`], for verifications and expiry. The log itself notes batches: the state is
    /// part of its content.
    pub fn producers_mut(&mut self) -> &mut ProducerState {
        &mut self.producers
    }

    /// The first offset that is held back from readers of committed data, because a transaction is open or
    /// has ended above the high watermark. With the high watermark it bounds the last stable offset.
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        let unstable = self.producers.first_unstable_offset();
        unstable.map(|offset| offset.max(self.log_start_offset))
    }

    /// Notes a new high watermark: transactions that ended below it hold nothing back any more.
    pub fn on_high_watermark(&mut self, high_watermark: Offset) {
        self.producers.on_high_watermark(high_watermark);
    }

    /// Raises the log start offset, for DeleteRecords or as the leader says. Retention deletes the segments
    /// below. Returns false if the start was there already.
    ///
    /// The caller has checked that it is not above the high watermark.
    pub fn raise_log_start_offset(&mut self, offset: Offset) -> bool {
        if offset <= self.log_start_offset {
            return false;
        }
        assert!(
            offset <= self.end_offset,
            "a log starts at or below its end"
        );
        self.log_start_offset = offset;
        self.epochs.truncate_from_start(offset);
        self.producers.on_log_start(offset);
        true
    }

    fn active(&self) -> &Arc<Segment> {
        self.segments
            .last()
            .expect("a log has at least one segment")
    }

    /// Passes an outcome on; a failure of the disk takes the log offline first.
    fn offline_if_failed<T>(
        &mut self,
        outcome: Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if let Err(error) = &outcome {
            let fatal = matches!(
                error,
                StorageError::Io { .. } | StorageError::Corrupt { .. }
            );
            self.offline |= fatal;
        }
        outcome
    }

    /// Changes the segments. If the change panics the log is offline, as after a failure of the disk.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.is_changing = true;
        let outcome = change(self);
        self.is_changing = false;
        self.offline_if_failed(outcome)
    }

    fn check_online(&self) -> Result<(), StorageError> {
        if self.is_offline() {
            return Err(StorageError::Offline);
        }
        Ok(())
    }
}

/// The time `delay_ms` after `now`.
pub(super) fn later(now: Timestamp, delay_ms: i64) -> Timestamp {
    Timestamp(now.0.saturating_add(delay_ms))
}
