//! What a replica's log has, batch by batch, as read from the log itself.

use std::hash::{DefaultHasher, Hasher as _};

use broker::model::{LeaderEpoch, Offset};
use broker::records::Batches;
use broker::replication::delayed::Interest;
use broker::replication::fetch_session::PartitionRequest;
use broker::replication::partition::{Partition, Reader};

/// A batch of a log. Two that are equal have the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub base: Offset,
    pub last: Offset,
    pub epoch: LeaderEpoch,
    /// The producer, and its first sequence number.
    pub producer: (i64, i32),
    pub hash: u64,
}

/// The batches of a log in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shadow {
    pub entries: Vec<Entry>,
}

impl Shadow {
    pub fn end(&self) -> Offset {
        self.entries
            .last()
            .map_or(Offset::ZERO, |last| last.last + 1)
    }

    /// The batch that begins at an offset.
    pub fn at(&self, base: Offset) -> Option<&Entry> {
        let place = self.entries.partition_point(|entry| entry.base < base);
        self.entries.get(place).filter(|entry| entry.base == base)
    }

    /// Whether the log has this batch.
    pub fn has(&self, entry: &Entry) -> bool {
        self.at(entry.base) == Some(entry)
    }

    /// Forgets what lies at or above an offset.
    pub fn cut(&mut self, offset: Offset) {
        self.entries.retain(|entry| entry.last < offset);
    }

    /// Reads on to the end of the log. Returns how many batches were known already; `None` if the log cannot
    /// be read.
    pub fn read_on(&mut self, partition: &Partition) -> Option<usize> {
        self.cut(partition.end_offset());
        let known = self.entries.len();
        while self.end() < partition.end_offset() {
            let request = PartitionRequest {
                fetch_offset: self.end(),
                max_bytes: i32::MAX,
                current_leader_epoch: LeaderEpoch::NONE,
                last_fetched_epoch: LeaderEpoch::NONE,
                log_start_offset: Offset::NONE,
            };
            let reader = Reader {
                interest: Interest::LogEnd,
                only_leader: false,
                follower: None,
                near: &[],
            };
            let plan = partition.plan_fetch(&request, reader).ok()?;
            let fetched = plan.read(u32::MAX, true).ok()?;
            let read = entries(fetched.payload.bytes()?);
            if read.is_empty() {
                return None;
            }
            for entry in read {
                assert_eq!(
                    entry.base,
                    self.end(),
                    "the batches of a log follow each other"
                );
                self.entries.push(entry);
            }
        }
        Some(known)
    }
}

/// The whole batches in some bytes.
pub fn entries(bytes: &[u8]) -> Vec<Entry> {
    let batches = Batches::new(bytes).map_while(Result::ok);
    let entries = batches.map(|batch| {
        assert!(batch.crc_is_valid(), "a damaged batch is never read");
        let header = batch.header();
        let mut hasher = DefaultHasher::new();
        hasher.write(batch.bytes());
        Entry {
            base: header.base_offset(),
            last: header.last_offset(),
            epoch: header.partition_leader_epoch(),
            producer: (header.producer_id().0, header.base_sequence()),
            hash: hasher.finish(),
        }
    });
    entries.collect()
}
