//! Loading a shard: its log is read from the start to where it ends now, on a thread that may block,
//! a bounded piece at a time. Requests are told COORDINATOR_LOAD_IN_PROGRESS meanwhile.
//!
//! A record that does not decode is passed over with a warning: what one partition keeps is not lost
//! for one record of a newer version. (Kafka passes over records of unknown types, and does not load
//! the partition for any other that it cannot read.) A batch that is damaged ends the load, and takes
//! the partition offline, like damage that anybody else finds: until it is repaired it is not served. A batch that is whole and of a format that is not read here (magic 0 and 1) ends the
//! load only: the partition stays online.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;

use super::append::{max_batch_bytes, max_record_bytes};
use super::phase::Phase;
use super::shard_runner::ShardRunner;
use crate::coordinator::shard::{Shard, ShardCommon as _, ShardRecord, TransactionOutcome};
use crate::model::{LeaderEpoch, Offset, ProducerId};
use crate::protocol::Payload;
use crate::records::control::EndTransactionMarker;
use crate::records::{Batch, Batches, Record, RecordsError, Scratch};
use crate::replication::delayed::AckWait;
use crate::replication::error::ReplicaError;
use crate::replication::partition::Partition;
use crate::storage::disk;
use crate::storage::error::StorageError;
use crate::storage::log::ReadPlan;

/// Why a shard could not be loaded.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("at offset {offset}: {source}")]
    Damaged {
        offset: Offset,
        source: RecordsError,
    },
    #[error("the batch at offset {0} ends in the middle")]
    Cut(Offset),
    #[error("the load is of no use any more")]
    Void,
}

/// A load under way.
struct Loading<S> {
    shard: S,
    next: Offset,
    end: Offset,
    /// Where in its file the batch begins that is replayed next.
    position: u64,
    scratch: Scratch,
    piece: Vec<u8>,
    record_count: u64,
    passed_over: u64,
}

impl<S: Shard> ShardRunner<S> {
    /// This broker leads the partition in `epoch`: the shard is loaded, unless it is already.
    pub(super) fn lead(self: &Arc<Self>, epoch: LeaderEpoch) {
        let mut state = self.lock();
        state.epoch = state.epoch.max(epoch);
        if matches!(state.phase, Phase::Failed | Phase::Over) {
            self.enter(&mut state, Phase::Loading);
            let term = state.term;
            drop(state);
            self.load_soon(term);
        }
    }

    /// Starts to load, for `term`: the one in which the phase became [`Phase::Loading`]. If it is over
    /// before its turn comes, the load does nothing.
    pub(super) fn load_soon(self: &Arc<Self>, term: u64) {
        let this = Arc::clone(self);
        if self.partition.end_offset() == self.partition.log_start_offset() {
            // There is nothing to read: a new topic's shards are ready with the topic.
            return this.load(term);
        }
        let loaders = Arc::clone(&self.services.loaders);
        self.services.tasks.spawn(async move {
            let permit = loaders.acquire_owned().await;
            // It has told of its own failure, also a panic.
            let _ = tokio::task::spawn_blocking(move || this.load(term)).await;
            drop(permit);
        });
    }

    fn load(self: Arc<Self>, term: u64) {
        let started = Instant::now();
        let partition = self.partition.name();
        match self.try_load(term) {
            Ok(loaded) => {
                let took = started.elapsed();
                let (records, passed_over) = (loaded.record_count, loaded.passed_over);
                if !self.begin(term, loaded.shard, loaded.end, took) {
                    return;
                }
                let metrics = self.services.common.metrics();
                metrics.loads.inc();
                metrics.load_time.add(took);
                if records > 0 {
                    let milliseconds = took.as_millis() as u64;
                    tracing::info!(
                        %partition,
                        records,
                        passed_over,
                        milliseconds,
                        "loaded {}",
                        S::CONTENTS
                    );
                }
                self.follow_what_was_found(term, loaded.end);
            }
            Err(LoadError::Void) => {}
            Err(error) => {
                tracing::error!(%partition, %error, "{} cannot be loaded", S::CONTENTS);
                let phase = match error {
                    // It has moved meanwhile.
                    LoadError::Replica(ReplicaError::NotLeader) => Phase::Over,
                    _ => Phase::Failed,
                };
                if let LoadError::Storage(error) = error {
                    let replicas = &self.services.replicas;
                    replicas.note_failure(&self.partition, &error.into());
                }
                self.load_failed(term, phase);
            }
        }
    }

    fn try_load(&self, term: u64) -> Result<Loading<S>, LoadError> {
        self.check_wanted(term)?;
        let leader_epoch = self.partition.leader_epoch_if_leader();
        let epoch = leader_epoch.ok_or(ReplicaError::NotLeader)?;
        let max_message_bytes = max_batch_bytes(&self.partition);
        {
            let mut state = self.lock();
            state.epoch = state.epoch.max(epoch);
            state.max_message_bytes = max_message_bytes;
        }
        let mut loading = Loading {
            shard: S::empty(&self.services.common, max_record_bytes(max_message_bytes)),
            next: self.partition.log_start_offset(),
            end: self.partition.end_offset(),
            position: 0,
            scratch: Scratch::default(),
            piece: Vec::new(),
            record_count: 0,
            passed_over: 0,
        };
        let buffer_size = self.services.settings.load_buffer_bytes;
        while loading.next < loading.end {
            self.check_wanted(term)?;
            loading.take_piece(&self.partition, buffer_size)?;
        }
        Ok(loading)
    }

    /// Whether anybody waits for the load of `term`.
    fn check_wanted(&self, term: u64) -> Result<(), LoadError> {
        let is_stopped = self.services.is_stopped.load(Ordering::Acquire);
        if self.lock().is_loading(term) && !is_stopped {
            Ok(())
        } else {
            Err(LoadError::Void)
        }
    }

