//! Transactions that are being verified with their coordinator before the first append (KIP-890).
//!
//! A guard is handed out before the coordinator is asked, and shown again at the append. A marker written
//! in between revokes it, so a late answer never opens a transaction that has already ended.

use std::collections::BTreeMap;

use crate::model::{ProducerId, Timestamp};

/// The proof that a verification began, and was not revoked since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationGuard(u64);

/// A verification that no append has used yet.
#[derive(Clone, Debug)]
pub(super) struct Verification {
    guard: VerificationGuard,
    started_at: Timestamp,
    /// The lowest sequence number that was seen. A higher one may not overtake it: the lower would be out
    /// of order for ever.
    pub(super) lowest_sequence: i32,
    producer_epoch: i16,
    /// Whether the client speaks transactions version 2, in which each transaction has an epoch of its own.
    pub(super) bumps_epoch: bool,
}

/// The verifications under way in one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Verifications {
    by_producer: BTreeMap<ProducerId, Verification>,
    issued: u64,
}

impl Verifications {
    /// Begins a verification, or joins the one under way.
    pub(super) fn start(
        &mut self,
        (producer_id, producer_epoch): (ProducerId, i16),
        sequence: i32,
        bumps_epoch: bool,
        now: Timestamp,
    ) -> VerificationGuard {
        let issued = &mut self.issued;
        let verification = self.by_producer.entry(producer_id).or_insert_with(|| {
            *issued += 1;
            Verification {
                guard: VerificationGuard(*issued),
                started_at: now,
                lowest_sequence: sequence,
                producer_epoch,
                bumps_epoch,
            }
        });
        // A newer epoch numbers its batches anew.
        if producer_epoch > verification.producer_epoch {
            verification.producer_epoch = producer_epoch;
            verification.lowest_sequence = sequence;
        } else if producer_epoch == verification.producer_epoch {
            verification.lowest_sequence = verification.lowest_sequence.min(sequence);
        }
        verification.guard
    }

    pub(super) fn get(&self, producer_id: ProducerId) -> Option<&Verification> {
        self.by_producer.get(&producer_id)
    }

    pub(super) fn holds(&self, producer_id: ProducerId, guard: Option<VerificationGuard>) -> bool {
        let held = self.by_producer.get(&producer_id).map(|it| it.guard);
        held.is_some() && held == guard
    }

    /// Notes that a transactional data batch was appended: the transaction is open, so the guard is used
    /// up.
    pub(super) fn used(&mut self, producer_id: ProducerId) {
        self.by_producer.remove(&producer_id);
    }

    /// Notes that a marker was appended. It revokes the verification under way, unless with version 2 that
    /// is already for the next transaction, which has the marker's epoch.
    pub(super) fn ended(&mut self, producer_id: ProducerId, marker_epoch: i16) {
        let is_next = |it: &Verification| it.bumps_epoch && it.producer_epoch == marker_epoch;
        if !self.by_producer.get(&producer_id).is_some_and(is_next) {
            self.by_producer.remove(&producer_id);
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp, after_ms: i64) {
        self.by_producer
            .retain(|_, it| now.0 - it.started_at.0 < after_ms);
    }
}
