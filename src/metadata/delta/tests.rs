//! Deltas against what a full replay gives, over random histories.

use super::MetadataDelta;
use crate::doubles::history::{Dice, random_history};
use crate::metadata::image::{MetadataImage, Provenance};
use crate::model::{BrokerId, LeaderEpoch, Offset, Timestamp, Uuid};
use crate::protocol::messages::metadata_records::{
    ConfigRecord, MetadataRecord, RemoveTopicRecord, TopicRecord,
};

fn replay(records: &[MetadataRecord]) -> MetadataImage {
    let mut image = MetadataImage::default();
    for record in records {
        image.replay(record, &mut |_| {}).unwrap();
    }
    image
}

fn delta_of(base: &MetadataImage, records: &[MetadataRecord]) -> MetadataDelta {
    let mut delta = MetadataDelta::new(base.clone());
    for record in records {
        delta.replay(record).unwrap();
    }
    delta
}

#[test]
fn deltas_of_any_length_give_what_one_replay_gives() {
    for seed in 0..100 {
        let (records, image) = random_history(seed, 400);
        let mut dice = Dice::new(seed);
        let mut built = MetadataImage::default();
        let mut rest = records.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(1 + dice.below(rest.len()));
            let before = built.clone();
            let delta = delta_of(&built, now);
            assert_eq!(*delta.base(), before, "the base stays as it was");
            built = delta.image().clone();
            rest = later;
        }

        assert_eq!(built, image, "seed {seed}");
    }
}

#[test]
fn a_delta_names_everything_that_differs() {
    for seed in 0..100 {
        let (records, _) = random_history(seed, 400);
        let (before, after) = records.split_at(200);

        let noted = delta_of(&replay(before), after);
        let compared = super::difference::between(noted.base(), noted.image());

        let changes = noted.changes();
        assert_eq!(
            changes.deleted_topics, compared.deleted_topics,
            "seed {seed}"
        );
        for (id, change) in &compared.topics {
            let noted = &changes.topics[id];
            assert_eq!(noted.created, change.created, "seed {seed}");
            assert!(
                noted.partitions.is_superset(&change.partitions),
                "seed {seed}"
            );
        }
        assert!(
            changes.brokers.is_superset(&compared.brokers),
            "seed {seed}"
        );
        assert!(
            changes.controllers.is_superset(&compared.controllers),
            "seed {seed}"
        );
        assert!(
            changes.configs.is_superset(&compared.configs),
            "seed {seed}"
        );
        assert!(
            changes.client_quotas.is_superset(&compared.client_quotas),
            "seed {seed}"
        );
        assert!(changes.acls.is_superset(&compared.acls), "seed {seed}");
        assert!(changes.scram.is_superset(&compared.scram), "seed {seed}");
        assert!(
            changes
                .delegation_tokens
                .is_superset(&compared.delegation_tokens),
            "seed {seed}"
        );
    }
}

#[test]
fn a_snapshot_replaces_the_base_whole() {
    for seed in 0..50 {
        let (_, base) = random_history(seed, 300);
        let (_, image) = random_history(seed + 1_000, 300);
        let snapshot: Vec<_> = image.records().collect();

        let delta = MetadataDelta::from_snapshot(base, &snapshot).unwrap();

        assert_eq!(*delta.image(), image, "seed {seed}");
    }
}

#[test]
fn a_snapshot_of_the_base_changes_nothing() {
    let (_, base) = random_history(3, 300);
    let snapshot: Vec<_> = base.records().collect();

    let delta = MetadataDelta::from_snapshot(base, &snapshot).unwrap();

    assert!(delta.is_empty(), "{:?}", delta.changes());
}

#[test]
fn what_is_created_and_deleted_within_a_delta_leaves_no_trace() {
    let topic_id = Uuid::from_bytes([7; 16]);
    let topic = TopicRecord {
        name: "orders".into(),
        topic_id,
    };
    let config = ConfigRecord {
        resource_type: 2,
        resource_name: "orders".into(),
        name: "retention.ms".into(),
        value: Some("1".into()),
    };
    let remove = RemoveTopicRecord { topic_id };

    let base = MetadataImage::default();
    let delta = delta_of(&base, &[topic.into(), config.into(), remove.into()]);

    assert_eq!(delta.image(), &base);
    assert_eq!(delta.changed_partitions().count(), 0);
    assert_eq!(delta.created_topics().count(), 0);
    assert_eq!(delta.deleted_topics().count(), 0);
}

#[test]
fn local_changes_tell_each_replica_once_and_nothing_of_others() {
    for seed in 0..100 {
        let (records, _) = random_history(seed, 400);
        let (before, after) = records.split_at(200);
        let delta = delta_of(&replay(before), after);
        let broker = BrokerId(2);

        let local = delta.local_changes(broker);

        for replica in local.leaders.iter().chain(&local.followers) {
            let index = replica.partition.partition;
            let current = delta
                .image()
                .topics()
                .partition(&replica.topic_id, index)
                .unwrap();
            assert_eq!(*current, replica.state, "seed {seed}");
            assert!(current.replicas.contains(&broker), "seed {seed}");
        }
        assert!(
            local
                .leaders
                .iter()
                .all(|replica| replica.state.leader == broker)
        );
        assert!(
            local
                .followers
                .iter()
                .all(|replica| replica.state.leader != broker)
        );
        for (topic, _) in &local.deleted {
            assert!(delta.image().topics().by_id(topic).is_none(), "seed {seed}");
        }
        for (topic, partition) in &local.removed {
            let current = delta
                .image()
                .topics()
                .partition(topic, partition.partition)
                .unwrap();
            assert!(!current.replicas.contains(&broker), "seed {seed}");
        }
    }
}

#[test]
fn the_provenance_is_that_of_the_last_batch() {
    let provenance = Provenance {
        offset: Offset(17),
        epoch: LeaderEpoch(2),
        timestamp: Timestamp(1_000),
    };
    let mut delta = MetadataDelta::new(MetadataImage::default());

    delta.set_provenance(provenance);

    assert_eq!(delta.image().provenance(), provenance);
    assert!(delta.is_empty());
}
