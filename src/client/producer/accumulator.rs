//! Records on their way: open batches, those that wait, those in flight. A partition's batches leave in order,
//! carry its sequence numbers, and after a failure leave again in the same order, one at a time.
//!
//! PURE: the time is an argument, and what is to be sent is returned.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::model::{Offset, ProducerId, Timestamp};
use crate::protocol::Str;
use crate::records::{BatchBuilder, CompressionSetting, NewRecord, sequence_after};

/// A partition: topic and number.
pub type PartitionKey = (Str, i32);

/// What bounds batches.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// A batch with so many bytes is full; a single record may have more.
    pub batch_size: usize,
    /// How long a batch waits for more records.
    pub linger: Duration,
    /// So many batches of one partition are in flight.
    pub in_flight: usize,
    /// How batches are compressed.
    pub compression: CompressionSetting,
}

/// The producer's id and epoch, by which the broker knows batches again.
pub(super) type Identity = (ProducerId, i16);

/// A record's time and the sizes of its key and value, for who has to tell that it was lost, or has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordSizes {
    /// The time that the record was sent with.
    pub timestamp: Timestamp,
    /// Bytes of the key.
    pub key: Option<usize>,
    /// Bytes of the value.
    pub value: Option<usize>,
}

/// A batch.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: u64,
    builder: BatchBuilder,
    pub(super) records: Vec<RecordSizes>,
    pub(super) created: Instant,
    /// How often it was sent.
    pub(super) attempts: u32,
    sequence: Option<i32>,
}

impl Batch {
    /// Its bytes before compression.
    pub(super) fn size(&self) -> usize {
        self.builder.size()
    }
}

/// The batches of a partition.
#[derive(Debug, Default)]
struct Queue {
    /// The last one may be open.
    waiting: VecDeque<Batch>,
    /// By id, which is their order.
    in_flight: BTreeMap<u64, Batch>,
    next_sequence: i32,
    /// Nothing leaves before: it follows a failure.
    rest_until: Option<Instant>,
}

impl Queue {
    /// Whether the first batch may leave: it is full or old enough, and does not overtake what failed.
    fn is_ready(&self, now: Instant, is_flushing: bool, limits: &BatchLimits) -> bool {
        let Some(first) = self.waiting.front() else {
            return false;
        };
        let is_again = first.attempts > 0 || self.in_flight.values().any(|it| it.attempts > 1);
        let most = if is_again { 1 } else { limits.in_flight };
        if self.in_flight.len() >= most || self.rest_until.is_some_and(|until| now < until) {
            return false;
        }
        let is_full = self.waiting.len() > 1 || first.builder.size() >= limits.batch_size;
        is_full || is_again || is_flushing || now >= first.created + limits.linger
    }
}

/// All records on their way.
#[derive(Debug)]
pub(super) struct Accumulator {
    limits: BatchLimits,
    queues: BTreeMap<PartitionKey, Queue>,
    bytes: usize,
    next_id: u64,
}

impl Accumulator {
    pub(super) fn new(limits: BatchLimits) -> Self {
        Self {
            limits,
            queues: BTreeMap::new(),
            bytes: 0,
            next_id: 0,
        }
    }

