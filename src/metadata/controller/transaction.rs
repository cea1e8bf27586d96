//! Decisions that are too large for one batch of the log: they become a metadata transaction (KIP-868),
//! which readers apply as a whole or not at all.

use bytes::Bytes;

use crate::metadata::image::MetadataVersion;
use crate::protocol::messages::metadata_records::{
    BeginTransactionRecord, EndTransactionRecord, MetadataRecord,
};

/// The most records of a batch, as in Kafka.
pub const MAX_RECORDS_PER_BATCH: usize = 10_000;

/// The most bytes of a batch's records: half of what the quorum takes in one piece, which leaves room for
/// what it adds to each record.
pub const MAX_BYTES_PER_BATCH: usize = 4 * 1024 * 1024;

/// A decision as it goes into the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogBatches {
    /// All records in order: those of the decision, and the marks of a transaction around them.
    pub records: Vec<MetadataRecord>,
    /// The same records encoded, batch by batch.
    pub batches: Vec<Vec<Bytes>>,
}

impl LogBatches {
    /// Encodes the records of one decision at the log's level. If they need more than one batch they become
    /// a transaction, unless the level has none.
    pub fn new(records: Vec<MetadataRecord>, version: MetadataVersion) -> Self {
        let encode = |record: &MetadataRecord| record.encode(version.record_version(record));
        let batches = split(records.iter().map(encode));
        if batches.len() < 2 || !version.has_transactions() {
            return Self { records, batches };
        }
        let begin = BeginTransactionRecord {
            name: Some("Large decision".into()),
        };
        let mut marked = Vec::with_capacity(records.len() + 2);
        marked.push(begin.into());
        marked.extend(records);
        marked.push(EndTransactionRecord {}.into());
        Self {
            batches: split(marked.iter().map(encode)),
            records: marked,
        }
    }
}

fn split(records: impl Iterator<Item = Bytes>) -> Vec<Vec<Bytes>> {
    let mut batches: Vec<Vec<Bytes>> = Vec::new();
    let mut size = 0;
    for record in records {
        let fits = |batch: &&mut Vec<Bytes>| {
            batch.len() < MAX_RECORDS_PER_BATCH && size + record.len() <= MAX_BYTES_PER_BATCH
        };
        match batches.last_mut().filter(fits) {
            Some(batch) => {
                size += record.len();
                batch.push(record);
            }
            None => {
                size = record.len();
                batches.push(vec![record]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::metadata_records::{ConfigRecord, NoOpRecord};

    fn no_ops(count: usize) -> Vec<MetadataRecord> {
        vec![NoOpRecord {}.into(); count]
    }

    fn sizes(batches: &LogBatches) -> Vec<usize> {
        batches.batches.iter().map(Vec::len).collect()
    }

    #[test]
    fn what_fits_one_batch_stays_as_it_is() {
        let batches = LogBatches::new(no_ops(MAX_RECORDS_PER_BATCH), MetadataVersion::LATEST);

        assert_eq!(batches.records, no_ops(MAX_RECORDS_PER_BATCH));
        assert_eq!(sizes(&batches), [MAX_RECORDS_PER_BATCH]);
    }

    #[test]
    fn what_does_not_fit_becomes_a_transaction() {
        let batches = LogBatches::new(no_ops(25_000), MetadataVersion::LATEST);

        assert_eq!(sizes(&batches), [10_000, 10_000, 5_002]);
        assert!(matches!(
            batches.records[0],
            MetadataRecord::BeginTransaction(_)
        ));
        assert!(matches!(
            batches.records[25_001],
            MetadataRecord::EndTransaction(_)
        ));
    }

    #[test]
    fn few_but_large_records_are_split_too() {
        let large = ConfigRecord {
            value: Some("x".repeat(30_000).into()),
            ..ConfigRecord::default()
        };

        let batches = LogBatches::new(vec![large.into(); 300], MetadataVersion::LATEST);

        assert_eq!(batches.batches.len(), 3);
        for batch in &batches.batches {
            assert!(batch.iter().map(Bytes::len).sum::<usize>() <= MAX_BYTES_PER_BATCH);
        }
    }

    #[test]
    fn a_log_that_has_no_transactions_gets_plain_batches() {
        let batches = LogBatches::new(no_ops(25_000), MetadataVersion::MIN);

        assert_eq!(sizes(&batches), [10_000, 10_000, 5_000]);
    }

    #[test]
    fn no_records_need_no_batch() {
        assert!(
            LogBatches::new(Vec::new(), MetadataVersion::LATEST)
                .batches
                .is_empty()
        );
    }
}
