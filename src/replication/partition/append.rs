//! Appends as the leader, for clients and coordinators.

use super::{News, Partition, Role, State};
use crate::model::{LeaderEpoch, Offset, Timestamp};
use crate::records::validate::ValidatedBatch;
use crate::replication::delayed::AckTicket;
use crate::replication::error::ReplicaError;
use crate::replication::high_watermark::effective_min_in_sync;
use crate::replication::partition::Moment;
use crate::storage::error::StorageError;
use crate::storage::log::{AppendInfo, LeaderAppend};
use crate::storage::producer_state::{Origin, VerificationGuard};

/// A batch that is about to be written by the leader.
#[derive(Debug)]
pub struct LeaderWrite<'a> {
    /// The batch, validated.
    pub batch: &'a ValidatedBatch,
    /// Whether a client or a coordinator of this broker writes.
    pub origin: Origin,
    /// The leader epoch that a coordinator expects. Requests of clients name none.
    pub expected_epoch: Option<LeaderEpoch>,
    /// The proof that the partition belongs to the producer's transaction (KIP-890).
    pub guard: Option<VerificationGuard>,
    /// The version of transactions that a marker is written with.
    pub transaction_version: i16,
    /// The ticket of a write with acks=all, which waits until the batch is committed. The write is refused
    /// if too few replicas are in sync.
    pub ticket: Option<AckTicket>,
}

/// A batch that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The batch's place in the log.
    pub info: AppendInfo,
    /// The epoch that the batch was written in.
    pub leader_epoch: LeaderEpoch,
    /// Whether a sync of the log is due: for the batch to count, or because a segment was closed.
    pub needs_flush: bool,
}

impl Partition {
    /// Writes a batch as the leader. The ticket waits when this returns, unless the batch is committed
    /// already.
    pub fn append_as_leader(
        &self,
        write: LeaderWrite<'_>,
        now: Moment,
    ) -> Result<Appended, ReplicaError> {
        let mut state = self.lock();
        state.check_may_write(&write)?;
        // What clients send would take the room that is kept for deleting.
        if self.has_full_disk() {
            let path = state.log.path().to_path_buf();
            return Err(StorageError::Full { path }.into());
        }
        let before = state.log.end_offset();
        // Followers that have all of an idle log count as caught up until this append, not until their last
        // Fetch.
        if let Role::Leader(leadership) = &mut state.role {
            leadership.before_append(before);
        }
        let append = LeaderAppend {
            epoch: state.leader_epoch,
            origin: write.origin,
            verify: state.config.verifies_transactions,
            guard: write.guard,
            transaction_version: write.transaction_version,
        };
        let info = match state.log.append_as_leader(write.batch, &append, now.wall) {
            Ok(info) => info,
            // A failed append may have changed the log as well, as by taking it offline.
            Err(error) => {
                self.finish(state, News::default());
                return Err(error.into());
            }
        };
        let mut news = News::default();
        // A duplicate is in the log already, but may still have to be waited for.
        if !info.duplicate {
            assert!(info.first_offset == before, "offsets are contiguous");
            let (end_offset, bytes) = (state.log.end_offset(), write.batch.size() as u64);
            state.ledger.appended(end_offset, bytes);
            news = state.advance(now.instant);
            news.advance.get_or_insert_default().log_end_bytes = bytes;
        }
        let needed = info.last_offset + 1;
        if let Some(ticket) = write.ticket.filter(|_| state.high_watermark < needed) {
            state.acks.push(needed, ticket);
        }
        let appended = Appended {
            info,
            leader_epoch: state.leader_epoch,
            needs_flush: state.log.flush_is_due(now.wall),
        };
        self.finish(state, news);
        Ok(appended)
    }

    /// Makes the ticket wait until everything below `offset`, which is at or below the log end, is
    /// committed. Returns false if it need not wait, because everything is committed already or this broker
    /// does not lead the partition.
    pub fn wait_until_committed(&self, offset: Offset, ticket: AckTicket) -> bool {
        let mut state = self.state.lock();
        let must_wait = state.leadership().is_ok() && state.high_watermark < offset;
        if must_wait {
            state.acks.push(offset, ticket);
        }
        must_wait
    }

    /// Begins to verify that a transaction includes this partition, see
    /// [`crate::storage::producer_state::ProducerState::start_verification`].
    pub fn start_verification(
        &self,
        producer: (crate::model::ProducerId, i16),
        sequence: i32,
        bumps_epoch: bool,
        now: Timestamp,
    ) -> Result<Option<VerificationGuard>, ReplicaError> {
        let mut state = self.state.lock();
        state.leadership()?;
        let producers = state.log.producers_mut();
        Ok(producers.start_verification(producer, sequence, bumps_epoch, now)?)
    }
}

impl State {
    fn check_may_write(&self, write: &LeaderWrite<'_>) -> Result<(), ReplicaError> {
        let leadership = self.leadership()?;
        if let Some(asked) = write.expected_epoch {
            self.check_epoch(asked)?;
        }
        if write.ticket.is_some() {
            let configured = self.config.min_insync_replicas;
            let needed = effective_min_in_sync(configured, leadership.replica_count());
            let in_sync = leadership.isr().len();
            if in_sync < needed {
                return Err(ReplicaError::NotEnoughReplicas { in_sync, needed });
            }
        }
        Ok(())
    }

    pub(super) fn raise_log_start(&mut self, offset: Offset) -> bool {
        let raised = self.log.raise_log_start_offset(offset);
        if raised {
            self.high_watermark = self.high_watermark.max(offset);
            self.last_stable_offset = self.computed_last_stable_offset();
        }
        raised
    }
}
