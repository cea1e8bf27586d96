//! ApiVersions, DescribeCluster, DescribeQuorum, DescribeLogDirs and DescribeProducers: what only looks.

use broker::protocol::Str;
use broker::protocol::messages::api_versions::ApiVersionsRequest;
use broker::protocol::messages::describe_cluster::DescribeClusterRequest;
use broker::protocol::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsRequest,
};
use broker::protocol::messages::describe_producers::{DescribeProducersRequest, TopicRequest};
use broker::protocol::messages::describe_quorum::{
    DescribeQuorumRequest, RequestPartitionData, RequestTopicData,
};

use super::batches::{good, sequenced};
use super::pair::Pair;
use super::topics::{create, new_producer, produce, topic, write};

pub fn compare(pair: &mut Pair) {
    versions(pair);
    clusters(pair);
    quorums(pair);
    create(
        pair,
        &[topic("looked-at", 2, &[]), topic("looked-at-too", 1, &[])],
    );
    write(pair, "looked-at", 1, &good(3));
    log_dirs(pair);
    producers(pair);
}

fn versions(pair: &mut Pair) {
    let ask = |name: &'static str, version: &'static str| ApiVersionsRequest {
        client_software_name: Str::from_static(name),
        client_software_version: Str::from_static(version),
        ..ApiVersionsRequest::default()
    };
    for (name, version) in [
        ("apache-kafka-java", "4.3.1"),
        ("a", "1"),
        ("", ""),
        ("a", ""),
        ("", "1"),
        ("-a", "1"),
        ("a-", "1"),
        ("a.b-c", "1-SNAPSHOT"),
        ("a_b", "1"),
        ("a b", "1"),
        ("\u{e9}", "1"),
        ("a", "1."),
        ("a", "1+2"),
    ] {
        pair.compare_all(&format!("software {name:?} {version:?}"), |_| {
            ask(name, version)
        });
    }
}

fn clusters(pair: &mut Pair) {
    for endpoint_type in [1, 2, 0, 3, -1] {
        for operations in [false, true] {
            let case = format!("endpoints of type {endpoint_type}, operations: {operations}");
            pair.compare_all(&case, |_| DescribeClusterRequest {
                include_cluster_authorized_operations: operations,
                endpoint_type,
                include_fenced_brokers: operations,
            });
        }
    }
}

fn quorums(pair: &mut Pair) {
    let ask = |partitions: &[(&'static str, i32)]| DescribeQuorumRequest {
        topics: partitions
            .iter()
            .map(|(topic, partition_index)| RequestTopicData {
                topic_name: Str::from_static(topic),
                partitions: vec![RequestPartitionData {
                    partition_index: *partition_index,
                }],
            })
            .collect(),
    };
    let lists: [&[(&'static str, i32)]; 7] = [
        &[("__cluster_metadata", 0)],
        &[("__cluster_metadata", 1)],
        &[("__cluster_metadata", -1)],
        &[("absent", 0)],
        &[("", 0)],
        &[("__cluster_metadata", 0), ("__cluster_metadata", 0)],
        &[],
    ];
    for partitions in lists {
        pair.compare_all(&format!("{partitions:?}"), |_| ask(partitions));
    }
}

fn log_dirs(pair: &mut Pair) {
    let ask = |topics: Option<&[(&'static str, &[i32])]>| DescribeLogDirsRequest {
        topics: topics.map(|topics| {
            let topics = topics.iter();
            topics
                .map(|(topic, partitions)| DescribableLogDirTopic {
                    topic: Str::from_static(topic),
                    partitions: partitions.to_vec(),
                })
                .collect()
        }),
    };
    pair.compare_all("all partitions", |_| ask(None));
    let lists: [&[(&'static str, &[i32])]; 7] = [
        &[],
        &[("looked-at", &[0, 1])],
        &[("looked-at", &[1, 1, 9, -1])],
        &[("looked-at", &[0]), ("looked-at", &[1])],
        &[("looked-at", &[]), ("looked-at-too", &[0])],
        &[("absent", &[0]), ("a/b", &[0]), ("", &[0])],
        &[("__cluster_metadata", &[0])],
    ];
    for wanted in lists {
        pair.compare_all(&format!("{wanted:?}"), |_| ask(Some(wanted)));
    }
}

fn producers(pair: &mut Pair) {
    let first = pair.ours.own.producer_count();
    for index in 0..3 {
        new_producer(pair);
        for sequence in [0, 2] {
            pair.compare("a batch of a producer", 12, |side| {
                let id = side.own.producer(first + index);
                produce(
                    side,
                    "looked-at",
                    0,
                    Some(sequenced(id, index as i16, sequence)),
                )
            });
        }
    }
    let ask = |topics: &[(&'static str, &[i32])]| DescribeProducersRequest {
        topics: topics
            .iter()
            .map(|(topic, partitions)| TopicRequest {
                name: Str::from_static(topic),
                partition_indexes: partitions.to_vec(),
            })
            .collect(),
    };
    let lists: [&[(&'static str, &[i32])]; 9] = [
        &[],
        &[("looked-at", &[0])],
        &[("looked-at", &[1])],
        &[("looked-at", &[0, 0, 7, -1])],
        &[("looked-at", &[])],
        &[("looked-at", &[0]), ("looked-at", &[1])],
        &[("absent", &[0]), ("a/b", &[0]), ("", &[0])],
        &[("__cluster_metadata", &[0])],
        &[("__consumer_offsets", &[0])],
    ];
    for wanted in lists {
        pair.compare_all(&format!("{wanted:?}"), |_| ask(wanted));
    }
}
