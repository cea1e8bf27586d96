//! Batches that callers have appended and the leader has not written yet. Each gets its offsets at once, so
//! that a decision can be built on the one before it, while one sync serves many of them.
//!
//! Invariant: offsets are given out in order without gaps, and only in the epoch that is led.

use bytes::Bytes;

use super::snapshot::MAX_BATCH_BYTES;
use crate::model::{LeaderEpoch, Offset};

/// The most bytes that wait for a disk that does not keep up.
const MAX_PENDING_BYTES: usize = 8 * MAX_BATCH_BYTES;

/// Why a batch was not taken. Nothing of it will be in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// This node does not lead the epoch (any more).
    #[error("this node does not lead epoch {epoch} of the metadata log")]
    NotLeader {
        /// The epoch that the caller believed this node to lead.
        epoch: LeaderEpoch,
    },
    /// The batch is larger than what replicas read in one piece.
    #[error("a batch of {size} bytes is larger than {MAX_BATCH_BYTES}")]
    TooLarge {
        /// The size of the batch's records in bytes.
        size: usize,
    },
    /// The disk does not keep up.
    #[error("{pending} bytes wait for the disk of the metadata log")]
    Overloaded {
        /// The bytes that wait to be written.
        pending: usize,
    },
}

/// The epoch that this node leads, and the offset that the next record gets.
#[derive(Clone, Copy, Debug)]
struct Leadership {
    epoch: LeaderEpoch,
    next_offset: Offset,
}

/// The batches that wait, and the offsets that they were given; see the module.
#[derive(Debug, Default)]
pub struct Accumulator {
    leadership: Option<Leadership>,
    batches: Vec<Vec<Bytes>>,
    bytes: usize,
}

impl Accumulator {
    /// Begins an epoch that this node leads: the next record gets `next_offset`.
    pub fn open(&mut self, epoch: LeaderEpoch, next_offset: Offset) {
        *self = Self {
            leadership: Some(Leadership { epoch, next_offset }),
            ..Self::default()
        };
    }

    /// Ends the epoch: batches that wait are dropped.
    pub fn close(&mut self) {
        *self = Self::default();
    }

    /// Takes a batch, which is not empty. Returns the offset of its last record.
    pub fn append(
        &mut self,
        epoch: LeaderEpoch,
        records: Vec<Bytes>,
    ) -> Result<Offset, AppendError> {
        assert!(!records.is_empty(), "a batch has at least one record");
        let leadership = self
            .leadership
            .as_mut()
            .filter(|leadership| leadership.epoch == epoch);
        let Some(leadership) = leadership else {
            return Err(AppendError::NotLeader { epoch });
        };
        // A record without key or headers takes at most 32 bytes more than its value.
        let size: usize = records.iter().map(|record| record.len() + 32).sum();
        if size > MAX_BATCH_BYTES {
            return Err(AppendError::TooLarge { size });
        }
        if self.bytes + size > MAX_PENDING_BYTES {
            return Err(AppendError::Overloaded {
                pending: self.bytes,
            });
        }
        leadership.next_offset = leadership.next_offset + records.len() as i64;
        self.bytes += size;
        self.batches.push(records);
        Ok(leadership.next_offset + -1)
    }

    /// Takes out the batches that wait, with their epoch; `None` if none do.
    pub fn drain(&mut self) -> Option<(LeaderEpoch, Vec<Vec<Bytes>>)> {
        let epoch = self.leadership?.epoch;
        if self.batches.is_empty() {
            return None;
        }
        self.bytes = 0;
        Some((epoch, std::mem::take(&mut self.batches)))
    }

    /// Whether no batch waits.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: LeaderEpoch = LeaderEpoch(3);

    fn records(count: usize, size: usize) -> Vec<Bytes> {
        vec![Bytes::from(vec![0; size]); count]
    }

    fn open() -> Accumulator {
        let mut accumulator = Accumulator::default();
        accumulator.open(EPOCH, Offset(11));
        accumulator
    }

    #[test]
    fn batches_get_the_offsets_that_the_log_will_give_them() {
        let mut accumulator = open();

        assert_eq!(accumulator.append(EPOCH, records(1, 1)), Ok(Offset(11)));
        assert_eq!(accumulator.append(EPOCH, records(3, 1)), Ok(Offset(14)));
        let drained = accumulator.drain();
        assert_eq!(accumulator.append(EPOCH, records(1, 1)), Ok(Offset(15)));

        assert_eq!(drained, Some((EPOCH, vec![records(1, 1), records(3, 1)])));
    }

    #[test]
    fn only_the_leader_of_the_epoch_appends() {
        let mut accumulator = open();
        let refused = |epoch| Err(AppendError::NotLeader { epoch });

        for epoch in [LeaderEpoch(2), LeaderEpoch(4)] {
            assert_eq!(accumulator.append(epoch, records(1, 1)), refused(epoch));
        }
        accumulator.append(EPOCH, records(1, 1)).unwrap();
        accumulator.close();
        assert_eq!(accumulator.append(EPOCH, records(1, 1)), refused(EPOCH));
        assert_eq!(accumulator.drain(), None);
    }

    #[test]
    fn size_and_backlog_are_bounded() {
        let mut accumulator = open();

        let too_large = accumulator.append(EPOCH, records(1, MAX_BATCH_BYTES));
        assert!(matches!(too_large, Err(AppendError::TooLarge { .. })));
        for _ in 0..8 {
            accumulator
                .append(EPOCH, records(1, MAX_BATCH_BYTES - 32))
                .unwrap();
        }
        let full = accumulator.append(EPOCH, records(1, 1));
        assert!(matches!(full, Err(AppendError::Overloaded { .. })));
        assert_eq!(accumulator.drain().unwrap().1.len(), 8);
        assert_eq!(accumulator.append(EPOCH, records(1, 1)), Ok(Offset(19)));
    }
}