    /// What lies above the high watermark may still rest on other replicas, or on a sync: answers
    /// about it wait.
    fn follow_what_was_found(self: &Arc<Self>, term: u64, end: Offset) {
        let wait = AckWait::new(1);
        if end > Offset::ZERO && self.partition.wait_until_committed(end, wait.ticket(0)) {
            let follow = Arc::clone(self).follow(wait, term, end + -1);
            self.services.tasks.spawn(follow);
        }
    }
}

impl<S: Shard> Loading<S> {
    /// Reads and replays at most `max_bytes`, or one batch.
    fn take_piece(&mut self, partition: &Partition, max_bytes: u32) -> Result<(), LoadError> {
        let (next, end) = (self.next, self.end);
        let plan = match partition.with_log(|log| Ok(log.locate(next, end)))? {
            Ok(plan) => plan,
            // Retention was quicker.
            Err(out) => {
                self.next = self.next.max(out.log_start_offset);
                return Ok(());
            }
        };
        match read(&plan, max_bytes, &mut self.piece) {
            Ok(position) => self.position = position,
            // The log was compacted meanwhile: it is looked up anew.
            Err(LoadError::Storage(StorageError::SegmentDeleted)) => return Ok(()),
            Err(error) => return Err(error),
        }
        if self.piece.is_empty() {
            // Compaction left nothing from here on.
            self.next = end;
            return Ok(());
        }
        let piece = std::mem::take(&mut self.piece);
        let replayed = self.replay_piece(&piece);
        self.piece = piece;
        match replayed.map_err(|error| self.whereabouts(error, &plan)) {
            Err(LoadError::Storage(StorageError::SegmentDeleted)) => Ok(()),
            replayed => replayed,
        }
    }

    /// Damage that was read, as the storage tells of it: it looks for it once more, and says where in
    /// which file it is. Records that cannot be read in a batch that is whole are damage, too, but for
    /// those that this broker does not read from any batch.
    fn whereabouts(&self, error: LoadError, plan: &ReadPlan) -> LoadError {
        if !matches!(error, LoadError::Damaged { .. } | LoadError::Cut(_)) {
            return error;
        }
        match (plan.view().scrub(self.next, 1), error) {
            (Err(found), _) => found.into(),
            (Ok(_), LoadError::Damaged { source, .. }) if is_damage(&source) => {
                StorageError::Corrupt {
                    path: plan.path(),
                    position: self.position,
                    after: self.next + -1,
                    reason: source,
                }
                .into()
            }
            (Ok(_), error) => error,
        }
    }

    fn replay_piece(&mut self, piece: &[u8]) -> Result<(), LoadError> {
        let first = self.next;
        for batch in Batches::new(piece) {
            let damaged = |source| LoadError::Damaged {
                offset: self.next,
                source,
            };
            let batch = batch.map_err(damaged)?;
            batch.check_crc().map_err(damaged)?;
            let next = batch.last_offset() + 1;
            if next > self.next && batch.base_offset() < self.end {
                self.replay_batch(&batch)
                    .map_err(|source| LoadError::Damaged {
                        offset: batch.base_offset(),
                        source,
                    })?;
                self.next = next;
            }
            self.position += batch.header().size() as u64;
        }
        if self.next == first {
            return Err(LoadError::Cut(first));
        }
        Ok(())
    }

    fn replay_batch(&mut self, batch: &Batch<'_>) -> Result<(), RecordsError> {
        let producer_id = if batch.is_transactional() {
            batch.producer_id()
        } else {
            ProducerId::NONE
        };
        for record in batch.records(&mut self.scratch)? {
            let record = record?;
            self.record_count += 1;
            if batch.is_control() {
                if let Some(marker) = EndTransactionMarker::of(&record) {
                    let outcome = if marker.committed {
                        TransactionOutcome::Commit
                    } else {
                        TransactionOutcome::Abort
                    };
                    let offset = record.offset();
                    self.shard
                        .replay_transaction_end(offset, producer_id, outcome);
                }
                continue;
            }
            match decode::<S::Record>(&record) {
                Ok(decoded) => self.shard.replay(record.offset(), producer_id, &decoded),
                Err(reason) => {
                    self.passed_over += 1;
                    let offset = record.offset();
                    tracing::warn!(%offset, reason, "passing over a record of {}", S::CONTENTS);
                }
            }
        }
        Ok(())
    }
}

/// Whether an error in a batch whose checksum is right tells of damage: not if the batch is only of a
/// format, or of a size, that is not read here.
fn is_damage(error: &RecordsError) -> bool {
    !matches!(
        error,
        RecordsError::LegacyFormat { .. }
            | RecordsError::DecompressedTooLarge { .. }
            | RecordsError::RecordTooLarge { .. }
    )
}

/// The record, with bytes of its own: what a shard keeps must not keep the piece.
fn decode<R: ShardRecord>(record: &Record<'_>) -> Result<R, String> {
    let key = record.key().ok_or("it has no key")?;
    let value = record.value().map(Bytes::copy_from_slice);
    R::from_bytes(Bytes::copy_from_slice(key), value)
}

/// Reads what was planned into `piece`, which is used again; returns where in the file it begins.
fn read(plan: &ReadPlan, max_bytes: u32, piece: &mut Vec<u8>) -> Result<u64, LoadError> {
    piece.clear();
    match plan.read(max_bytes, true)?.payload {
        Payload::Null => Ok(0),
        Payload::Bytes(bytes) => {
            piece.extend_from_slice(&bytes);
            Ok(0)
        }
        Payload::File(region) => {
            disk::read_region(&region, piece)
                .map_err(|error| StorageError::io("read", &plan.path(), error))?;
            Ok(region.position)
        }
    }
}
