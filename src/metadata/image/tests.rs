//! What records make of an image, and what an image is as records.

use super::{Change, MetadataImage, MetadataVersion, ReplayError};
use crate::doubles::history::random_history;
use crate::model::Uuid;
use crate::protocol::messages::metadata_records::{
    BrokerRegistrationChangeRecord, ConfigRecord, FeatureLevelRecord, MetadataRecord,
    PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord, RemoveTopicRecord, TopicRecord,
};

const TOPIC: Uuid = Uuid::from_bytes([7; 16]);

fn replay(records: &[MetadataRecord]) -> Result<MetadataImage, ReplayError> {
    let mut image = MetadataImage::default();
    for record in records {
        image.replay(record, &mut |_| {})?;
    }
    Ok(image)
}

fn topic_of_one_partition() -> [MetadataRecord; 2] {
    let topic = TopicRecord {
        name: "orders".into(),
        topic_id: TOPIC,
    };
    let partition = PartitionRecord {
        partition_id: 0,
        topic_id: TOPIC,
        replicas: vec![1, 2],
        isr: vec![1, 2],
        leader: 1,
        leader_epoch: 4,
        partition_epoch: 9,
        directories: vec![Uuid::ONE, Uuid::ONE],
        ..PartitionRecord::default()
    };
    [topic.into(), partition.into()]
}

#[test]
fn the_records_of_a_snapshot_give_the_image_back() {
    for seed in 0..200 {
        let (_, image) = random_history(seed, 300);

        let records: Vec<_> = image.records().collect();

        assert_eq!(replay(&records).unwrap(), image, "seed {seed}");
    }
}

#[test]
fn the_records_of_a_snapshot_survive_their_encoding() {
    for seed in 0..50 {
        let (_, image) = random_history(seed, 300);
        let version = image.metadata_version();

        let records: Vec<_> = image
            .records()
            .map(|record| record.encode(version.record_version(&record)))
            .map(|bytes| MetadataRecord::decode(bytes).unwrap())
            .collect();

        assert_eq!(replay(&records).unwrap(), image, "seed {seed}");
    }
}

#[test]
fn a_snapshot_begins_with_the_metadata_version() {
    let (_, image) = random_history(1, 100);

    let first = image.records().next().unwrap();

    let expected = FeatureLevelRecord {
        name: "metadata.version".into(),
        feature_level: 30,
    };
    assert_eq!(first, expected.into());
}

#[test]
fn the_number_of_partitions_is_kept() {
    for seed in 0..50 {
        let (_, image) = random_history(seed, 300);

        let counted: usize = image
            .topics()
            .iter()
            .map(|topic| topic.partitions.len())
            .sum();

        assert_eq!(image.topics().partition_count(), counted, "seed {seed}");
    }
}

#[test]
fn a_leader_in_a_change_raises_the_leader_epoch_even_if_it_stays() {
    let mut records = topic_of_one_partition().to_vec();
    let change = PartitionChangeRecord {
        partition_id: 0,
        topic_id: TOPIC,
        leader: 1,
        ..PartitionChangeRecord::default()
    };
    records.push(change.into());

    let image = replay(&records).unwrap();

    let partition = image.topics().partition(&TOPIC, 0).unwrap();
    assert_eq!((partition.leader.0, partition.leader_epoch.0), (1, 5));
    assert_eq!(partition.partition_epoch, 10);
}

#[test]
fn a_change_tells_what_the_partition_was() {
    let mut image = replay(&topic_of_one_partition()).unwrap();
    let previous = image.topics().partition(&TOPIC, 0).cloned();
    let change = PartitionChangeRecord {
        partition_id: 0,
        topic_id: TOPIC,
        isr: Some(vec![2]),
        ..PartitionChangeRecord::default()
    };

    let mut changes = Vec::new();
    image
        .replay(&change.into(), &mut |change| changes.push(change))
        .unwrap();

    assert_eq!(
        changes,
        [Change::Partition {
            topic: TOPIC,
            index: 0,
            previous
        }]
    );
}

