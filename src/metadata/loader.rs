//! Follows the committed log: batches become deltas, deltas become images.
//!
//! A metadata transaction (KIP-868) is held back until it ends, so that no reader sees a part of
//! it; if it is aborted nothing of it ever happened. While one is open, the image stays where the
//! log was before it.

use crate::metadata::delta::MetadataDelta;
use crate::metadata::image::{MetadataImage, Provenance, ReplayError};
use crate::model::Offset;
use crate::protocol::messages::metadata_records::MetadataRecord;
use crate::raft::{CommittedBatch, OffsetAndEpoch};

/// A transaction that has begun and not ended.
#[derive(Debug, Default)]
struct OpenTransaction {
    /// Records of the first batch that stand before the transaction's begin: they count in any case.
    before: Vec<MetadataRecord>,
    /// Records of the transaction.
    within: Vec<MetadataRecord>,
}

/// Turns batches into deltas and images; see the module's head.
#[derive(Debug)]
pub struct Loader {
    delta: MetadataDelta,
    transaction: Option<OpenTransaction>,
    /// The last offset that was read. While a transaction is open, it is beyond the image's.
    last_read: Offset,
    bytes_since_snapshot: u64,
}

impl Default for Loader {
    fn default() -> Self {
        Self {
            delta: MetadataDelta::new(MetadataImage::default()),
            transaction: None,
            last_read: Offset::NONE,
            bytes_since_snapshot: 0,
        }
    }
}

impl Loader {
    /// Replaces everything by what a snapshot holds. The log goes on at `id`.
    ///
    /// # Errors
    /// A record cannot be decoded or replayed.
    pub fn load_snapshot(
        &mut self,
        id: OffsetAndEpoch,
        provenance: Provenance,
        batches: &[Vec<bytes::Bytes>],
    ) -> Result<(), ReplayError> {
        let records: Vec<MetadataRecord> = batches
            .iter()
            .flatten()
            .map(decode)
            .collect::<Result<_, _>>()?;
        let base = self.delta.base().clone();
        self.delta = MetadataDelta::from_snapshot(base, &records)?;
        self.delta.set_provenance(provenance);
        self.transaction = None;
        self.last_read = id.offset + -1;
        self.bytes_since_snapshot = 0;
        Ok(())
    }

    /// Takes in the next batch of the log.
    ///
    /// # Errors
    /// A record cannot be decoded or replayed: this process cannot follow the log any further.
    pub fn load(&mut self, batch: &CommittedBatch) -> Result<(), ReplayError> {
        let mut outside = Vec::new();
        for bytes in &batch.records {
            self.bytes_since_snapshot += bytes.len() as u64;
            let record = decode(bytes)?;
            self.read(record, &mut outside)?;
        }
        self.last_read = batch.last_offset;
        if let Some(transaction) = &mut self.transaction {
            // Nothing of this batch counts yet, because an image must stand at the end of a batch.
            transaction.before.append(&mut outside);
            return Ok(());
        }
        for record in &outside {
            self.delta.replay(record)?;
        }
        self.delta.set_provenance(Provenance {
            offset: batch.last_offset,
            epoch: batch.epoch,
            timestamp: batch.append_time,
        });
        Ok(())
    }

    /// Sorts a record into the open transaction, or among those that count now.
    fn read(
        &mut self,
        record: MetadataRecord,
        outside: &mut Vec<MetadataRecord>,
    ) -> Result<(), ReplayError> {
        match (&record, &mut self.transaction) {
            (MetadataRecord::BeginTransaction(_), Some(_)) => {
                return Err(ReplayError::Transaction(
                    "a metadata transaction begins within another",
                ));
            }
            (MetadataRecord::BeginTransaction(_), None) => {
                self.transaction = Some(OpenTransaction::default());
            }
            (MetadataRecord::EndTransaction(_) | MetadataRecord::AbortTransaction(_), None) => {
                return Err(ReplayError::Transaction(
                    "a metadata transaction ends that was never begun",
                ));
            }
            (MetadataRecord::EndTransaction(_), Some(transaction)) => {
                // What the transaction held back came before the records that follow it.
                outside.splice(0..0, transaction.before.drain(..));
                outside.append(&mut transaction.within);
                self.transaction = None;
            }
            (MetadataRecord::AbortTransaction(_), Some(transaction)) => {
                outside.splice(0..0, transaction.before.drain(..));
                self.transaction = None;
            }
            (_, Some(transaction)) => transaction.within.push(record),
            (_, None) => outside.push(record),
        }
        Ok(())
    }

