//! CreatePartitions: topics that grow, and such as do not.

use broker::protocol::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use broker::protocol::{ApiKey, Str};

use super::pair::Pair;
use super::topics::{create, topic, wait_for};

pub fn compare(pair: &mut Pair) {
    create(pair, &[topic("stays", 2, &[])]);
    for version in pair.versions(ApiKey::CreatePartitions) {
        growth(pair, version);
    }
}

fn growth(pair: &mut Pair, version: i16) {
    let name = format!("grows-{version}");
    create(pair, &[topic(&name, 2, &[])]);
    for (case, wanted) in growths(&name) {
        for validate_only in [true, false] {
            let case = format!("{case}, validate only: {validate_only}");
            pair.compare(&case, version, |_| {
                grown(vec![wanted.clone()], validate_only)
            });
        }
    }
    // Apache makes them all, and fails for want of file descriptors.
    pair.compare("too many, validate only", version, |_| {
        grown(vec![grow(&name, 10_003, None)], true)
    });
    pair.compare("one more, validate only", version, |_| {
        grown(vec![grow(&name, 3, None)], true)
    });
    pair.compare("one more", version, |_| {
        grown(vec![grow(&name, 3, None)], false)
    });
    pair.compare("one more by hand", version, |_| {
        grown(vec![grow(&name, 4, Some(&[&[1]]))], false)
    });
    pair.compare("a topic twice", version, |_| {
        grown(
            vec![
                grow(&name, 6, None),
                grow("stays", 1, None),
                grow(&name, 7, None),
            ],
            false,
        )
    });
    pair.compare("good and bad ones", version, |_| {
        grown(
            vec![
                grow(&name, 5, None),
                grow("absent", 6, None),
                grow("stays", 1, None),
            ],
            false,
        )
    });
    pair.compare("no topics", version, |_| grown(vec![], false));
    wait_for(pair, &[topic(&name, 5, &[])]);
}

/// What is refused.
fn growths(name: &str) -> Vec<(&'static str, CreatePartitionsTopic)> {
    vec![
        ("as many as there are", grow(name, 2, None)),
        ("fewer", grow(name, 1, None)),
        ("none", grow(name, 0, None)),
        ("a negative number", grow(name, -3, None)),
        ("an unknown topic", grow("absent", 5, None)),
        ("an invalid topic", grow("a/b", 5, None)),
        ("an empty name", grow("", 5, None)),
        ("the metadata log", grow("__cluster_metadata", 5, None)),
        ("an empty assignment list", grow(name, 4, Some(&[]))),
        ("too few assignments", grow(name, 4, Some(&[&[1]]))),
        ("too many assignments", grow(name, 3, Some(&[&[1], &[1]]))),
        (
            "an assignment without replicas",
            grow(name, 3, Some(&[&[]])),
        ),
        ("an unknown broker", grow(name, 3, Some(&[&[9]]))),
        ("a broker twice", grow(name, 3, Some(&[&[1, 1]]))),
        ("more replicas than before", grow(name, 3, Some(&[&[1, 2]]))),
        (
            "assignments to as many as there are",
            grow(name, 2, Some(&[])),
        ),
    ]
}

fn grow(name: &str, count: i32, assignments: Option<&[&[i32]]>) -> CreatePartitionsTopic {
    CreatePartitionsTopic {
        name: Str::from(name.to_owned()),
        count,
        assignments: assignments.map(|assignments| {
            let assignments = assignments.iter();
            assignments
                .map(|brokers| CreatePartitionsAssignment {
                    broker_ids: brokers.to_vec(),
                })
                .collect()
        }),
    }
}

fn grown(topics: Vec<CreatePartitionsTopic>, validate_only: bool) -> CreatePartitionsRequest {
    CreatePartitionsRequest {
        topics,
        validate_only,
        timeout_ms: 10_000,
    }
}
