//! DeleteRecords, AlterReplicaLogDirs, ElectLeaders and the APIs of reassignments, as far as one broker
//! goes; UpdateFeatures and UnregisterBroker.

use broker::protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use broker::protocol::messages::alter_replica_log_dirs::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest,
};
use broker::protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use broker::protocol::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use broker::protocol::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsTopics,
};
use broker::protocol::messages::unregister_broker::UnregisterBrokerRequest;
use broker::protocol::messages::update_features::{FeatureUpdateKey, UpdateFeaturesRequest};
use broker::protocol::{ApiKey, Str};

use super::batches::good;
use super::pair::Pair;
use super::topics::{create, topic, write};

/// Partitions by topic.
type Partitions = [(&'static str, &'static [i32])];

pub fn compare(pair: &mut Pair) {
    let compacted = [("cleanup.policy", "compact")];
    create(
        pair,
        &[
            topic("moved", 2, &[]),
            topic("moved-compacted", 1, &compacted),
        ],
    );
    write(pair, "moved", 0, &good(5));
    write(pair, "moved", 0, &good(5));
    delete_records(pair);
    log_dirs(pair);
    elections(pair);
    reassignments(pair);
    features(pair);
    pair.compare_all("a broker that is not there", |_| UnregisterBrokerRequest {
        broker_id: 99,
    });
    pair.compare_all("a negative broker", |_| UnregisterBrokerRequest {
        broker_id: -1,
    });
}