    /// Takes what changed since the last call. The delta's image is the base of the next one.
    pub fn take(&mut self) -> MetadataDelta {
        let next = MetadataDelta::new(self.delta.image().clone());
        std::mem::replace(&mut self.delta, next)
    }

    /// The image after all records that count so far.
    pub fn image(&self) -> &MetadataImage {
        self.delta.image()
    }

    /// Whether the image reaches further than at the last [`Self::take`].
    pub fn has_news(&self) -> bool {
        self.delta.image().provenance() != self.delta.base().provenance()
    }

    /// Whether a metadata transaction was begun and has not ended.
    pub fn has_open_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// The last offset that was read, within a transaction or not.
    pub fn last_read(&self) -> Offset {
        self.last_read
    }

    /// How many bytes of records were read since the last snapshot.
    pub fn bytes_since_snapshot(&self) -> u64 {
        self.bytes_since_snapshot
    }

    /// Starts the count of bytes anew, because a snapshot is being written.
    pub fn snapshot_begun(&mut self) {
        self.bytes_since_snapshot = 0;
    }
}

fn decode(bytes: &bytes::Bytes) -> Result<MetadataRecord, ReplayError> {
    MetadataRecord::decode(bytes.clone())
        .map_err(|error| ReplayError::Undecodable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::doubles::history::random_history;
    use crate::metadata::image::MetadataVersion;
    use crate::model::{LeaderEpoch, Timestamp};
    use crate::protocol::messages::metadata_records::{
        AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord, FeatureLevelRecord,
        TopicRecord,
    };

    fn encode(records: &[MetadataRecord]) -> Vec<Bytes> {
        let version = MetadataVersion::LATEST;
        let records = records.iter();
        records
            .map(|record| record.encode(version.record_version(record)))
            .collect()
    }

    /// The next batch after what `loader` has read.
    fn feed(loader: &mut Loader, records: &[MetadataRecord]) {
        let base_offset = loader.last_read() + 1;
        let batch = CommittedBatch {
            base_offset,
            last_offset: base_offset + (records.len() as i64 - 1),
            epoch: LeaderEpoch(1),
            append_time: Timestamp(5),
            records: encode(records),
        };
        loader.load(&batch).unwrap();
    }

    fn topic(name: &'static str) -> MetadataRecord {
        let mut id = [1; 16];
        id[..name.len()].copy_from_slice(name.as_bytes());
        TopicRecord {
            name: name.into(),
            topic_id: crate::model::Uuid::from_bytes(id),
        }
        .into()
    }

    fn begin() -> MetadataRecord {
        BeginTransactionRecord { name: None }.into()
    }

    fn end() -> MetadataRecord {
        EndTransactionRecord {}.into()
    }

    fn abort() -> MetadataRecord {
        AbortTransactionRecord { reason: None }.into()
    }

    fn topics(loader: &Loader) -> Vec<&str> {
        loader
            .image()
            .topics()
            .iter()
            .map(|topic| &*topic.name)
            .collect()
    }

    #[test]
    fn batches_become_the_image_that_their_records_give() {
        let (records, expected) = random_history(3, 500);
        let mut loader = Loader::default();

        for batch in records.chunks(37) {
            feed(&mut loader, batch);
        }

        let delta = loader.take();
        let mut image = delta.image().clone();
        assert_eq!(image.provenance().offset, Offset(499));
        image.set_provenance(Provenance::default());
        assert_eq!(image, expected);
        assert!(!loader.has_news());
    }

    #[test]
    fn nothing_of_a_transaction_is_seen_before_it_ends() {
        let mut loader = Loader::default();
        feed(&mut loader, &[topic("a")]);

        feed(&mut loader, &[topic("b"), begin(), topic("c")]);
        assert_eq!(
            topics(&loader),
            ["a"],
            "also what shares a batch with its begin"
        );
        assert_eq!(loader.image().provenance().offset, Offset(0));
        assert!(loader.has_open_transaction());
        assert_eq!(loader.last_read(), Offset(3));

        feed(&mut loader, &[topic("d")]);
        assert_eq!(topics(&loader), ["a"]);

        feed(&mut loader, &[topic("e"), end(), topic("f")]);
        assert_eq!(topics(&loader), ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(loader.image().provenance().offset, Offset(7));
        assert!(!loader.has_open_transaction());
    }

    #[test]
    fn an_aborted_transaction_never_happened() {
        let mut loader = Loader::default();

        feed(&mut loader, &[topic("a"), begin(), topic("b")]);
        feed(&mut loader, &[topic("c"), abort(), topic("d")]);

        assert_eq!(topics(&loader), ["a", "d"]);
        assert_eq!(loader.image().provenance().offset, Offset(5));
    }

    #[test]
    fn a_batch_may_hold_whole_transactions() {
        let mut loader = Loader::default();

        feed(
            &mut loader,
            &[begin(), topic("a"), end(), begin(), topic("b"), abort()],
        );

        assert_eq!(topics(&loader), ["a"]);
    }

    #[test]
    fn a_transaction_that_makes_no_sense_stops_the_reader() {
        for records in [vec![end()], vec![abort()], vec![begin(), begin()]] {
            let batch = CommittedBatch {
                base_offset: Offset(0),
                last_offset: Offset(1),
                epoch: LeaderEpoch(1),
                append_time: Timestamp(5),
                records: encode(&records),
            };

            let error = Loader::default().load(&batch).unwrap_err();

            assert!(matches!(error, ReplayError::Transaction(_)), "{error}");
        }
    }

    #[test]
    fn what_this_version_does_not_know_stops_the_reader() {
        let unknown_type = Bytes::from_static(&[1, 99, 0, 0]);
        let unknown_level = FeatureLevelRecord {
            name: "group.version".into(),
            feature_level: 1,
        };
        for record in [unknown_type, encode(&[unknown_level.into()]).remove(0)] {
            let batch = CommittedBatch {
                base_offset: Offset(0),
                last_offset: Offset(0),
                epoch: LeaderEpoch(1),
                append_time: Timestamp(5),
                records: vec![record],
            };

            assert!(Loader::default().load(&batch).is_err());
        }
    }

    #[test]
    fn a_control_batch_only_moves_the_offset_on() {
        let mut loader = Loader::default();
        let batch = CommittedBatch {
            base_offset: Offset(0),
            last_offset: Offset(0),
            epoch: LeaderEpoch(1),
            append_time: Timestamp(5),
            records: Vec::new(),
        };

        loader.load(&batch).unwrap();

        assert!(loader.has_news());
        assert!(loader.take().is_empty());
    }

    #[test]
    fn a_snapshot_is_a_delta_to_what_was_there() {
        let mut loader = Loader::default();
        feed(&mut loader, &[topic("gone")]);
        loader.take();
        let id = OffsetAndEpoch {
            offset: Offset(100),
            epoch: LeaderEpoch(3),
        };
        let provenance = Provenance {
            offset: Offset(99),
            epoch: LeaderEpoch(3),
            timestamp: Timestamp(7),
        };

        loader
            .load_snapshot(id, provenance, &[encode(&[topic("here")])])
            .unwrap();

        assert_eq!(loader.last_read(), Offset(99));
        let delta = loader.take();
        assert_eq!(delta.deleted_topics().count(), 1);
        assert_eq!(delta.created_topics().count(), 1);
        assert_eq!(delta.image().provenance(), provenance);
    }
}