#[test]
fn a_deleted_topic_takes_its_configs_along() {
    let mut records = topic_of_one_partition().to_vec();
    let config = ConfigRecord {
        resource_type: 2,
        resource_name: "orders".into(),
        name: "retention.ms".into(),
        value: Some("1".into()),
    };
    records.push(config.into());
    records.push(RemoveTopicRecord { topic_id: TOPIC }.into());

    let image = replay(&records).unwrap();

    assert_eq!(image, MetadataImage::default());
}

#[test]
fn records_that_do_not_fit_are_refused() {
    let [topic, _] = topic_of_one_partition();
    let change = PartitionChangeRecord {
        partition_id: 3,
        topic_id: TOPIC,
        ..PartitionChangeRecord::default()
    };
    let remove = RemoveTopicRecord { topic_id: TOPIC };
    let register = RegisterBrokerRecord {
        broker_id: 1,
        broker_epoch: 5,
        ..RegisterBrokerRecord::default()
    };
    let fence = BrokerRegistrationChangeRecord {
        broker_id: 1,
        broker_epoch: 6,
        fenced: 1,
        ..BrokerRegistrationChangeRecord::default()
    };

    let again = replay(&[topic.clone(), topic.clone()]).unwrap_err();
    assert!(
        matches!(again, ReplayError::DuplicateTopic { .. }),
        "{again}"
    );
    let missing = replay(&[topic, change.into()]).unwrap_err();
    assert!(
        matches!(missing, ReplayError::UnknownPartition { .. }),
        "{missing}"
    );
    let unknown = replay(&[remove.into()]).unwrap_err();
    assert!(matches!(unknown, ReplayError::UnknownTopic(_)), "{unknown}");
    let stale = replay(&[register.into(), fence.into()]).unwrap_err();
    assert!(
        matches!(stale, ReplayError::WrongBrokerEpoch { .. }),
        "{stale}"
    );
}

#[test]
fn a_feature_level_that_is_not_served_says_so() {
    for (name, level) in [
        ("group.version", 1),
        ("metadata.version", 31),
        ("unheard.of", 1),
    ] {
        let record = FeatureLevelRecord {
            name: name.into(),
            feature_level: level,
        };

        let error = replay(&[record.into()]).unwrap_err().to_string();

        assert!(
            error.contains(name) && error.contains(&level.to_string()),
            "{error}"
        );
    }
}

#[test]
fn levels_have_kafkas_names() {
    assert_eq!(MetadataVersion(7).to_string(), "3.3-IV3");
    assert_eq!(MetadataVersion(17).to_string(), "3.7-IV2");
    assert_eq!(MetadataVersion(30).to_string(), "4.3-IV0");
    assert_eq!(MetadataVersion(31).to_string(), "31");
}

#[test]
fn a_downgrade_is_lossy_only_across_a_change_of_records() {
    assert!(!MetadataVersion(29).records_differ(MetadataVersion(23)));
    assert!(MetadataVersion(30).records_differ(MetadataVersion(29)));
    assert!(MetadataVersion(22).records_differ(MetadataVersion(23)));
    assert!(!MetadataVersion(30).records_differ(MetadataVersion(30)));
}

#[test]
fn a_registration_change_is_written_in_the_oldest_version_that_has_it() {
    let version = MetadataVersion::LATEST;
    let plain = BrokerRegistrationChangeRecord::default();
    let cases = [
        (
            0,
            BrokerRegistrationChangeRecord {
                fenced: 1,
                ..plain.clone()
            },
        ),
        (
            1,
            BrokerRegistrationChangeRecord {
                in_controlled_shutdown: 1,
                ..plain.clone()
            },
        ),
        (
            2,
            BrokerRegistrationChangeRecord {
                log_dirs: vec![Uuid::ONE],
                ..plain.clone()
            },
        ),
        (
            3,
            BrokerRegistrationChangeRecord {
                cordoned_log_dirs: Some(vec![]),
                ..plain
            },
        ),
    ];
    for (expected, change) in cases {
        assert_eq!(version.record_version(&change.into()), expected);
    }
}
