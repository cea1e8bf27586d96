//! What a partition knows of its producers, and of the transactions open in it.
//!
//! It answers whether a batch may follow what is in the log ([`ProducerState::check`]) and learns every
//! batch that was written ([`ProducerState::append`]). It is a function of the log alone: a snapshot plus
//! the batches after it give the same state on every replica. The rules are those of KIP-98, KIP-360 and
//! KIP-890. `producer_snapshot` reads and writes the files.

mod entry;
mod verification;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::model::{Offset, ProducerId, Timestamp};

pub use entry::{AppendedBatch, NO_PRODUCER_EPOCH, NO_SEQUENCE, ProducerEntry, REMEMBERED_BATCHES};
pub use verification::VerificationGuard;

use verification::Verifications;

/// What the header of a data batch tells of its producer, once its offsets are assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerBatch {
    /// The producer's id: 0 or above, as batches without one leave no trace here.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The sequence number of the first record; [`NO_SEQUENCE`] for a coordinator's own batches.
    pub first_sequence: i32,
    /// The sequence number of the last record.
    pub last_sequence: i32,
    /// The offset of the first record.
    pub first_offset: Offset,
    /// The offset of the last record.
    pub last_offset: Offset,
    /// The largest timestamp of its records.
    pub max_timestamp: Timestamp,
    /// Whether it belongs to a transaction.
    pub transactional: bool,
}

/// A control batch that ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionMarker {
    /// The producer whose transaction ends.
    pub producer_id: ProducerId,
    /// The epoch in the marker; with transactions version 2 it is one above that of the data.
    pub producer_epoch: i16,
    /// The leader epoch of the coordinator's partition when it wrote the marker.
    pub coordinator_epoch: i32,
    /// The offset of the marker.
    pub offset: Offset,
    /// The marker's own timestamp.
    pub timestamp: Timestamp,
    /// Whether the transaction is aborted; otherwise it is committed.
    pub aborted: bool,
}

/// A transaction that a marker has ended, for the index of aborted transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedTransaction {
    /// The producer whose transaction it was.
    pub producer_id: ProducerId,
    /// The first offset of the transaction's data.
    pub first_offset: Offset,
    /// The offset of the transaction's marker.
    pub last_offset: Offset,
    /// Whether the data must be hidden from readers of committed data.
    pub aborted: bool,
    /// The first offset of the oldest transaction that stays open, or the end of this one.
    pub last_stable_offset: Offset,
}

/// Who appends, which decides how much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A producer, by a Produce request: everything is checked.
    Client,
    /// A coordinator on this broker: epochs are checked, sequence numbers are not.
    Coordinator,
}

/// What the check before an append found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The batch may be written.
    Append,
    /// The batch was written before, as this one: the answer has its offsets.
    Duplicate(AppendedBatch),
}

/// Why a batch or marker may not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerRefusal {
    /// OUT_OF_ORDER_SEQUENCE_NUMBER: the batch does not follow the producer's last one.
    #[error("sequence {found} of producer {producer_id} does not follow {expected_after}")]
    OutOfOrderSequence {
        /// The producer.
        producer_id: ProducerId,
        /// The first sequence of the batch.
        found: i32,
        /// The last known sequence number; [`NO_SEQUENCE`] if the batch had to start at 0.
        expected_after: i32,
    },
    /// INVALID_PRODUCER_EPOCH: a newer process has the producer's id.
    #[error("epoch {found} of producer {producer_id} is below the last seen, {current}")]
    InvalidProducerEpoch {
        /// The producer.
        producer_id: ProducerId,
        /// The epoch of the batch or marker.
        found: i16,
        /// The epoch of the producer's last batch or marker.
        current: i16,
    },
    /// INVALID_TXN_STATE: a plain batch while the producer's transaction is open.
    #[error("producer {producer_id} has an open transaction: the write must be transactional")]
    InTransaction {
        /// The producer.
        producer_id: ProducerId,
    },
    /// INVALID_TXN_STATE: the coordinator has not confirmed that the partition takes part.
    #[error("producer {producer_id} has no verified transaction here")]
    NotVerified {
        /// The producer.
        producer_id: ProducerId,
    },
    /// TRANSACTION_COORDINATOR_FENCED: a newer coordinator has written a marker.
    #[error("marker of coordinator epoch {found}: epoch {current} has already written here")]
    CoordinatorFenced {
        /// The epoch of the marker.
        found: i32,
        /// The epoch of the last marker that was written.
        current: i32,
    },
}

