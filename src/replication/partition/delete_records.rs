//! Deletes records from the front on request (DeleteRecords). The request waits until every living replica
//! has done so, and the copy of one that changes directories.

use super::{News, Partition, Role, State};
use crate::model::{BrokerId, Offset};
use crate::replication::delayed::{AckOutcome, AckTicket, Woken};
use crate::replication::error::ReplicaError;
use crate::storage::log::OffsetOutOfRange;

/// The number in a request that stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;

impl Partition {
    /// Deletes the records below `offset`; -1 stands for the high watermark. Returns the low watermark: the
    /// lowest log start of the living replicas, and of a copy that is being filled here. If it is lower
    /// than what was asked for, the ticket waits when this returns.
    ///
    /// # Errors
    /// The partition is not led here, its topic's records are only compacted away, or there is no such
    /// offset below the high watermark.
    pub fn delete_records(
        &self,
        offset: i64,
        is_alive: impl Fn(BrokerId) -> bool,
        ticket: Option<AckTicket>,
    ) -> Result<Offset, ReplicaError> {
        let mut state = self.state.lock();
        state.leadership_mut()?.set_alive(is_alive);
        let wanted = state.deletable_below(offset)?;
        let mut news = News::default();
        if state.raise_log_start(wanted) {
            news.advance.get_or_insert_default();
        }
        let low_watermark = state.low_watermark()?;
        if let Some(ticket) = ticket.filter(|_| low_watermark < wanted) {
            state.deletions.push(wanted, ticket);
        }
        self.finish(state, news);
        Ok(low_watermark)
    }

    /// The lowest log start of the living replicas, and of a copy.
    ///
    /// # Errors
    /// The partition is not led here.
    pub fn low_watermark(&self) -> Result<Offset, ReplicaError> {
        self.state.lock().low_watermark()
    }
}

impl State {
    fn deletable_below(&self, offset: i64) -> Result<Offset, ReplicaError> {
        if !self.config.deletes_records() {
            return Err(ReplicaError::PolicyViolation);
        }
        let offset = if offset == HIGH_WATERMARK {
            self.high_watermark
        } else {
            Offset(offset)
        };
        if offset < Offset::ZERO || offset > self.high_watermark {
            return Err(ReplicaError::OffsetOutOfRange(OffsetOutOfRange {
                offset,
                log_start_offset: self.log.log_start_offset(),
                end_offset: self.high_watermark,
            }));
        }
        Ok(offset)
    }

    fn low_watermark(&self) -> Result<Offset, ReplicaError> {
        Ok(self.leadership()?.low_watermark(self.local_start()))
    }

    /// The lowest log start on this broker: that of the log, or of its copy.
    fn local_start(&self) -> Offset {
        let start = self.log.log_start_offset();
        self.copy_start.map_or(start, |copy| copy.min(start))
    }

    /// Ends the waits for deletions that all living replicas have carried out.
    pub(super) fn advance_deletions(&mut self) -> Woken {
        let Role::Leader(leadership) = &self.role else {
            return Woken::default();
        };
        if self.deletions.is_empty() {
            return Woken::default();
        }
        let low_watermark = leadership.low_watermark(self.local_start());
        self.deletions.advance(low_watermark, AckOutcome::Committed)
    }

    /// Ends all waits, those of producers and those for deletions.
    pub(super) fn fail_waits(&mut self, outcome: AckOutcome) -> Woken {
        let mut woken = self.acks.fail(outcome);
        woken.extend(self.deletions.fail(outcome));
        woken
    }
}
