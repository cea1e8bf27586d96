//! What a controller that begins to lead appends first.

use crate::doubles::history::random_history;
use crate::metadata::controller::{activation_records, bootstrap_records};
use crate::metadata::image::MetadataImage;
use crate::protocol::messages::metadata_records::{
    AbortTransactionRecord, BeginTransactionRecord, ConfigRecord, EndTransactionRecord,
    FeatureLevelRecord, MetadataRecord,
};

fn bootstrap_transaction() -> Vec<MetadataRecord> {
    vec![
        BeginTransactionRecord {
            name: Some("Bootstrap records".into()),
        }
        .into(),
        FeatureLevelRecord {
            name: "metadata.version".into(),
            feature_level: 30,
        }
        .into(),
        FeatureLevelRecord {
            name: "eligible.leader.replicas.version".into(),
            feature_level: 1,
        }
        .into(),
        ConfigRecord {
            resource_type: 4,
            resource_name: "".into(),
            name: "min.insync.replicas".into(),
            value: Some("2".into()),
        }
        .into(),
        EndTransactionRecord {}.into(),
    ]
}

fn abort() -> MetadataRecord {
    AbortTransactionRecord {
        reason: Some("Controller failover".into()),
    }
    .into()
}

#[test]
fn an_empty_log_gets_the_bootstrap_records_in_a_transaction() {
    let records = activation_records(&MetadataImage::default(), false, &bootstrap_records(), 2);

    assert_eq!(records, bootstrap_transaction());
}

#[test]
fn a_bootstrap_that_was_cut_off_is_aborted_and_begun_again() {
    let records = activation_records(&MetadataImage::default(), true, &bootstrap_records(), 2);

    assert_eq!(records[0], abort());
    assert_eq!(records[1..], bootstrap_transaction());
}

#[test]
fn a_log_with_content_gets_nothing_but_the_end_of_what_hangs() {
    let (_, image) = random_history(1, 50);

    assert_eq!(
        activation_records(&image, false, &bootstrap_records(), 2),
        []
    );
    assert_eq!(
        activation_records(&image, true, &bootstrap_records(), 2),
        [abort()]
    );
}

#[test]
fn a_cluster_without_eligible_leaders_begins_without_their_min_insync_replicas() {
    let bootstrap = &bootstrap_records()[..1];

    let records = activation_records(&MetadataImage::default(), false, bootstrap, 2);

    assert_eq!(records[1..records.len() - 1], *bootstrap);
}
