//! What clients have done so far, for those who wait for more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::cluster::{PARTITIONS, TOPIC};
use crate::voice::PATIENCE;

/// What is acknowledged to some producers.
#[derive(Default)]
pub struct Acks {
    of: Mutex<BTreeMap<i32, AcksOfPartition>>,
    changed: Condvar,
}

struct AcksOfPartition {
    count: u64,
    last_at: Instant,
    longest_gap: Duration,
}

impl Acks {
    /// A message of this partition is acknowledged.
    pub fn note(&self, partition: i32) {
        let now = Instant::now();
        let mut acks = self.of.lock();
        let of = acks.entry(partition).or_insert(AcksOfPartition {
            count: 0,
            last_at: now,
            longest_gap: Duration::ZERO,
        });
        of.count += 1;
        of.longest_gap = of.longest_gap.max(now - of.last_at);
        of.last_at = now;
        self.changed.notify_all();
    }

    /// Waits until `count` more messages are acknowledged of each of these partitions.
    pub fn wait_for(&self, partitions: &[i32], count: u64) {
        let deadline = Instant::now() + PATIENCE;
        let mut acks = self.of.lock();
        let counts = |acks: &BTreeMap<i32, AcksOfPartition>| -> Vec<u64> {
            let of = |partition| acks.get(partition).map_or(0, |it| it.count);
            partitions.iter().map(of).collect()
        };
        let wanted: Vec<u64> = counts(&acks).iter().map(|it| it + count).collect();
        while counts(&acks)
            .iter()
            .zip(&wanted)
            .any(|(it, wanted)| it < wanted)
        {
            let waited = self.changed.wait_until(&mut acks, deadline);
            let counts = counts(&acks);
            assert!(
                !waited.timed_out(),
                "acknowledged of {partitions:?}: {counts:?} of {wanted:?}"
            );
        }
    }

    /// The longest time since the last call in which a partition had no message acknowledged.
    pub fn longest_gap(&self) -> Duration {
        let mut acks = self.of.lock();
        let gaps = acks.iter_mut();
        let gaps = gaps.map(|(id, it)| (std::mem::take(&mut it.longest_gap), *id));
        let longest = gaps.max();
        println!("the longest gap, and whose: {longest:?}");
        longest.unwrap_or_default().0
    }
}

/// What a group has committed.
pub struct Commits {
    group: &'static str,
    so_far: Mutex<CommitsSoFar>,
    changed: Condvar,
}

#[derive(Default)]
struct CommitsSoFar {
    count: u64,
    /// The highest offset of each partition.
    highest: BTreeMap<i32, i64>,
}

impl Commits {
    /// What this group will commit.
    pub fn of(group: &'static str) -> Self {
        Self {
            group,
            so_far: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Offsets, by partition, were committed.
    pub fn note(&self, offsets: impl Iterator<Item = (i32, i64)>) {
        let mut so_far = self.so_far.lock();
        so_far.count += 1;
        for (partition, offset) in offsets {
            let highest = so_far.highest.entry(partition).or_insert(offset);
            *highest = offset.max(*highest);
        }
        self.changed.notify_all();
    }

    /// Waits until the group has committed two more times.
    pub fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut so_far = self.so_far.lock();
        let wanted = so_far.count + 2;
        while so_far.count < wanted {
            let waited = self.changed.wait_until(&mut so_far, deadline);
            assert!(!waited.timed_out(), "{} commits no more", self.group);
        }
    }

    /// Checks that no committed offset went back; `config` says where the cluster is.
    pub fn check(&self, mut config: ClientConfig) {
        let consumer: BaseConsumer = config
            .set("group.id", self.group)
            .create()
            .expect("librdkafka's settings");
        let mut asked = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            asked.add_partition(TOPIC, partition);
        }
        let found = consumer
            .committed_offsets(asked, PATIENCE)
            .expect("an answer");
        for (partition, offset) in &self.so_far.lock().highest {
            let found = found
                .find_partition(TOPIC, *partition)
                .expect("it was asked for");
            let Offset::Offset(found) = found.offset() else {
                panic!("partition {partition}: {offset} was committed, and is gone");
            };
            assert!(
                found >= *offset,
                "partition {partition}: {offset} was committed, it is {found}"
            );
        }
    }
}
