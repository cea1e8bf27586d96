//! Which event the state machine gets next: committed batches in order, each once, and a leadership only
//! after everything that was committed before it.
//!
//! Batches that this node wrote itself are kept until they are committed; others are read from the
//! log.

use std::collections::VecDeque;

use super::event::CommittedBatch;
use crate::model::{LeaderEpoch, Offset};

/// The most bytes of batches kept until their commit; others are read again.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hand over this batch.
    Deliver(CommittedBatch),
    /// Read the log from this offset up to that one, and give the batches to
    /// [`Delivery::delivered`].
    Read {
        /// The offset to begin at.
        from: Offset,
        /// The offset to end at.
        up_to: Offset,
    },
    /// Tell that this node leads.
    BecomeLeader {
        /// The epoch that it leads.
        epoch: LeaderEpoch,
        /// The offset of the epoch's first batch.
        start_offset: Offset,
    },
}

/// How much the state machine was given, and what it gets next.
#[derive(Debug)]
pub struct Delivery {
    next_offset: Offset,
    high_watermark: Offset,
    leadership: Option<(LeaderEpoch, Offset)>,
    kept: VecDeque<CommittedBatch>,
    kept_bytes: usize,
}

impl Delivery {
    /// Begins with a state machine that has everything below this offset, from a snapshot.
    pub fn new(next_offset: Offset) -> Self {
        Self {
            next_offset,
            high_watermark: next_offset,
            leadership: None,
            kept: VecDeque::new(),
            kept_bytes: 0,
        }
    }

    /// The state machine has everything below.
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// Notes a batch that this node wrote at the end of its log.
    pub fn wrote(&mut self, batch: CommittedBatch) {
        self.kept_bytes += batch.size();
        self.kept.push_back(batch);
        while self.kept_bytes > MAX_KEPT_BYTES {
            self.drop_first();
        }
    }

    /// Notes that everything below is committed.
    pub fn commit(&mut self, high_watermark: Offset) {
        assert!(
            high_watermark >= self.high_watermark,
            "the high watermark never goes back"
        );
        self.high_watermark = high_watermark;
    }

    /// Goes on from a snapshot that the state machine was given. The node follows, so nothing is kept.
    pub fn restart(&mut self, next_offset: Offset) {
        *self = Self::new(next_offset.max(self.next_offset));
    }

    /// Notes that this node leads an epoch, which begins at this offset.
    pub fn lead(&mut self, epoch: LeaderEpoch, start_offset: Offset) {
        self.leadership = Some((epoch, start_offset));
    }

    /// Notes that this node leads no more.
    pub fn resign(&mut self) {
        self.kept.clear();
        self.kept_bytes = 0;
        self.leadership = None;
    }

    /// What to do next; `None` if there is nothing.
    pub fn next(&mut self) -> Option<Step> {
        let from = self.next_offset;
        // The epoch's first batch was delivered, and with it everything before.
        if let Some((epoch, start_offset)) = self.leadership
            && from > start_offset
        {
            self.leadership = None;
            return Some(Step::BecomeLeader {
                epoch,
                start_offset,
            });
        }
        if from >= self.high_watermark {
            return None;
        }
        // These were read from the log instead, or came with a snapshot.
        while self
            .kept
            .front()
            .is_some_and(|batch| batch.base_offset < from)
        {
            self.drop_first();
        }
        match self.kept.front() {
            // A batch is committed as a whole: a replica that says it has half of one is wrong.
            Some(batch)
                if batch.base_offset == from && batch.last_offset >= self.high_watermark =>
            {
                None
            }
            Some(batch) if batch.base_offset == from => {
                let batch = self.drop_first()?;
                self.delivered(&batch);
                Some(Step::Deliver(batch))
            }
            // What lies before the kept batches was written by other leaders, or was too much to be kept.
            Some(batch) => Some(Step::Read {
                from,
                up_to: batch.base_offset.min(self.high_watermark),
            }),
            None => Some(Step::Read {
                from,
                up_to: self.high_watermark,
            }),
        }
    }

    /// Notes that a batch which was read from the log was handed over.
    pub fn delivered(&mut self, batch: &CommittedBatch) {
        assert_eq!(
            batch.base_offset, self.next_offset,
            "the log is delivered without gaps"
        );
        assert!(
            batch.last_offset < self.high_watermark,
            "only what is committed is delivered"
        );
        self.next_offset = batch.last_offset + 1;
    }

    fn drop_first(&mut self) -> Option<CommittedBatch> {
        let batch = self.kept.pop_front()?;
        self.kept_bytes -= batch.size();
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::model::Timestamp;

    fn batch(base_offset: i64, size: usize) -> CommittedBatch {
        CommittedBatch {
            base_offset: Offset(base_offset),
            last_offset: Offset(base_offset),
            epoch: LeaderEpoch(1),
            append_time: Timestamp(0),
            records: vec![Bytes::from(vec![0; size])],
        }
    }

    #[test]
    fn leading_is_told_after_all_that_came_before_it() {
        let mut delivery = Delivery::new(Offset(5));
        delivery.lead(LeaderEpoch(2), Offset(7));
        delivery.wrote(batch(7, 1));
        assert_eq!(delivery.next(), None);

        delivery.commit(Offset(8));
        let read = Step::Read {
            from: Offset(5),
            up_to: Offset(7),
        };
        assert_eq!(delivery.next(), Some(read));
        delivery.delivered(&batch(5, 1));
        delivery.delivered(&batch(6, 1));

        assert_eq!(delivery.next(), Some(Step::Deliver(batch(7, 1))));
        let lead = Step::BecomeLeader {
            epoch: LeaderEpoch(2),
            start_offset: Offset(7),
        };
        assert_eq!(delivery.next(), Some(lead));
        assert_eq!(delivery.next(), None);
    }

    #[test]
    fn a_leadership_that_ended_before_it_was_told_is_not_told() {
        let mut delivery = Delivery::new(Offset(5));
        delivery.lead(LeaderEpoch(2), Offset(5));

        delivery.resign();
        delivery.commit(Offset(6));

        let read = Step::Read {
            from: Offset(5),
            up_to: Offset(6),
        };
        assert_eq!(delivery.next(), Some(read));
        delivery.delivered(&batch(5, 1));
        assert_eq!(delivery.next(), None);
    }

    #[test]
    fn a_batch_is_told_only_when_all_of_it_is_committed() {
        let mut delivery = Delivery::new(Offset(0));
        let two = CommittedBatch {
            last_offset: Offset(1),
            ..batch(0, 1)
        };
        delivery.wrote(two.clone());

        delivery.commit(Offset(1));
        assert_eq!(delivery.next(), None);
        delivery.commit(Offset(2));
        assert_eq!(delivery.next(), Some(Step::Deliver(two)));
    }

    #[test]
    fn what_waits_too_long_for_its_commit_is_read_again() {
        let mut delivery = Delivery::new(Offset(0));
        for offset in 0..3 {
            delivery.wrote(batch(offset, MAX_KEPT_BYTES / 2));
        }
        delivery.commit(Offset(3));

        let read = Step::Read {
            from: Offset(0),
            up_to: Offset(1),
        };
        assert_eq!(delivery.next(), Some(read));
        delivery.delivered(&batch(0, 1));
        assert!(
            matches!(delivery.next(), Some(Step::Deliver(batch)) if batch.base_offset == Offset(1))
        );
    }
}