/// All producers of one partition. While there are none, it takes no memory beyond itself.
#[derive(Clone, Debug, Default)]
pub struct ProducerState {
    producers: HashMap<ProducerId, ProducerEntry, foldhash::fast::RandomState>,
    /// The first offset of each open transaction, and its producer.
    open: BTreeMap<Offset, ProducerId>,
    /// Transactions that ended with a marker at or above the high watermark: the first and last offset of
    /// each.
    unreplicated: BTreeMap<Offset, Offset>,
    verifications: Option<Box<Verifications>>,
    end_offset: Offset,
}

impl ProducerState {
    /// A state without producers, of a log that starts at `offset`.
    pub fn starting_at(offset: Offset) -> Self {
        Self {
            end_offset: offset,
            ..Self::default()
        }
    }

    /// The state covers the batches below this offset.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// Says that the state covers the log up to `offset`, with or without producers in it.
    pub fn advance_to(&mut self, offset: Offset) {
        self.end_offset = offset;
    }

    /// How many producers are remembered.
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether no producer is remembered.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// What is known of one producer.
    pub fn get(&self, producer_id: ProducerId) -> Option<&ProducerEntry> {
        self.producers.get(&producer_id)
    }

    /// All producers, by ascending id.
    pub fn entries(&self) -> Vec<(ProducerId, &ProducerEntry)> {
        let mut entries: Vec<_> = self
            .producers
            .iter()
            .map(|(&id, entry)| (id, entry))
            .collect();
        entries.sort_unstable_by_key(|&(producer_id, _)| producer_id);
        entries
    }

    /// Whether any producer has written since then.
    pub(super) fn has_active_since(&self, since: Timestamp) -> bool {
        let mut entries = self.producers.values();
        entries.any(|entry| entry.last_timestamp >= since)
    }

    /// Takes over what `seen` remembers of the producers here, which was made of the end of the same log.
    pub(super) fn recall(&mut self, seen: &Self) {
        for (producer_id, entry) in &mut self.producers {
            if let Some(seen) = seen.producers.get(producer_id) {
                entry.recall(seen);
            }
        }
    }

    /// Takes over the entry of a producer from a snapshot.
    pub(super) fn restore(&mut self, producer_id: ProducerId, entry: ProducerEntry) {
        if entry.in_transaction() {
            self.open
                .insert(entry.transaction_first_offset, producer_id);
        }
        self.producers.insert(producer_id, entry);
    }
}

/// The checks before an append.
impl ProducerState {
    /// Decides whether a data batch may be written. `guard` comes from [`Self::start_verification`]; with
    /// `verify` false (`transaction.partition.verification.enable`) a transaction may open without it.
    pub fn check(
        &self,
        batch: &ProducerBatch,
        origin: Origin,
        verify: bool,
        guard: Option<VerificationGuard>,
    ) -> Result<Verdict, ProducerRefusal> {
        let known = self.producers.get(&batch.producer_id);
        // Before any other check: a retry is answered as the first attempt was.
        if origin == Origin::Client {
            let (epoch, first, last) = (
                batch.producer_epoch,
                batch.first_sequence,
                batch.last_sequence,
            );
            if let Some(&earlier) = known.and_then(|entry| entry.find(epoch, first, last)) {
                return Ok(Verdict::Duplicate(earlier));
            }
        }
        if let Some(entry) = known {
            check_epoch(batch.producer_id, batch.producer_epoch, entry)?;
        }
        let producer_id = batch.producer_id;
        if batch.transactional && verify && !self.has_open(producer_id, batch.producer_epoch) {
            let verified = |all: &Verifications| all.holds(producer_id, guard);
            if !self.verifications.as_deref().is_some_and(verified) {
                return Err(ProducerRefusal::NotVerified { producer_id });
            }
        }
        if origin == Origin::Client {
            self.check_sequence(batch, known)?;
        }
        // The plain batch would be visible to readers of committed data in the midst of the transaction.
        if known.is_some_and(ProducerEntry::in_transaction) && !batch.transactional {
            return Err(ProducerRefusal::InTransaction { producer_id });
        }
        Ok(Verdict::Append)
    }