    /// Adds a record. Whether a batch of the partition may have become ready by that.
    pub(super) fn append(
        &mut self,
        now: Instant,
        key: PartitionKey,
        record: NewRecord<'_>,
    ) -> bool {
        let queue = self.queues.entry(key).or_default();
        let size = record_size(&record);
        let has_room = queue.waiting.back().is_some_and(|last| {
            let is_new = last.attempts == 0 && last.sequence.is_none();
            is_new && last.builder.size() + size <= self.limits.batch_size
        });
        if !has_room {
            self.next_id += 1;
            let builder = BatchBuilder::new(Offset(0)).compression(self.limits.compression);
            queue.waiting.push_back(Batch {
                id: self.next_id,
                builder,
                records: Vec::new(),
                created: now,
                attempts: 0,
                sequence: None,
            });
        }
        let batch = queue.waiting.back_mut().expect("it was just made");
        let before = batch.builder.size();
        batch.builder.append(record);
        batch.records.push(RecordSizes {
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::len),
            value: record.value.map(<[u8]>::len),
        });
        let size = batch.builder.size();
        self.bytes += size - before;
        !has_room || size >= self.limits.batch_size || self.limits.linger.is_zero()
    }

    /// The partitions of which a batch may leave now.
    pub(super) fn ready(&self, now: Instant, is_flushing: bool) -> Vec<PartitionKey> {
        let queues = self.queues.iter();
        let ready = queues.filter(|(_, queue)| queue.is_ready(now, is_flushing, &self.limits));
        ready.map(|(key, _)| key.clone()).collect()
    }

    /// When, after `now`, a batch becomes ready by its age alone, or after a rest.
    pub(super) fn next_deadline(&self, now: Instant, is_flushing: bool) -> Option<Instant> {
        let queues = self.queues.values();
        let deadlines = queues.filter_map(|queue| {
            let first = queue.waiting.front()?;
            let rest = queue.rest_until.unwrap_or(first.created);
            if is_flushing || first.attempts > 0 || queue.waiting.len() > 1 {
                return Some(rest);
            }
            Some(rest.max(first.created + self.limits.linger))
        });
        // What is ready already waits for an answer or for metadata.
        deadlines.filter(|deadline| *deadline > now).min()
    }

    /// Takes the first batch of a partition to be sent: its id and its bytes.
    pub(super) fn take(
        &mut self,
        key: &PartitionKey,
        identity: Option<Identity>,
    ) -> Option<(u64, Bytes)> {
        let queue = self.queues.get_mut(key)?;
        let mut batch = queue.waiting.pop_front()?;
        batch.attempts += 1;
        let mut builder = batch.builder.clone();
        if let Some((id, epoch)) = identity {
            let sequence = batch.sequence.unwrap_or_else(|| {
                let next = queue.next_sequence;
                queue.next_sequence = sequence_after(next, batch.builder.record_count());
                next
            });
            batch.sequence = Some(sequence);
            builder = builder.producer(id, epoch, sequence);
        }
        let id = batch.id;
        queue.in_flight.insert(id, batch);
        Some((id, builder.build()))
    }

    /// The batch has arrived, or is given up: it is no longer here.
    pub(super) fn remove(&mut self, key: &PartitionKey, id: u64) -> Option<Batch> {
        let queue = self.queues.get_mut(key)?;
        let batch = queue.in_flight.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(batch.builder.size());
        Some(batch)
    }

    /// The batch has failed and waits again, in its place, until `rest_until`.
    pub(super) fn put_back(&mut self, key: &PartitionKey, id: u64, rest_until: Instant) {
        let Some(queue) = self.queues.get_mut(key) else {
            return;
        };
        let Some(batch) = queue.in_flight.remove(&id) else {
            return;
        };
        let place = queue.waiting.iter().position(|it| it.id > id);
        queue
            .waiting
            .insert(place.unwrap_or(queue.waiting.len()), batch);
        queue.rest_until = Some(rest_until);
    }

    /// A batch in flight.
    pub(super) fn in_flight(&self, key: &PartitionKey, id: u64) -> Option<&Batch> {
        self.queues.get(key)?.in_flight.get(&id)
    }

    /// Whether an earlier batch of the partition has not arrived yet.
    pub(super) fn has_earlier(&self, key: &PartitionKey, id: u64) -> bool {
        self.queues.get(key).is_some_and(|queue| {
            let waiting = queue.waiting.iter().map(|batch| batch.id);
            waiting
                .chain(queue.in_flight.keys().copied())
                .any(|it| it < id)
        })
    }

    /// Begins the sequence numbers anew, for another identity. Nothing is in flight.
    pub(super) fn renumber(&mut self) {
        for queue in self.queues.values_mut() {
            assert!(queue.in_flight.is_empty(), "numbers change at rest");
            queue.next_sequence = 0;
            for batch in &mut queue.waiting {
                batch.sequence = None;
            }
        }
    }

    /// How many batches are in flight.
    pub(super) fn in_flight_count(&self) -> usize {
        self.queues
            .values()
            .map(|queue| queue.in_flight.len())
            .sum()
    }

    /// Whether all have arrived.
    pub(super) fn is_empty(&self) -> bool {
        let mut queues = self.queues.values();
        queues.all(|queue| queue.waiting.is_empty() && queue.in_flight.is_empty())
    }

    /// How many bytes of records are on their way.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// How much room a record takes at most.
