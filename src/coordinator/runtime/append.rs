//! Appends what shards decide: the records of many decisions as one batch (group commit).
//!
//! The first decision with records starts a task. Before it appends, it lets everybody who is ready
//! to run decide first; what is decided while it appends waits for its next turn. So a busy shard
//! writes few large batches, and an idle one writes at once. Batches do not wait for each other's
//! commits.
//!
//! An append that fails voids all that the shard decided since: it is loaded again from its log, and
//! takes nothing that writes for a while (see `retry.rs`). A commit that takes longer than it may fails
//! its answers only, as in Kafka: the records are in the log and count once they are committed.

use std::sync::Arc;
use std::time::Instant;

use super::append_error::append_error;
use super::batches::{BatchLimits, RecordsBatch, batches_of};
use super::phase::Phase;
use super::shard_runner::{ShardRunner, State, now};
use super::waiters::Deliveries;
use crate::coordinator::shard::{Shard, ShardCommon as _};
use crate::model::{LeaderEpoch, Offset};
use crate::protocol::ErrorCode;
use crate::records::validate::ValidatedBatch;
use crate::replication::delayed::{AckOutcome, AckWait};
use crate::replication::partition::{LeaderWrite, Partition};
use crate::storage::producer_state::Origin;
use crate::telemetry::LogGate;

/// The bytes of `max.message.bytes` that a batch's header, a record's header and a key of usual length
/// take.
const BESIDE_VALUE_BYTES: usize = 1024;

/// Clients cause appends, so a disk that takes none would fill the log with these lines.
static NOT_WRITTEN: LogGate = LogGate::new();
static NOT_COMMITTED: LogGate = LogGate::new();

/// The records that are appended together.
struct Turn<R> {
    term: u64,
    epoch: LeaderEpoch,
    first_offset: Offset,
    records: Vec<R>,
}

/// The most bytes of a batch in the log of a shard.
pub(super) fn max_batch_bytes(partition: &Partition) -> usize {
    let config = partition.config();
    let segment_bytes = usize::try_from(config.log.segment_bytes).unwrap_or(usize::MAX);
    config.append.max_message_bytes.min(segment_bytes)
}

/// The most bytes of a record's value in a batch of this size.
pub(super) fn max_record_bytes(max_batch_bytes: usize) -> usize {
    max_batch_bytes.saturating_sub(BESIDE_VALUE_BYTES)
}

impl<S: Shard> ShardRunner<S> {
    /// Makes sure that a task appends what is queued.
    pub(super) fn append_soon(self: &Arc<Self>, state: &mut State<S>) {
        if !state.is_appending {
            state.is_appending = true;
            self.services.tasks.spawn(Arc::clone(self).append_all());
        }
    }

    async fn append_all(self: Arc<Self>) {
        let linger = self.services.settings.append_linger;
        loop {
            if linger.is_zero() {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(linger).await;
            }
            let Some(turn) = self.next_turn() else { return };
            self.append(&turn);
        }
    }

    fn next_turn(&self) -> Option<Turn<S::Record>> {
        let mut state = self.lock();
        if state.queued.is_empty() {
            state.is_appending = false;
            return None;
        }
        let records = std::mem::take(&mut state.queued);
        let first_offset = state.append_offset;
        state.append_offset = first_offset + i64::try_from(records.len()).unwrap_or(i64::MAX);
        Some(Turn {
            term: state.term,
            epoch: state.epoch,
            first_offset,
            records,
        })
    }

    fn append(self: &Arc<Self>, turn: &Turn<S::Record>) {
        let started = Instant::now();
        let max_bytes = max_batch_bytes(&self.partition);
        self.follow_settings(max_bytes);
        let limits = BatchLimits {
            max_bytes,
            compression: self.services.settings.compression,
        };
        let batches = batches_of(&turn.records, now().timestamp, limits);
        let wait = AckWait::new(batches.len());
        let mut next = turn.first_offset;
        for (place, batch) in batches.iter().enumerate() {
            match self.append_batch(batch, turn, (&wait, place)) {
                // The shard has told its callers these offsets already, so that the batch must lie where
                // it was promised.
                Ok(first) if first == next => next = next + i64::from(batch.count),
                Ok(first) => {
                    let partition = self.partition.name();
                    tracing::error!(%partition, %first, expected = %next, "somebody else writes");
                    return self.start_over(turn.term, ErrorCode::NOT_COORDINATOR);
                }
                Err(error) => return self.start_over(turn.term, append_error(error)),
            }
        }
        let metrics = self.services.common.metrics();
        metrics.batches.inc_by(batches.len() as u64);
        metrics.batch_records.inc_by(turn.records.len() as u64);
        metrics.append_time.add(started.elapsed());
        let last = next + -1;
        match wait.into_outcomes() {
            Ok(outcomes) => self.waited(&outcomes, turn.term, last),
            Err(wait) => {
                let follow = Arc::clone(self).follow(wait, turn.term, last);
                self.services.tasks.spawn(follow);
            }
        }
    }