    fn check_sequence(
        &self,
        batch: &ProducerBatch,
        known: Option<&ProducerEntry>,
    ) -> Result<(), ProducerRefusal> {
        let out_of_order = |expected_after| ProducerRefusal::OutOfOrderSequence {
            producer_id: batch.producer_id,
            found: batch.first_sequence,
            expected_after,
        };
        let verification = self.verifications.as_deref();
        if let Some(verification) = verification.and_then(|all| all.get(batch.producer_id)) {
            let unknown = known.is_none_or(|entry| entry.batches().is_empty());
            if verification.bumps_epoch && batch.first_sequence != 0 && unknown {
                return Err(out_of_order(NO_SEQUENCE));
            }
            if batch.first_sequence > verification.lowest_sequence {
                return Err(out_of_order(verification.lowest_sequence));
            }
        }
        // What an unknown producer wrote before may have been deleted, so it may start anywhere.
        let Some(entry) = known.filter(|entry| entry.producer_epoch != NO_PRODUCER_EPOCH) else {
            return Ok(());
        };
        let last = if batch.producer_epoch == entry.producer_epoch {
            entry.last_sequence()
        } else {
            NO_SEQUENCE
        };
        if batch.first_sequence == next_sequence(last) {
            Ok(())
        } else {
            Err(out_of_order(last))
        }
    }

    /// Decides whether a marker may be written. From `transaction_version` 2 on the coordinator raises the
    /// epoch before it writes, so an equal epoch means that the marker is late; unless no transaction is
    /// open, when the marker is a harmless retry.
    pub fn check_marker(
        &self,
        marker: &TransactionMarker,
        transaction_version: i16,
    ) -> Result<(), ProducerRefusal> {
        let Some(entry) = self.producers.get(&marker.producer_id) else {
            return Ok(());
        };
        check_epoch(marker.producer_id, marker.producer_epoch, entry)?;
        let same_epoch = marker.producer_epoch == entry.producer_epoch;
        let retry = !entry.in_transaction() || marker.producer_epoch == i16::MAX;
        if transaction_version >= 2 && same_epoch && !retry {
            return Err(ProducerRefusal::InvalidProducerEpoch {
                producer_id: marker.producer_id,
                found: marker.producer_epoch,
                current: entry.producer_epoch,
            });
        }
        if marker.coordinator_epoch < entry.coordinator_epoch {
            return Err(ProducerRefusal::CoordinatorFenced {
                found: marker.coordinator_epoch,
                current: entry.coordinator_epoch,
            });
        }
        Ok(())
    }

    /// Begins to verify that a transaction of this producer includes the partition. `None` if it is known
    /// to, because data of it is here. Refused if the producer is fenced.
    pub fn start_verification(
        &mut self,
        producer: (ProducerId, i16),
        sequence: i32,
        bumps_epoch: bool,
        now: Timestamp,
    ) -> Result<Option<VerificationGuard>, ProducerRefusal> {
        let (producer_id, producer_epoch) = producer;
        if let Some(entry) = self.producers.get(&producer_id) {
            check_epoch(producer_id, producer_epoch, entry)?;
        }
        if self.has_open(producer_id, producer_epoch) {
            return Ok(None);
        }
        let verifications = self.verifications.get_or_insert_default();
        Ok(Some(verifications.start(
            producer,
            sequence,
            bumps_epoch,
            now,
        )))
    }

    fn has_open(&self, producer_id: ProducerId, producer_epoch: i16) -> bool {
        let open = |entry: &ProducerEntry| {
            entry.in_transaction() && entry.producer_epoch == producer_epoch
        };
        self.producers.get(&producer_id).is_some_and(open)
    }
}

