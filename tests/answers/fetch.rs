//! Fetch: places, limits, epochs, isolation, sessions.

use broker::protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic, ReplicaState};
use broker::protocol::{ApiKey, Str};
use broker::records::Compression;

use super::batches::{compressed, good};
use super::fetch_sessions;
use super::pair::Pair;
use super::side::Side;
use super::topics::{create, topic, write};

/// The first version that names topics by id.
pub const FIRST_BY_ID: i16 = 13;

pub fn compare(pair: &mut Pair) {
    create(
        pair,
        &[
            topic("fetched", 3, &[]),
            topic("fetched-too", 2, &[]),
            topic("fetched-empty", 1, &[]),
        ],
    );
    for index in 0..2 {
        for count in [1, 3, 5] {
            write(pair, "fetched", index, &good(count));
        }
    }
    write(pair, "fetched-too", 0, &compressed(Compression::Zstd, 9));
    write(pair, "fetched-too", 0, &compressed(Compression::Lz4, 9));
    for version in pair.versions(ApiKey::Fetch) {
        places(pair, version);
        limits(pair, version);
        several(pair, version);
        replicas(pair, version);
        if version >= 7 {
            fetch_sessions::compare(pair, version);
        }
    }
}

/// Compares all that a topic's first partition holds.
pub fn compare_log(pair: &mut Pair, case: &str, name: &str) {
    pair.compare(case, 12, |side| one(side, name, asked(0, 0)));
}

/// What is asked of a partition.
pub fn asked(partition: i32, fetch_offset: i64) -> FetchPartition {
    FetchPartition {
        partition,
        fetch_offset,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    }
}

pub fn topics(side: &Side, topics: &[(&str, Vec<FetchPartition>)]) -> Vec<FetchTopic> {
    let topics = topics.iter();
    topics
        .map(|(name, partitions)| FetchTopic {
            topic: Str::from((*name).to_owned()),
            topic_id: side.own.topic_id(name),
            partitions: partitions.clone(),
        })
        .collect()
}

pub fn request(topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 0,
        topics,
        ..FetchRequest::default()
    }
}

/// A request for one partition, without a session.
pub fn one(side: &Side, topic: &str, partition: FetchPartition) -> FetchRequest {
    request(topics(side, &[(topic, vec![partition])]))
}

fn places(pair: &mut Pair, version: i16) {
    for offset in [0, 1, 2, 3, 4, 8, 9, 10, 1_000, -1, -2, i64::MAX, i64::MIN] {
        pair.compare(&format!("offset {offset}"), version, |side| {
            one(side, "fetched", asked(0, offset))
        });
    }
    for (case, topic, index) in [
        ("compressed batches", "fetched-too", 0),
        ("an empty partition", "fetched-empty", 0),
        ("an unknown topic", "absent", 0),
        ("an invalid topic", "a/b", 0),
        ("an empty topic name", "", 0),
        ("an unknown partition", "fetched", 3),
        ("a negative partition", "fetched", -1),
        ("the metadata log", "__cluster_metadata", 0),
    ] {
        pair.compare(case, version, |side| one(side, topic, asked(index, 0)));
    }
    for isolation_level in [1, 2, -1] {
        pair.compare(
            &format!("isolation level {isolation_level}"),
            version,
            |side| FetchRequest {
                isolation_level,
                ..one(side, "fetched", asked(0, 0))
            },
        );
    }
    for current_leader_epoch in [0, 1, 5, -2] {
        let case = format!("current leader epoch {current_leader_epoch}");
        pair.compare(&case, version, |side| {
            let partition = FetchPartition {
                current_leader_epoch,
                ..asked(0, 0)
            };
            one(side, "fetched", partition)
        });
    }
    for last_fetched_epoch in [0, 1, 7, -2] {
        for offset in [0, 9, 20] {
            let case = format!("offset {offset} after epoch {last_fetched_epoch}");
            pair.compare(&case, version, |side| {
                let partition = FetchPartition {
                    last_fetched_epoch,
                    ..asked(0, offset)
                };
                one(side, "fetched", partition)
            });
        }
    }
    pair.compare("a log start offset of a consumer", version, |side| {
        let partition = FetchPartition {
            log_start_offset: 5,
            ..asked(0, 0)
        };
        one(side, "fetched", partition)
    });
    pair.compare("a rack", version, |side| FetchRequest {
        rack_id: Str::from_static("here"),
        ..one(side, "fetched", asked(0, 0))
    });
    pair.compare("another cluster's id", version, |side| FetchRequest {
        cluster_id: Some(Str::from_static("another")),
        ..one(side, "fetched", asked(0, 0))
    });
}

