//! Large decisions: what does not fit one batch of the log becomes a metadata transaction
//! (KIP-868), which readers apply as a whole or not at all.

use crate::metadata::image::MetadataVersion;
use crate::protocol::messages::metadata_records::{
    BeginTransactionRecord, EndTransactionRecord, MetadataRecord,
};

/// The most records of a batch, as in Kafka.
pub const MAX_RECORDS_PER_BATCH: usize = 10_000;

/// The batches in which the records of a decision are appended. More than one are wrapped in a
/// transaction, unless the log's level has none: then they are a sequence like any other.
pub fn batches(
    mut records: Vec<MetadataRecord>,
    version: MetadataVersion,
) -> Vec<Vec<MetadataRecord>> {
    if records.len() <= MAX_RECORDS_PER_BATCH {
        return vec![records];
    }
    if version.has_transactions() {
        let begin = BeginTransactionRecord {
            name: Some("Large decision".into()),
        };
        records.insert(0, begin.into());
        records.push(EndTransactionRecord {}.into());
    }
    let mut batches = Vec::new();
    while records.len() > MAX_RECORDS_PER_BATCH {
        let rest = records.split_off(MAX_RECORDS_PER_BATCH);
        batches.push(std::mem::replace(&mut records, rest));
    }
    batches.push(records);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::metadata_records::NoOpRecord;

    fn no_ops(count: usize) -> Vec<MetadataRecord> {
        vec![NoOpRecord {}.into(); count]
    }

    #[test]
    fn what_fits_one_batch_stays_as_it_is() {
        let batches = batches(no_ops(MAX_RECORDS_PER_BATCH), MetadataVersion::LATEST);

        assert_eq!(batches, [no_ops(MAX_RECORDS_PER_BATCH)]);
    }

    #[test]
    fn what_does_not_fit_becomes_a_transaction() {
        let batches = batches(no_ops(25_000), MetadataVersion::LATEST);

        let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(sizes, [10_000, 10_000, 5_002]);
        assert!(matches!(batches[0][0], MetadataRecord::BeginTransaction(_)));
        assert!(matches!(
            batches[2][5_001],
            MetadataRecord::EndTransaction(_)
        ));
    }

    #[test]
    fn a_log_that_has_no_transactions_gets_plain_batches() {
        let batches = batches(no_ops(25_000), MetadataVersion::MIN);

        let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(sizes, [10_000, 10_000, 5_000]);
    }
}
