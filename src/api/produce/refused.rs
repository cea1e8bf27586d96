//! Batches of idempotent producers that were refused for now, and what is said of those sent behind them.
//!
//! A producer has several batches of a partition in flight. If the first is refused for want of in-sync
//! replicas, or because this broker does not lead yet, and the reason is gone before the second is looked
//! at, that one is out of order. Kafka says so (OUT_OF_ORDER_SEQUENCE_NUMBER), whereupon librdkafka raises
//! its epoch and sends everything again that is not acknowledged, to all partitions: what had been written
//! by then is written twice. And of a producer that is new here it takes the second batch, so that the
//! first, when it comes again, is refused for good. So a batch behind one that was refused for now, and that the
//! log still lacks, is refused like that one: the producer sends both again, in order.
//!
//! | noted | comes | the log has | answer |
//! | --- | --- | --- | --- |
//! | 5 | 6, or any above, same epoch | up to 4 | as 5 was refused |
//! | 5 | 6, or any above, same epoch | nothing of the producer | as 5 was refused |
//! | 5 | 7 | up to 5 or 6, as another broker led meanwhile | the log's |
//! | 5 | 5, or below | | the log's; if 5 is appended, it is forgotten |
//! | 5, longer ago than [`WINDOW`] | 6 | | the log's |
//! | 5 | any of another epoch | | the log's |

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::model::{ProducerId, TopicIdPartition};
use crate::protocol::ErrorCode;
use crate::records::BatchHeader;

/// For how long a refusal is remembered: what was in flight behind the batch has come by then.
const WINDOW: Duration = Duration::from_secs(10);
/// How many refusals are remembered. Clients choose how many there are.
const MOST: usize = 10_000;

/// Whose batch, and where to.
type Key = (TopicIdPartition, ProducerId);

/// The first of the batches of a producer that were refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    epoch: i16,
    sequence: i32,
    /// Why.
    pub(super) code: ErrorCode,
    at: Instant,
}

/// The batches that were refused for now.
#[derive(Debug, Default)]
pub(in crate::api) struct RefusedForNow {
    /// How many are remembered. While there is none, an append reads this and nothing else.
    count: AtomicUsize,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    refused: HashMap<Key, Refused>,
    /// When the last refusal was noted.
    last: Option<Instant>,
}

impl RefusedForNow {
    /// The batch before this one that was refused, and was not appended here since.
    pub(super) fn before(
        &self,
        partition: TopicIdPartition,
        batch: &BatchHeader,
    ) -> Option<Refused> {
        if self.count.load(Ordering::Relaxed) == 0 || !batch.has_producer_id() {
            return None;
        }
        self.before_at(partition, batch, Instant::now())
    }

    fn before_at(
        &self,
        partition: TopicIdPartition,
        batch: &BatchHeader,
        now: Instant,
    ) -> Option<Refused> {
        let mut noted = self.noted.lock();
        // Producers that have gone to another leader come back for nothing: appends must not look for ever.
        if noted
            .last
            .is_none_or(|at| now.saturating_duration_since(at) >= WINDOW)
        {
            *noted = Noted::default();
            self.count.store(0, Ordering::Relaxed);
        }
        let first = *noted.refused.get(&(partition, batch.producer_id()))?;
        let is_behind = first.epoch == batch.producer_epoch()
            && is_above(batch.base_sequence(), first.sequence)
            && !first.is_old(now);
        is_behind.then_some(first)
    }

    /// Notes that the batch was refused, if it may be accepted when it comes again.
    pub(super) fn note(
        &self,
        partition: TopicIdPartition,
        batch: &BatchHeader,
        code: ErrorCode,
        now: Instant,
    ) {
        let is_for_now = [
            ErrorCode::NOT_ENOUGH_REPLICAS,
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ];
        if !batch.has_producer_id() || !is_for_now.contains(&code) {
            return;
        }
        let mut noted = self.noted.lock();
        noted.last = Some(now);
        let refused = &mut noted.refused;
        let key = (partition, batch.producer_id());
        if refused.len() >= MOST && !refused.contains_key(&key) {
            refused.retain(|_, first| !first.is_old(now));
            if refused.len() >= MOST {
                return;
            }
        }
        let new = Refused {
            epoch: batch.producer_epoch(),
            sequence: batch.base_sequence(),
            code,
            at: now,
        };
        let first = refused.entry(key).or_insert(new);
        let is_behind = first.epoch == new.epoch
            && is_above(new.sequence, first.sequence)
            && !first.is_old(now);
        if !is_behind {
            *first = new;
        }
        self.count.store(refused.len(), Ordering::Relaxed);
    }

    /// Notes that the batch was appended, or had been before: those behind it are in order.
    pub(super) fn forget(&self, partition: TopicIdPartition, batch: &BatchHeader) {
        if self.count.load(Ordering::Relaxed) == 0 || !batch.has_producer_id() {
            return;
        }
        let refused = &mut self.noted.lock().refused;
        let key = (partition, batch.producer_id());
        let is_still_missing = |first: &Refused| {
            first.epoch == batch.producer_epoch() && is_above(first.sequence, batch.base_sequence())
        };
        if refused
            .get(&key)
            .is_some_and(|first| !is_still_missing(first))
        {
            refused.remove(&key);
            self.count.store(refused.len(), Ordering::Relaxed);
        }
    }
}