fn limits(pair: &mut Pair, version: i16) {
    for max_bytes in [0, 1, 100, 180, 400, -1, i32::MIN, i32::MAX] {
        pair.compare(&format!("max bytes {max_bytes}"), version, |side| {
            FetchRequest {
                max_bytes,
                ..request(topics(
                    side,
                    &[
                        ("fetched", vec![asked(0, 0), asked(1, 1)]),
                        ("fetched-too", vec![asked(0, 0)]),
                    ],
                ))
            }
        });
        pair.compare(
            &format!("partition max bytes {max_bytes}"),
            version,
            |side| {
                let small = |index| FetchPartition {
                    partition_max_bytes: max_bytes,
                    ..asked(index, 0)
                };
                request(topics(
                    side,
                    &[
                        ("fetched", vec![small(0), small(1)]),
                        ("fetched-too", vec![small(0)]),
                    ],
                ))
            },
        );
    }
    for (min_bytes, max_wait_ms) in [(1, 20), (100_000, 20), (-1, 20), (1, -1), (i32::MAX, 0)] {
        let case = format!("min bytes {min_bytes} within {max_wait_ms} ms");
        for offset in [0, 9, 10] {
            pair.compare(&format!("{case} at {offset}"), version, |side| {
                FetchRequest {
                    min_bytes,
                    max_wait_ms,
                    ..one(side, "fetched", asked(0, offset))
                }
            });
        }
    }
}

fn several(pair: &mut Pair, version: i16) {
    pair.compare("no topics", version, |_| request(vec![]));
    pair.compare("a topic without partitions", version, |side| {
        request(topics(side, &[("fetched", vec![])]))
    });
    pair.compare("a partition twice", version, |side| {
        request(topics(side, &[("fetched", vec![asked(0, 1), asked(0, 4)])]))
    });
    pair.compare("a topic twice", version, |side| {
        request(topics(
            side,
            &[
                ("fetched", vec![asked(0, 1)]),
                ("fetched-too", vec![asked(1, 0)]),
                ("fetched", vec![asked(1, 4)]),
            ],
        ))
    });
    pair.compare("good and bad partitions", version, |side| {
        request(topics(
            side,
            &[
                (
                    "fetched",
                    vec![asked(2, 0), asked(0, 99), asked(1, 1), asked(8, 0)],
                ),
                ("absent", vec![asked(0, 0)]),
                ("fetched-empty", vec![asked(0, 0)]),
            ],
        ))
    });
    if version >= FIRST_BY_ID {
        pair.compare("a topic id of zero", version, |_| {
            request(vec![FetchTopic {
                partitions: vec![asked(0, 0)],
                ..FetchTopic::default()
            }])
        });
    }
}

/// Requests of such as call themselves replicas.
fn replicas(pair: &mut Pair, version: i16) {
    for replica_id in [-2, -3, 1, 2, 99] {
        for offset in [0, 9, 10, 20] {
            let case = format!("replica {replica_id} at {offset}");
            pair.compare(&case, version, |side| FetchRequest {
                replica_id,
                replica_state: ReplicaState {
                    replica_id,
                    replica_epoch: -1,
                },
                ..one(side, "fetched", asked(0, offset))
            });
        }
    }
}
