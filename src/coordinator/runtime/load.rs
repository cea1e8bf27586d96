//! Loads a shard: reads its log from the start to its current end, on a thread that may block, a bounded
//! piece at a time. Requests get COORDINATOR_LOAD_IN_PROGRESS meanwhile.
//!
//! As in Kafka, a record of an unknown type is passed over: a newer release wrote it. Any other record that
//! cannot be read ends the load: to go on without it would tell an older offset, or none, for the one that
//! was committed. The partition stays online, and nothing is written to it; so it is with a whole batch of
//! a format that is not read here (magic 0 and 1). A damaged batch ends the load and takes the partition
//! offline, like any damage that is found: it is not served until it is repaired.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::append::{max_batch_bytes, max_record_bytes};
use super::phase::Phase;
use super::shard_runner::ShardRunner;
use crate::coordinator::shard::{
    Shard, ShardCommon as _, ShardRecord, TransactionOutcome, UnreadRecord,
};
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
use crate::telemetry::LogGate;

/// Loads come again with every append that fails, which clients can cause.
static NOT_LOADED: LogGate = LogGate::of_many(100);
/// There may be as many as records.
static PASSED_OVER: LogGate = LogGate::new();

/// How soon to look again whether a replica has come to its role.
const LATE_LOOK: Duration = Duration::from_millis(20);

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
    #[error("the record at offset {offset} cannot be read: {reason}")]
    Record { offset: Offset, reason: String },
    #[error("the batch at offset {0} ends in the middle")]
    Cut(Offset),
    #[error("the load is of no use any more")]
    Void,
}

/// A load that is under way.
struct Loading<S> {
    shard: S,
    next: Offset,
    end: Offset,
    /// The position in its file of the batch that is replayed next.
    position: u64,
    scratch: Scratch,
    piece: Vec<u8>,
    record_count: u64,
    passed_over: u64,
}

impl<S: Shard> ShardRunner<S> {
    /// Loads the shard, unless it is loaded already: this broker leads the partition in `epoch`.
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

    /// Starts to load for `term`, in which the phase became [`Phase::Loading`]. If the term is over before
    /// the load gets its turn, the load does nothing.
    pub(super) fn load_soon(self: &Arc<Self>, term: u64) {
        let this = Arc::clone(self);
        let is_empty = self.partition.end_offset() == self.partition.log_start_offset();
        if is_empty && self.partition.is_free() && self.knows_its_role() {
            // The log is empty: the shards of a new topic are ready when the topic is.
            return this.load(term);
        }
        let loaders = Arc::clone(&self.services.loaders);
        self.services.tasks.spawn(async move {
            let permit = loaders.acquire_owned().await;
            // The load has reported its own failure, even a panic.
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
                if let Some(suppressed) = NOT_LOADED.pass() {
                    tracing::error!(%partition, %error, suppressed, "{} cannot be loaded", S::CONTENTS);
                }
                let phase = match error {
                    // The partition has moved meanwhile.
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

    /// Whether the replica is in the epoch that the metadata has told of: where its disk hangs it comes to it
    /// late.
    fn knows_its_role(&self) -> bool {
        let wanted = self.lock().epoch;
        self.partition.leader().1 >= wanted || !self.partition.is_running()
    }

    fn try_load(&self, term: u64) -> Result<Loading<S>, LoadError> {
        self.check_wanted(term)?;
        while !self.knows_its_role() {
            std::thread::sleep(LATE_LOOK);
            self.check_wanted(term)?;
        }
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

    /// Checks that somebody still waits for the load of `term`.
    fn check_wanted(&self, term: u64) -> Result<(), LoadError> {
        let is_stopped = self.services.is_stopped.load(Ordering::Acquire);
        if self.lock().is_loading(term) && !is_stopped {
            Ok(())
        } else {
            Err(LoadError::Void)
        }
    }

    /// Waits for the commit of records above the high watermark, which may depend on other replicas or on a
    /// sync: answers that rest on them wait, too.
    fn follow_what_was_found(self: &Arc<Self>, term: u64, end: Offset) {
        let wait = AckWait::new(1);
        if end > Offset::ZERO && self.partition.wait_until_committed(end, wait.ticket(0)) {
            let follow = Arc::clone(self).follow(wait, term, end + -1);
            self.services.tasks.spawn(follow);
        }
    }
}

impl<S: Shard> Loading<S> {
    /// Reads and replays at most `max_bytes`, but at least one batch.
    fn take_piece(&mut self, partition: &Partition, max_bytes: u32) -> Result<(), LoadError> {
        let (next, end) = (self.next, self.end);
        let plan = match partition.with_log(|log| Ok(log.locate(next, end)))? {
            Ok(plan) => plan,
            // Retention has deleted the segment meanwhile.
            Err(out) => {
                self.next = self.next.max(out.log_start_offset);
                return Ok(());
            }
        };
        match read(&plan, max_bytes, &mut self.piece) {
            Ok(position) => self.position = position,
            // The log was compacted meanwhile, so the offset is looked up again.
            Err(LoadError::Storage(StorageError::SegmentDeleted)) => return Ok(()),
            Err(error) => return Err(error),
        }
        if self.piece.is_empty() {
            // Compaction has left nothing from here on.
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

    /// The error for damage that was read, in the words of the storage, which looks for it again and names
    /// file and position. Unreadable records in a whole batch are damage, too, unless this broker cannot
    /// read them in any batch.
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
                self.replay_batch(&batch)?;
                self.next = next;
            }
            self.position += batch.header().size() as u64;
        }
        if self.next == first {
            return Err(LoadError::Cut(first));
        }
        Ok(())
    }

    fn replay_batch(&mut self, batch: &Batch<'_>) -> Result<(), LoadError> {
        let damaged = |source| LoadError::Damaged {
            offset: batch.base_offset(),
            source,
        };
        let producer_id = if batch.is_transactional() {
            batch.producer_id()
        } else {
            ProducerId::NONE
        };
        for record in batch.records(&mut self.scratch).map_err(damaged)? {
            let record = record.map_err(damaged)?;
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
                Err(UnreadRecord::UnknownType(reason)) => {
                    self.passed_over += 1;
                    if let Some(suppressed) = PASSED_OVER.pass() {
                        let offset = record.offset();
                        tracing::warn!(%offset, reason, suppressed, "passing over a record of {}", S::CONTENTS);
                    }
                }
                Err(UnreadRecord::Unreadable(reason)) => {
                    let offset = record.offset();
                    return Err(LoadError::Record { offset, reason });
                }
            }
        }
        Ok(())
    }
}

/// Whether an error in a batch with a right checksum means damage: not if the batch is only of a format, or
/// of a size, that is not read here.
fn is_damage(error: &RecordsError) -> bool {
    !matches!(
        error,
        RecordsError::LegacyFormat { .. }
            | RecordsError::DecompressedTooLarge { .. }
            | RecordsError::RecordTooLarge { .. }
    )
}

/// Decodes a copy of the record: what a shard keeps must not keep the whole piece.
fn decode<R: ShardRecord>(record: &Record<'_>) -> Result<R, UnreadRecord> {
    let no_key = || UnreadRecord::Unreadable("it has no key".to_owned());
    let key = record.key().ok_or_else(no_key)?;
    let value = record.value().map(Bytes::copy_from_slice);
    R::from_bytes(Bytes::copy_from_slice(key), value)
}

/// Reads the plan's bytes into `piece`, a buffer that is used again. Returns the position in the file at
/// which they begin.
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