fn delete_records(pair: &mut Pair) {
    let delete = |partitions: &[(&'static str, i32, i64)]| DeleteRecordsRequest {
        topics: partitions
            .iter()
            .map(|(topic, partition_index, offset)| DeleteRecordsTopic {
                name: Str::from_static(topic),
                partitions: vec![DeleteRecordsPartition {
                    partition_index: *partition_index,
                    offset: *offset,
                }],
            })
            .collect(),
        timeout_ms: 5_000,
    };
    let mut before = 0;
    for offset in [0, 3, 2, 3, 11, -2, i64::MAX, i64::MIN, 5, 7, -1, 10] {
        let case = format!("records below {offset}, after those below {before}");
        pair.compare_all(&case, |_| delete(&[("moved", 0, offset)]));
        before = offset;
    }
    let lists: [&[(&'static str, i32, i64)]; 5] = [
        &[],
        &[("absent", 0, 0), ("", 0, 0), ("a/b", 0, 0)],
        &[("moved", 9, 0), ("moved-compacted", 0, 0)],
        &[("moved", 1, 0), ("moved", -1, 0)],
        &[("__cluster_metadata", 0, 0), ("__consumer_offsets", 0, 0)],
    ];
    for partitions in lists {
        pair.compare_all(&format!("{partitions:?}"), |_| delete(partitions));
    }
    for timeout_ms in [0, -1] {
        pair.compare_all(&format!("a timeout of {timeout_ms}"), |_| {
            DeleteRecordsRequest {
                timeout_ms,
                ..delete(&[("moved", 1, 0)])
            }
        });
    }
}

fn log_dirs(pair: &mut Pair) {
    let lists: [&Partitions; 4] = [
        &[],
        &[("moved", &[0, 1])],
        &[("moved", &[9, -1]), ("absent", &[0]), ("", &[0])],
        &[("moved", &[])],
    ];
    for path in [None, Some("/nowhere"), Some("nowhere"), Some("")] {
        for partitions in lists {
            pair.compare_all(&format!("{partitions:?} to {path:?}"), |side| {
                let topics = partitions
                    .iter()
                    .map(|(topic, indexes)| AlterReplicaLogDirTopic {
                        name: Str::from_static(topic),
                        partitions: indexes.to_vec(),
                    });
                AlterReplicaLogDirsRequest {
                    dirs: vec![AlterReplicaLogDir {
                        path: Str::from(path.map_or_else(|| side.own.log_dir(), str::to_owned)),
                        topics: topics.collect(),
                    }],
                }
            });
        }
    }
    pair.compare_all("no directories", |_| AlterReplicaLogDirsRequest::default());
}

fn elections(pair: &mut Pair) {
    let lists: [Option<&Partitions>; 5] = [
        None,
        Some(&[]),
        Some(&[("moved", &[0, 1])]),
        Some(&[("moved", &[9, -1]), ("absent", &[0]), ("", &[0])]),
        Some(&[("moved", &[0, 0])]),
    ];
    for election_type in [0, 1, 2, -1] {
        for partitions in lists {
            let case = format!("an election of type {election_type} for {partitions:?}");
            pair.compare_all(&case, |_| ElectLeadersRequest {
                election_type,
                topic_partitions: partitions.map(|partitions| {
                    let topics = partitions.iter().map(|(topic, indexes)| TopicPartitions {
                        topic: Str::from_static(topic),
                        partitions: indexes.to_vec(),
                    });
                    topics.collect()
                }),
                ..ElectLeadersRequest::default()
            });
        }
    }
}

fn reassignments(pair: &mut Pair) {
    let lists: [Option<&'static [i32]>; 8] = [
        None,
        Some(&[]),
        Some(&[1]),
        Some(&[2]),
        Some(&[1, 2]),
        Some(&[1, 1]),
        Some(&[-1]),
        Some(&[1, -1]),
    ];
    for replicas in lists {
        for (topic, index) in [
            ("moved", 0),
            ("moved", 9),
            ("moved", -1),
            ("absent", 0),
            ("", 0),
        ] {
            for allow_replication_factor_change in [true, false] {
                let case = format!(
                    "{topic:?} {index} to {replicas:?}, other numbers: {allow_replication_factor_change}"
                );
                pair.compare_all(&case, |_| AlterPartitionReassignmentsRequest {
                    allow_replication_factor_change,
                    topics: vec![ReassignableTopic {
                        name: Str::from_static(topic),
                        partitions: vec![ReassignablePartition {
                            partition_index: index,
                            replicas: replicas.map(<[i32]>::to_vec),
                        }],
                    }],
                    ..AlterPartitionReassignmentsRequest::default()
                });
            }
        }
    }
    pair.compare_all("no reassignments", |_| {
        AlterPartitionReassignmentsRequest::default()
    });
    let lists: [Option<&Partitions>; 4] = [
        None,
        Some(&[]),
        Some(&[("moved", &[0, 1, 9, -1])]),
        Some(&[("absent", &[0]), ("", &[0])]),
    ];
    for partitions in lists {
        pair.compare_all(&format!("the reassignments of {partitions:?}"), |_| {
            ListPartitionReassignmentsRequest {
                topics: partitions.map(|partitions| {
                    let topics = partitions.iter().map(|(topic, indexes)| {
                        ListPartitionReassignmentsTopics {
                            name: Str::from_static(topic),
                            partition_indexes: indexes.to_vec(),
                        }
                    });
                    topics.collect()
                }),
                ..ListPartitionReassignmentsRequest::default()
            }
        });
    }
}

/// Changes of features, none of which is carried out: the brokers must stay what they are.
fn features(pair: &mut Pair) {
    let update = |feature: &'static str, level: i16, upgrade_type: i8| FeatureUpdateKey {
        feature: Str::from_static(feature),
        max_version_level: level,
        allow_downgrade: upgrade_type > 1,
        upgrade_type,
    };
    let names = ["metadata.version", "kraft.version", "nonsense", ""];
    for name in names {
        for level in [0, -1, 1, 999] {
            for upgrade_type in [1, 2, 3, 0, 4] {
                let case = format!("{name:?} at {level}, an update of type {upgrade_type}");
                for version in pair.versions(ApiKey::UpdateFeatures).skip(1) {
                    pair.compare(&case, version, |_| UpdateFeaturesRequest {
                        feature_updates: vec![update(name, level, upgrade_type)],
                        validate_only: true,
                        ..UpdateFeaturesRequest::default()
                    });
                }
            }
        }
    }
    pair.compare_all("no features", |_| UpdateFeaturesRequest::default());
    pair.compare_all("an unknown feature", |_| UpdateFeaturesRequest {
        feature_updates: vec![update("nonsense", 1, 1)],
        ..UpdateFeaturesRequest::default()
    });
    for version in pair.versions(ApiKey::UpdateFeatures).skip(1) {
        pair.compare("a feature twice", version, |_| UpdateFeaturesRequest {
            feature_updates: vec![update("nonsense", 1, 1), update("nonsense", 2, 1)],
            validate_only: true,
            ..UpdateFeaturesRequest::default()
        });
    }
}
