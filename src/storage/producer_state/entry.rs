//! What a partition remembers of one producer: its epoch, its last five batches, its open transaction.
//!
//! A client with idempotence may have five batches in flight, so a retry of any of them is found here.

use crate::model::{Offset, Timestamp};

/// How many batches of a producer are remembered (Kafka's bound on requests in flight).
pub const REMEMBERED_BATCHES: usize = 5;

/// No producer epoch: the producer was never seen.
pub const NO_PRODUCER_EPOCH: i16 = -1;

/// No sequence number.
pub const NO_SEQUENCE: i32 = -1;

/// A batch that was appended: what is needed to recognise its retry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendedBatch {
    /// The offset of the batch's last record.
    pub last_offset: Offset,
    /// The largest timestamp in the batch; with log append time, when it was appended.
    pub timestamp: Timestamp,
    /// The sequence number of the batch's last record.
    pub last_sequence: i32,
    /// The last offset minus the first offset: 0 or above.
    pub offset_delta: i32,
}

impl AppendedBatch {
    /// The offset of the batch's first record.
    pub fn first_offset(&self) -> Offset {
        self.last_offset + -i64::from(self.offset_delta)
    }

    /// The sequence number of the batch's first record. Sequence numbers wrap from `i32::MAX` to 0.
    pub fn first_sequence(&self) -> i32 {
        let first = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        let first = if self.last_sequence != NO_SEQUENCE && first < 0 {
            first + i64::from(i32::MAX) + 1
        } else {
            first
        };
        i32::try_from(first).unwrap_or(NO_SEQUENCE)
    }
}

/// The state of one producer in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    /// The largest timestamp of the last batch, or the time of the last marker.
    pub last_timestamp: Timestamp,
    /// The first offset of the open transaction; [`Offset::NONE`] if none is open.
    pub transaction_first_offset: Offset,
    /// The epoch of the coordinator that wrote the last marker; -1 if there was none.
    pub coordinator_epoch: i32,
    /// The epoch of the last batch or marker; [`NO_PRODUCER_EPOCH`] if there was none.
    pub producer_epoch: i16,
    remembered: u8,
    batches: [AppendedBatch; REMEMBERED_BATCHES],
}

impl Default for ProducerEntry {
    fn default() -> Self {
        Self {
            last_timestamp: Timestamp::NONE,
            transaction_first_offset: Offset::NONE,
            coordinator_epoch: -1,
            producer_epoch: NO_PRODUCER_EPOCH,
            remembered: 0,
            batches: [AppendedBatch::default(); REMEMBERED_BATCHES],
        }
    }
}

impl ProducerEntry {
    /// The remembered batches of the current epoch, oldest first.
    pub fn batches(&self) -> &[AppendedBatch] {
        &self.batches[..usize::from(self.remembered)]
    }

    /// The newest remembered batch.
    pub fn last_batch(&self) -> Option<&AppendedBatch> {
        self.batches().last()
    }

    /// The sequence number of the newest record; [`NO_SEQUENCE`] if no batch of this epoch is known.
    pub fn last_sequence(&self) -> i32 {
        self.last_batch()
            .map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    /// Whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.transaction_first_offset != Offset::NONE
    }

    /// The remembered batch with exactly this range of sequence numbers, if the epoch is the same.
    pub fn find(&self, producer_epoch: i16, first: i32, last: i32) -> Option<&AppendedBatch> {
        if producer_epoch != self.producer_epoch {
            return None;
        }
        self.batches()
            .iter()
            .find(|batch| batch.first_sequence() == first && batch.last_sequence == last)
    }

    /// Remembers a batch, and forgets the oldest if there are too many, or all those of another epoch.
    pub fn remember(&mut self, producer_epoch: i16, batch: AppendedBatch) {
        self.enter_epoch(producer_epoch);
        let remembered = usize::from(self.remembered);
        if remembered == REMEMBERED_BATCHES {
            self.batches.rotate_left(1);
            self.batches[REMEMBERED_BATCHES - 1] = batch;
        } else {
            self.batches[remembered] = batch;
            self.remembered += 1;
        }
        self.last_timestamp = batch.timestamp;
    }

    /// Remembers the batches of `seen`, if they end with the last one that is remembered here.
    pub fn recall(&mut self, seen: &Self) {
        let last = |entry: &Self| entry.last_batch().map(|batch| batch.last_offset);
        if seen.producer_epoch == self.producer_epoch && last(seen) == last(self) {
            (self.remembered, self.batches) = (seen.remembered, seen.batches);
        }
    }

    /// Takes over an epoch. Sequence numbers start again in it, so the batches of another epoch are
    /// forgotten.
    pub fn enter_epoch(&mut self, producer_epoch: i16) {
        if self.producer_epoch != producer_epoch {
            self.producer_epoch = producer_epoch;
            self.remembered = 0;
            self.batches = [AppendedBatch::default(); REMEMBERED_BATCHES];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(last_sequence: i32, offset_delta: i32) -> AppendedBatch {
        AppendedBatch {
            last_offset: Offset(100),
            timestamp: Timestamp(1),
            last_sequence,
            offset_delta,
        }
    }

    #[test]
    fn the_first_sequence_is_found_across_the_wrap() {
        assert_eq!(batch(9, 9).first_sequence(), 0);
        assert_eq!(batch(0, 0).first_sequence(), 0);
        assert_eq!(batch(1, 3).first_sequence(), i32::MAX - 1);
        assert_eq!(batch(i32::MAX, 1).first_sequence(), i32::MAX - 1);
    }

    #[test]
    fn only_the_last_five_batches_of_an_epoch_are_remembered() {
        let mut entry = ProducerEntry::default();
        for sequence in 0..7 {
            entry.remember(0, batch(sequence, 0));
        }

        assert_eq!(entry.batches().len(), REMEMBERED_BATCHES);
        assert_eq!(entry.find(0, 1, 1), None);
        assert_eq!(entry.find(0, 2, 2), Some(&batch(2, 0)));
        assert_eq!(entry.find(0, 6, 6), Some(&batch(6, 0)));
        assert_eq!(entry.find(1, 6, 6), None);

        entry.remember(1, batch(0, 0));
        assert_eq!(entry.batches(), [batch(0, 0)]);
    }
}