impl Refused {
    /// Whether a log that has the producer's batches up to this sequence number lacks the batch.
    pub(super) fn is_missing_after(&self, last_sequence: i32) -> bool {
        is_above(self.sequence, last_sequence)
    }

    fn is_old(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= WINDOW
    }
}

/// Whether a sequence number comes after another: behind the highest they begin at 0 again.
fn is_above(sequence: i32, other: i32) -> bool {
    let distance = (i64::from(sequence) - i64::from(other)).rem_euclid(1 << 31);
    0 < distance && distance < 1 << 30
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Offset, Uuid};
    use crate::records::{BatchBuilder, NewRecord};

    const PARTITION: TopicIdPartition = TopicIdPartition {
        topic_id: Uuid::from_bytes([1; 16]),
        partition: 0,
    };

    fn header(producer: i64, epoch: i16, sequence: i32) -> BatchHeader {
        let builder = BatchBuilder::new(Offset::ZERO);
        let mut builder = builder.producer(ProducerId(producer), epoch, sequence);
        builder.append(NewRecord::default());
        let bytes = builder.build();
        let parsed = BatchHeader::parse(&bytes).expect("it is good");
        parsed.expect("it is whole")
    }

    fn answers(refused: &RefusedForNow, sequences: &[i32], now: Instant) -> Vec<bool> {
        let ask = |sequence| refused.before_at(PARTITION, &header(7, 0, sequence), now);
        sequences.iter().map(|it| ask(*it).is_some()).collect()
    }

    #[test]
    fn what_is_behind_a_refused_batch_is_refused_like_it_until_that_comes_again() {
        let (refused, now) = (RefusedForNow::default(), Instant::now());
        assert_eq!(answers(&refused, &[0, 5, 6], now), [false; 3]);

        refused.note(
            PARTITION,
            &header(7, 0, 5),
            ErrorCode::NOT_ENOUGH_REPLICAS,
            now,
        );

        let first = refused.before_at(PARTITION, &header(7, 0, 6), now);
        let first = first.expect("it was refused");
        assert_eq!(first.code, ErrorCode::NOT_ENOUGH_REPLICAS);
        let missing_after = [-1, 4, 5, 6].map(|last| first.is_missing_after(last));
        assert_eq!(missing_after, [true, true, false, false]);
        assert_eq!(
            answers(&refused, &[4, 5, 6, 400], now),
            [false, false, true, true]
        );
        assert!(
            refused
                .before_at(PARTITION, &header(7, 1, 6), now)
                .is_none()
        );
        assert!(
            refused
                .before_at(PARTITION, &header(8, 0, 6), now)
                .is_none()
        );

        refused.note(
            PARTITION,
            &header(7, 0, 6),
            ErrorCode::NOT_ENOUGH_REPLICAS,
            now,
        );
        assert_eq!(
            answers(&refused, &[5, 6], now),
            [false, true],
            "5 is still the first"
        );

        refused.forget(PARTITION, &header(7, 0, 4));
        assert_eq!(answers(&refused, &[5, 6], now), [false, true]);
        refused.forget(PARTITION, &header(7, 0, 5));
        assert_eq!(answers(&refused, &[6, 7], now), [false; 2]);
        assert_eq!(refused.count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_refusal_is_remembered_for_a_while_only() {
        let (refused, now) = (RefusedForNow::default(), Instant::now());
        refused.note(
            PARTITION,
            &header(7, 0, 5),
            ErrorCode::NOT_ENOUGH_REPLICAS,
            now,
        );
        assert_eq!(answers(&refused, &[6], now + WINDOW / 2), [true]);
        assert_eq!(answers(&refused, &[6], now + WINDOW), [false]);
        assert_eq!(
            refused.count.load(Ordering::Relaxed),
            0,
            "nobody looks any more"
        );

        refused.note(
            PARTITION,
            &header(7, 0, 9),
            ErrorCode::NOT_ENOUGH_REPLICAS,
            now + WINDOW,
        );
        assert_eq!(answers(&refused, &[9, 10], now + WINDOW), [false, true]);
    }

    #[test]
    fn a_refusal_for_good_says_nothing_of_the_batches_behind_it() {
        let (refused, now) = (RefusedForNow::default(), Instant::now());
        for code in [
            ErrorCode::INVALID_PRODUCER_EPOCH,
            ErrorCode::CORRUPT_MESSAGE,
        ] {
            refused.note(PARTITION, &header(7, 0, 5), code, now);
        }
        assert_eq!(answers(&refused, &[6], now), [false]);
    }

    #[test]
    fn sequence_numbers_begin_again_at_0() {
        assert!(is_above(0, i32::MAX));
        assert!(!is_above(i32::MAX, 0));
        assert!(is_above(1, 0));
        assert!(!is_above(3, 3));
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let (refused, now) = (RefusedForNow::default(), Instant::now());
        let count = i64::try_from(MOST).expect("it is small");
        for producer in 0..count + 10 {
            refused.note(
                PARTITION,
                &header(producer, 0, 5),
                ErrorCode::NOT_ENOUGH_REPLICAS,
                now,
            );
        }
        assert_eq!(refused.count.load(Ordering::Relaxed), MOST);

        let later = now + WINDOW;
        refused.note(
            PARTITION,
            &header(count, 0, 5),
            ErrorCode::NOT_ENOUGH_REPLICAS,
            later,
        );
        assert_eq!(
            refused.count.load(Ordering::Relaxed),
            1,
            "the old ones went"
        );
    }
}