    fn append_batch(
        &self,
        batch: &RecordsBatch,
        turn: &Turn<S::Record>,
        (wait, place): (&AckWait, usize),
    ) -> Result<Offset, ErrorCode> {
        let valid = ValidatedBatch::trusted(&batch.bytes);
        let write = LeaderWrite {
            batch: &valid.expect("a batch that was just built is whole"),
            origin: Origin::Coordinator,
            expected_epoch: Some(turn.epoch),
            guard: None,
            transaction_version: 0,
            ticket: Some(wait.ticket(place)),
        };
        match self.services.replicas.append(&self.partition, write) {
            Ok(appended) => Ok(appended.info.first_offset),
            Err(error) => {
                if let Some(suppressed) = NOT_WRITTEN.pass() {
                    let partition = self.partition.name();
                    tracing::warn!(%partition, %error, suppressed, "what was decided on {} is not written", S::CONTENTS);
                }
                Err(error.code())
            }
        }
    }

    /// Tells the shard how large a record may be, if that has changed.
    fn follow_settings(&self, max_message_bytes: usize) {
        let mut state = self.lock();
        if state.max_message_bytes != max_message_bytes {
            state.max_message_bytes = max_message_bytes;
            if let Phase::Running(shard) = &mut state.phase {
                let max_record_bytes = max_record_bytes(max_message_bytes);
                shard.set_max_record_bytes(&self.services.common, max_record_bytes);
            }
        }
    }

    /// Waits until an append is committed; `last` is its last offset.
    pub(super) async fn follow(self: Arc<Self>, wait: AckWait, term: u64, last: Offset) {
        let timeout = self.services.settings.commit_timeout;
        let outcomes = self.services.replicas.wait_for_acks(wait, timeout).await;
        self.waited(&outcomes, term, last);
    }

    /// Acts on how the waits for the commit of records up to `last` have ended.
    fn waited(self: &Arc<Self>, outcomes: &[AckOutcome], term: u64, last: Offset) {
        let worst = |outcome| outcomes.contains(&outcome);
        if worst(AckOutcome::NotLeader) {
            self.start_over(term, append_error(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        } else if worst(AckOutcome::StorageFailed) {
            self.start_over(term, append_error(ErrorCode::KAFKA_STORAGE_ERROR));
        } else if worst(AckOutcome::Waiting) {
            self.timed_out(term, last);
        } else {
            // Even if too few replicas are in sync by now, the records are committed.
            self.committed(term);
        }
    }

    fn committed(&self, term: u64) {
        let mut deliveries = Deliveries::default();
        let mut state = self.lock();
        if state.term == term {
            state.retry.written();
            let high_watermark = self.partition.high_watermark();
            state.waiters.committed(high_watermark, &mut deliveries);
        }
        drop(state);
        deliveries.send();
    }

    fn timed_out(&self, term: u64, last: Offset) {
        if let Some(suppressed) = NOT_COMMITTED.pass() {
            let partition = self.partition.name();
            tracing::warn!(%partition, %last, suppressed, "records of {} are not committed in time", S::CONTENTS);
        }
        let mut deliveries = Deliveries::default();
        let mut state = self.lock();
        if state.term == term {
            let error = append_error(ErrorCode::REQUEST_TIMED_OUT);
            state.waiters.timed_out(last, error, &mut deliveries);
        }
        drop(state);
        deliveries.send();
    }

    /// Loads the shard again: nothing counts that was decided since the last append, and the log says what
    /// does.
    fn start_over(self: &Arc<Self>, term: u64, error: ErrorCode) {
        self.services.common.metrics().failed_appends.inc();
        let mut state = self.lock();
        if state.term != term {
            return;
        }
        state.retry.failed(Instant::now());
        let term = self.end(state, Phase::Loading, error);
        self.load_soon(term);
    }
}