/// Learning what was written.
impl ProducerState {
    /// Learns a data batch that is in the log: on a leader after [`Self::check`]; on a follower, and when
    /// the log is replayed, unchecked.
    pub fn append(&mut self, batch: &ProducerBatch) {
        let entry = self.producers.entry(batch.producer_id).or_default();
        let offset_delta = batch.last_offset - batch.first_offset;
        entry.remember(
            batch.producer_epoch,
            AppendedBatch {
                last_offset: batch.last_offset,
                timestamp: batch.max_timestamp,
                last_sequence: batch.last_sequence,
                offset_delta: i32::try_from(offset_delta)
                    .expect("the offsets of a batch are within an i32 of its base"),
            },
        );
        if batch.transactional {
            if !entry.in_transaction() {
                entry.transaction_first_offset = batch.first_offset;
                self.open.insert(batch.first_offset, batch.producer_id);
            }
            if let Some(verifications) = &mut self.verifications {
                verifications.used(batch.producer_id);
            }
        }
        self.end_offset = batch.last_offset + 1;
    }

    /// Learns a marker that is in the log. `None` if it ended no transaction with data here.
    pub fn append_marker(&mut self, marker: &TransactionMarker) -> Option<CompletedTransaction> {
        let entry = self.producers.entry(marker.producer_id).or_default();
        let first_offset = entry.transaction_first_offset;
        let had_data = entry.in_transaction();
        entry.enter_epoch(marker.producer_epoch);
        entry.coordinator_epoch = marker.coordinator_epoch;
        entry.transaction_first_offset = Offset::NONE;
        entry.last_timestamp = marker.timestamp;
        if let Some(verifications) = &mut self.verifications {
            verifications.ended(marker.producer_id, marker.producer_epoch);
        }
        self.end_offset = marker.offset + 1;
        if !had_data {
            return None;
        }
        self.open.remove(&first_offset);
        self.unreplicated.insert(first_offset, marker.offset);
        Some(CompletedTransaction {
            producer_id: marker.producer_id,
            first_offset,
            last_offset: marker.offset,
            aborted: marker.aborted,
            last_stable_offset: self.first_open_offset().unwrap_or(marker.offset + 1),
        })
    }

    /// Forgets producers that wrote nothing for `producer.id.expiration.ms`, except for those with an open
    /// transaction.
    pub fn expire(&mut self, now: Timestamp, after_ms: i64) {
        self.producers
            .retain(|_, entry| !is_expired(entry, now, after_ms));
        if self.producers.is_empty() {
            self.producers.shrink_to_fit();
        }
        if let Some(verifications) = &mut self.verifications {
            verifications.expire(now, after_ms);
        }
    }
}

/// Transactions.
impl ProducerState {
    /// The first offset that readers of committed data may not see, though it may be below the high
    /// watermark: the first offset of the oldest transaction that is open, or whose marker is not
    /// replicated.
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        let unreplicated = self.unreplicated.first_key_value().map(|(&first, _)| first);
        match (self.first_open_offset(), unreplicated) {
            (Some(open), Some(unreplicated)) => Some(open.min(unreplicated)),
            (open, unreplicated) => open.or(unreplicated),
        }
    }

    /// The first offset of the oldest open transaction: compaction goes no further.
    pub fn first_open_offset(&self) -> Option<Offset> {
        self.open.first_key_value().map(|(&first, _)| first)
    }

    /// Learns that markers below `high_watermark` are replicated: their transactions hold nothing back any
    /// more.
    pub fn on_high_watermark(&mut self, high_watermark: Offset) {
        if !self.unreplicated.is_empty() {
            self.unreplicated
                .retain(|_, last_offset| *last_offset >= high_watermark);
        }
    }

    /// Learns that the log now starts at `log_start_offset`.
    pub fn on_log_start(&mut self, log_start_offset: Offset) {
        self.on_high_watermark(log_start_offset);
        self.end_offset = self.end_offset.max(log_start_offset);
    }
}

pub(super) fn is_expired(entry: &ProducerEntry, now: Timestamp, after_ms: i64) -> bool {
    !entry.in_transaction() && now.0 - entry.last_timestamp.0 >= after_ms
}

fn check_epoch(
    producer_id: ProducerId,
    found: i16,
    entry: &ProducerEntry,
) -> Result<(), ProducerRefusal> {
    if found < entry.producer_epoch {
        return Err(ProducerRefusal::InvalidProducerEpoch {
            producer_id,
            found,
            current: entry.producer_epoch,
        });
    }
    Ok(())
}

/// The sequence number after `last`: 0 after the largest, and after none.
fn next_sequence(last: i32) -> i32 {
    last.checked_add(1).unwrap_or(0)
}
