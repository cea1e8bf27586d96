//! ListOffsets and OffsetForLeaderEpoch.

use broker::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use broker::protocol::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use broker::protocol::{ApiKey, Str};
use broker::records::Compression;

use super::batches::{T0, compressed, filled_at, good};
use super::pair::Pair;
use super::topics::{at, create, topic, write};

pub fn compare(pair: &mut Pair) {
    create(
        pair,
        &[
            topic("listed", 2, &[]),
            topic(
                "listed-append-time",
                1,
                &[("message.timestamp.type", "LogAppendTime")],
            ),
            topic("listed-compacted", 1, &[("cleanup.policy", "compact")]),
        ],
    );
    write(pair, "listed", 0, &good(3));
    write(pair, "listed", 0, &filled_at(T0 + 60_000, 2).build());
    write(pair, "listed", 0, &compressed(Compression::Gzip, 4));
    write(pair, "listed", 0, &filled_at(-1, 1).build());
    write(pair, "listed-append-time", 0, &good(2));
    write(pair, "listed-compacted", 0, &good(2));
    for version in pair.versions(ApiKey::ListOffsets) {
        timestamps(pair, version);
        others(pair, version);
        askers(pair, version);
    }
    epochs(pair);
}

/// A consumer's request about one topic.
pub fn request(topic: &str, partitions: Vec<ListOffsetsPartition>) -> ListOffsetsRequest {
    ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: Str::from(topic.to_owned()),
            partitions,
        }],
        timeout_ms: 1_000,
        ..ListOffsetsRequest::default()
    }
}

fn timestamps(pair: &mut Pair, version: i16) {
    let special = -8..=0;
    let times = [
        1,
        T0,
        T0 + 1,
        T0 + 2_000,
        T0 + 2_001,
        T0 + 60_500,
        T0 + 61_000,
        T0 + 61_001,
        i64::MAX,
        i64::MIN,
    ];
    for timestamp in special.chain(times) {
        for (topic, index) in [
            ("listed", 0),
            ("listed", 1),
            ("listed-append-time", 0),
            ("listed-compacted", 0),
        ] {
            let case = format!("time {timestamp} in {topic} {index}");
            pair.compare(&case, version, |_| {
                request(topic, vec![at(index, timestamp)])
            });
        }
    }
}

fn others(pair: &mut Pair, version: i16) {
    for (case, topic, index) in [
        ("an unknown topic", "absent", 0),
        ("an unknown partition", "listed", 5),
        ("a negative partition", "listed", -1),
        ("an invalid topic", "a/b", 0),
        ("an empty topic name", "", 0),
        ("the metadata log", "__cluster_metadata", 0),
    ] {
        for timestamp in [-1, -2, -99] {
            pair.compare(&format!("{case}, time {timestamp}"), version, |_| {
                request(topic, vec![at(index, timestamp)])
            });
        }
    }
    for current_leader_epoch in [0, 1, -2] {
        for timestamp in [-1, -2, T0] {
            let case = format!("epoch {current_leader_epoch}, time {timestamp}");
            pair.compare(&case, version, |_| {
                let partition = ListOffsetsPartition {
                    current_leader_epoch,
                    ..at(0, timestamp)
                };
                request("listed", vec![partition])
            });
        }
    }
    pair.compare("a partition twice", version, |_| {
        request("listed", vec![at(0, -1), at(0, -2), at(1, -1)])
    });
    pair.compare("a topic twice", version, |_| {
        let mut request = request("listed", vec![at(0, -1)]);
        request.topics.extend(request.topics.clone());
        request
    });
    pair.compare("several topics", version, |_| {
        let mut topics = request("listed", vec![at(1, -1), at(0, -2), at(9, -1)]);
        topics
            .topics
            .extend(request("absent", vec![at(0, -1)]).topics);
        topics
            .topics
            .extend(request("listed-compacted", vec![at(0, -2)]).topics);
        topics
    });
    pair.compare("no topics", version, |_| ListOffsetsRequest {
        replica_id: -1,
        ..ListOffsetsRequest::default()
    });
    pair.compare("no partitions", version, |_| request("listed", vec![]));
    for timeout_ms in [0, -1] {
        pair.compare(&format!("a timeout of {timeout_ms}"), version, |_| {
            ListOffsetsRequest {
                timeout_ms,
                ..request("listed", vec![at(0, -1)])
            }
        });
    }
}

/// Who asks, and for what.
fn askers(pair: &mut Pair, version: i16) {
    for isolation_level in [1, 2, -1] {
        pair.compare(
            &format!("isolation level {isolation_level}"),
            version,
            |_| ListOffsetsRequest {
                isolation_level,
                ..request("listed", vec![at(0, -1), at(1, T0)])
            },
        );
    }
    for replica_id in [-2, -3, 1, 2, 99] {
        pair.compare(&format!("replica {replica_id}"), version, |_| {
            ListOffsetsRequest {
                replica_id,
                ..request("listed", vec![at(0, -1), at(1, -2)])
            }
        });
    }
}

fn epochs(pair: &mut Pair) {
    for (topic, index) in [
        ("listed", 0),
        ("listed", 1),
        ("listed", 9),
        ("listed", -1),
        ("absent", 0),
        ("a/b", 0),
    ] {
        for current in [-2, -1, 0, 1] {
            for epoch in [-2, -1, 0, 1, i32::MAX] {
                let case = format!("epoch {epoch} of {topic} {index}, current {current}");
                pair.compare_all(&case, |_| epoch_end(topic, index, current, epoch));
            }
        }
    }
    for replica_id in [-2, -3, 1, 99] {
        pair.compare_all(&format!("replica {replica_id}"), |_| {
            OffsetForLeaderEpochRequest {
                replica_id,
                ..epoch_end("listed", 0, -1, 0)
            }
        });
    }
    pair.compare_all("no topics", |_| OffsetForLeaderEpochRequest::default());
    pair.compare_all("a partition twice", |_| {
        let mut request = epoch_end("listed", 0, -1, 0);
        request.topics.extend(request.topics.clone());
        let again = request.topics[0].partitions.clone();
        request.topics[0].partitions.extend(again);
        request
    });
}

/// Asks where an epoch ends.
pub fn epoch_end(
    topic: &str,
    partition: i32,
    current_leader_epoch: i32,
    leader_epoch: i32,
) -> OffsetForLeaderEpochRequest {
    OffsetForLeaderEpochRequest {
        replica_id: -1,
        topics: vec![OffsetForLeaderTopic {
            topic: Str::from(topic.to_owned()),
            partitions: vec![OffsetForLeaderPartition {
                partition,
                current_leader_epoch,
                leader_epoch,
            }],
        }],
    }
}
