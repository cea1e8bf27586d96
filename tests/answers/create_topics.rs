//! CreateTopics: every kind of topic, and of mistake.

use broker::protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use broker::protocol::{ApiKey, Str};

use super::alter_configs::BAD_VALUES;
use super::pair::Pair;
use super::topics::{create, topic};

pub fn compare(pair: &mut Pair) {
    create(
        pair,
        &[topic("exists", 2, &[]), topic("exists.too", 1, &[])],
    );
    for version in pair.versions(ApiKey::CreateTopics) {
        creations(pair, version);
    }
}

fn creations(pair: &mut Pair, version: i16) {
    let name = format!("new-{version}");
    let other = format!("new-too-{version}");
    let ask = |topics: Vec<CreatableTopic>, validate_only| CreateTopicsRequest {
        topics,
        validate_only,
        timeout_ms: 10_000,
    };
    // What is refused must not depend on whether it would be done.
    for (case, wanted) in bad_creations(&name) {
        for validate_only in [true, false] {
            let case = format!("{case}, validate only: {validate_only}");
            pair.compare(&case, version, |_| ask(vec![wanted.clone()], validate_only));
        }
    }
    for (case, wanted) in good_creations(&name) {
        pair.compare(&format!("{case}, validate only"), version, |_| {
            ask(vec![wanted.clone()], true)
        });
    }
    for (index, (case, mut wanted)) in good_creations(&name).into_iter().enumerate() {
        wanted.name = Str::from(format!("{name}-{index}"));
        pair.compare(case, version, |_| ask(vec![wanted.clone()], false));
    }
    pair.compare("no topics", version, |_| ask(vec![], false));
    pair.compare("a topic twice", version, |_| {
        ask(
            vec![
                topic(&name, 1, &[]),
                topic(&other, 1, &[]),
                topic(&name, 2, &[]),
            ],
            false,
        )
    });
    pair.compare("good and bad ones", version, |_| {
        let topics = vec![
            topic(&name, 1, &[]),
            topic("a/b", 1, &[]),
            topic("exists", 1, &[]),
        ];
        ask(topics, false)
    });
    pair.compare("names that collide with each other", version, |_| {
        let topics = vec![
            topic(&format!("col.{version}"), 1, &[]),
            topic(&format!("col_{version}"), 1, &[]),
        ];
        ask(topics, false)
    });
    pair.compare("too many partitions in all", version, |_| {
        ask(
            vec![topic("many", 9_000, &[]), topic("many-too", 1_001, &[])],
            false,
        )
    });
    for timeout_ms in [0, -1] {
        pair.compare(
            &format!("a timeout of {timeout_ms} to validate"),
            version,
            |_| CreateTopicsRequest {
                timeout_ms,
                ..ask(vec![topic("exists", 1, &[])], true)
            },
        );
    }
}

fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignments = assignments.iter();
    CreatableTopic {
        num_partitions: -1,
        replication_factor: -1,
        assignments: assignments
            .map(|(partition_index, brokers)| CreatableReplicaAssignment {
                partition_index: *partition_index,
                broker_ids: brokers.to_vec(),
            })
            .collect(),
        ..topic(name, -1, &[])
    }
}

fn bad_creations(name: &str) -> Vec<(String, CreatableTopic)> {
    let long = "x".repeat(250);
    let names = [
        "",
        ".",
        "..",
        "a/b",
        "a b",
        "\u{e9}",
        &long,
        "exists",
        "exists_too",
        "__cluster_metadata",
    ];
    let mut cases: Vec<(String, CreatableTopic)> = names
        .iter()
        .map(|bad| (format!("the name {bad:.12?}"), topic(bad, 1, &[])))
        .collect();
    for count in [0, -2, 10_001, i32::MAX, i32::MIN] {
        cases.push((format!("{count} partitions"), topic(name, count, &[])));
    }
    for factor in [0, -2, 2, i16::MAX] {
        let wanted = CreatableTopic {
            replication_factor: factor,
            ..topic(name, 1, &[])
        };
        cases.push((format!("replication factor {factor}"), wanted));
    }
    let both_bad = CreatableTopic {
        replication_factor: 0,
        ..topic(name, 0, &[])
    };
    cases.push(("partitions and replication factor 0".to_owned(), both_bad));
    cases.extend(bad_assignments(name));
    for (key, value) in BAD_VALUES {
        let wanted = topic(name, 1, &[(key, value)]);
        cases.push((format!("{key}={value:.20}"), wanted));
    }
    let mut null = topic(name, 1, &[]);
    null.configs = ["retention.ms", "segment.bytes"]
        .map(|key| CreatableTopicConfig {
            name: Str::from_static(key),
            value: None,
        })
        .to_vec();
    cases.push(("null configs".to_owned(), null));
    let bad_name = CreatableTopic {
        replication_factor: 0,
        ..topic("a/b", 1, &[("nonsense", "1")])
    };
    cases.push(("everything wrong".to_owned(), bad_name));
    cases
}

/// Replicas by partition.
type Assignment = [(i32, &'static [i32])];

fn bad_assignments(name: &str) -> Vec<(String, CreatableTopic)> {
    let mut cases = Vec::new();
    let assignments: [(&str, &Assignment); 8] = [
        ("no replicas", &[(0, &[])]),
        ("an unknown broker", &[(0, &[7])]),
        ("a known and an unknown broker", &[(0, &[1, 7])]),
        ("a broker twice", &[(0, &[1, 1])]),
        ("a partition twice", &[(0, &[1]), (0, &[1])]),
        ("a gap", &[(0, &[1]), (2, &[1])]),
        ("a start at 1", &[(1, &[1])]),
        ("a negative partition", &[(-1, &[1])]),
    ];
    for (case, wanted) in assignments {
        cases.push((format!("an assignment with {case}"), assigned(name, wanted)));
    }
    let counted = CreatableTopic {
        num_partitions: 1,
        ..assigned(name, &[(0, &[1])])
    };
    cases.push(("an assignment and a count".to_owned(), counted));
    let replicated = CreatableTopic {
        replication_factor: 1,
        ..assigned(name, &[(0, &[1])])
    };
    cases.push((
        "an assignment and a replication factor".to_owned(),
        replicated,
    ));
    cases
}

fn good_creations(name: &str) -> Vec<(&'static str, CreatableTopic)> {
    vec![
        ("a topic", topic(name, 1, &[])),
        ("three partitions", topic(name, 3, &[])),
        (
            "default counts",
            CreatableTopic {
                replication_factor: -1,
                ..topic(name, -1, &[])
            },
        ),
        ("an assignment", assigned(name, &[(0, &[1])])),
        (
            "an assignment in any order",
            assigned(name, &[(1, &[1]), (0, &[1])]),
        ),
        (
            "configs",
            topic(
                name,
                1,
                &[
                    ("retention.ms", "1000000"),
                    ("cleanup.policy", "compact,delete"),
                    ("min.insync.replicas", "1"),
                    ("compression.type", "zstd"),
                ],
            ),
        ),
        (
            "a config with space",
            topic(name, 1, &[("retention.ms", " 12345678 ")]),
        ),
        (
            "a config twice",
            topic(
                name,
                1,
                &[("retention.ms", "1111111"), ("retention.ms", "2222222")],
            ),
        ),
    ]
}
