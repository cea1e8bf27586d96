//! The first records of a controller that begins to lead.
//!
//! A log without `metadata.version` is empty: it gets the bootstrap records, inside a metadata transaction.
//! A transaction that an earlier controller left open is aborted, as if it had never begun.

use super::elr::cluster_min_in_sync;
use crate::metadata::image::{
    ELR_VERSION, METADATA_VERSION, MetadataImage, MetadataVersion, feature_level,
};
use crate::protocol::messages::metadata_records::{
    AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord, MetadataRecord,
};

/// What the log of a new cluster starts with, if its directory was not formatted by Kafka's own tools: the
/// level that Apache Kafka 4.3.1 reads too, and every feature that is served.
pub fn bootstrap_records() -> Vec<MetadataRecord> {
    vec![
        feature_level(METADATA_VERSION, MetadataVersion::LATEST.0),
        feature_level(ELR_VERSION, 1),
    ]
}

/// What a new controller appends before anything else, which is often nothing. `image` is all that is
/// committed, and `has_open_transaction` whether a metadata transaction was begun and has not ended.
/// `min_in_sync` is this node's `min.insync.replicas`, with which a cluster that has eligible leader
/// replicas begins.
pub fn activation_records(
    image: &MetadataImage,
    has_open_transaction: bool,
    bootstrap: &[MetadataRecord],
    min_in_sync: usize,
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
        if bootstrap.iter().any(turns_elr_on) {
            records.push(cluster_min_in_sync(min_in_sync));
        }
        records.push(EndTransactionRecord {}.into());
    }
    records
}

fn turns_elr_on(record: &MetadataRecord) -> bool {
    let MetadataRecord::FeatureLevel(level) = record else {
        return false;
    };
    level.name == ELR_VERSION && level.feature_level > 0
}
