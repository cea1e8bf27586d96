//! The first records of a controller that begins to lead.
//!
//! A log without `metadata.version` is empty: it gets the bootstrap records, inside a metadata transaction.
//! A transaction that an earlier controller left open is aborted, as if it had never begun.

use crate::metadata::image::{METADATA_VERSION, MetadataImage, MetadataVersion, feature_level};
use crate::protocol::messages::metadata_records::{
    AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord, MetadataRecord,
};

/// What the log of a new cluster starts with, if its directory was not formatted by Kafka's own tools: the
/// level that Apache Kafka 4.3.1 reads too, and no feature that is not served.
pub fn bootstrap_records() -> Vec<MetadataRecord> {
    vec![feature_level(METADATA_VERSION, MetadataVersion::LATEST.0)]
}

/// What a new controller appends before anything else, which is often nothing. `image` is all that is
/// committed, and `has_open_transaction` whether a metadata transaction was begun and has not ended.
pub fn activation_records(
    image: &MetadataImage,
    has_open_transaction: bool,
    bootstrap: &[MetadataRecord],
) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    if has_open_transaction {
        records.push(
            AbortTransactionRecord {
                reason: Some("Controller failover".into()),
            }
            .into(),
        );
    }
    if image.features().metadata_version().is_none() {
        let begin = BeginTransactionRecord {
            name: Some("Bootstrap records".into()),
        };
        records.push(begin.into());
        records.extend_from_slice(bootstrap);
        records.push(EndTransactionRecord {}.into());
    }
    records
}