pub(super) fn record_size(record: &NewRecord<'_>) -> usize {
    /// Lengths, deltas and attributes.
    const AROUND: usize = 32;
    let of = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let headers = record.headers.iter();
    let headers = headers.map(|header| header.key.len() + of(header.value) + 10);
    AROUND + of(record.key) + of(record.value) + headers.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Batch as StoredBatch;

    const IDENTITY: Option<Identity> = Some((ProducerId(7), 0));

    fn key() -> PartitionKey {
        (Str::from_static("t"), 0)
    }

    /// Batches of about two records each.
    fn accumulator(now: Instant, records: usize) -> Accumulator {
        let mut accumulator = Accumulator::new(BatchLimits {
            batch_size: 250,
            linger: Duration::from_secs(1),
            in_flight: 5,
            compression: CompressionSetting::NONE,
        });
        for _ in 0..records {
            let value = Some(&[0; 60][..]);
            let record = NewRecord {
                value,
                ..NewRecord::default()
            };
            accumulator.append(now, key(), record);
        }
        accumulator
    }

    fn sequence(bytes: &Bytes) -> i32 {
        let batch = StoredBatch::first_of(bytes)
            .expect("a batch")
            .expect("whole");
        batch.base_sequence()
    }

    #[test]
    fn a_batch_leaves_when_it_is_full_or_old_or_flushed() {
        let now = Instant::now();
        let mut some = accumulator(now, 1);

        assert_eq!(some.ready(now, false), []);
        let linger = now + Duration::from_secs(1);
        assert_eq!(some.next_deadline(now, false), Some(linger));
        assert_eq!(some.next_deadline(linger, false), None);
        assert_eq!(some.ready(now, true), [key()]);
        assert_eq!(some.ready(now + Duration::from_secs(1), false), [key()]);
        some = accumulator(now, 3);
        assert_eq!(
            some.ready(now, false),
            [key()],
            "another batch is behind it"
        );
    }

    #[test]
    fn what_failed_leaves_again_alone_in_order_with_its_number() {
        let now = Instant::now();
        let mut some = accumulator(now, 6);
        let sent: Vec<_> = (0..3).filter_map(|_| some.take(&key(), IDENTITY)).collect();
        let numbers: Vec<i32> = sent.iter().map(|(_, bytes)| sequence(bytes)).collect();
        assert_eq!(numbers, [0, 2, 4]);
        let later = now + Duration::from_millis(100);

        some.put_back(&key(), sent[1].0, later);
        assert!(some.has_earlier(&key(), sent[2].0));
        some.put_back(&key(), sent[2].0, later);
        some.remove(&key(), sent[0].0);

        let (again, bytes) = some.take(&key(), IDENTITY).expect("one waits");
        assert_eq!((again, sequence(&bytes)), (sent[1].0, 2));
        assert_eq!(some.ready(later, true), [], "the next waits for it");
        some.remove(&key(), again);
        assert_eq!(some.ready(later, true), [key()]);
        some.take(&key(), IDENTITY);
        assert_eq!(some.in_flight_count(), 1);
    }

    #[test]
    fn another_identity_begins_at_zero() {
        let now = Instant::now();
        let mut some = accumulator(now, 4);
        let (first, _) = some.take(&key(), IDENTITY).expect("one waits");
        some.put_back(&key(), first, now);

        some.renumber();
        let (_, bytes) = some
            .take(&key(), Some((ProducerId(8), 0)))
            .expect("it waits");

        assert_eq!(sequence(&bytes), 0);
        assert!(!some.is_empty() && some.bytes() > 240);
    }
}
