//! OffsetCommit, OffsetFetch and OffsetDelete: of members, of simple consumers and of nobody.

use broker::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use broker::protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use broker::protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use broker::protocol::{ApiKey, Str};

use super::groups::{Member, stable, wait_for_coordinator};
use super::pair::Pair;
use super::side::Side;
use super::topics::{create, topic};

/// Partitions by topic.
type Partitions = [(&'static str, &'static [i32])];

/// The first version of OffsetFetch that may ask for everything.
const FIRST_FOR_ALL: i16 = 2;
/// The first version of OffsetFetch that asks for groups.
const FIRST_OF_GROUPS: i16 = 8;

pub fn compare(pair: &mut Pair) {
    create(
        pair,
        &[topic("committed", 3, &[]), topic("committed-too", 1, &[])],
    );
    simple(pair);
    fetches(pair);
    let member = stable(pair, "committing");
    members(pair, &member);
    deletes(pair);
}

fn text(text: &str) -> Str {
    Str::from(text.to_owned())
}

fn commit(side: &Side, group: &str, partitions: &Partitions, offset: i64) -> OffsetCommitRequest {
    let partition = |index: &i32| OffsetCommitRequestPartition {
        partition_index: *index,
        committed_offset: offset,
        committed_metadata: Some(Str::from_static("noted")),
        ..OffsetCommitRequestPartition::default()
    };
    let topics = partitions
        .iter()
        .map(|(topic, indexes)| OffsetCommitRequestTopic {
            name: Str::from_static(topic),
            topic_id: side.own.topic_id(topic),
            partitions: indexes.iter().map(partition).collect(),
        });
    OffsetCommitRequest {
        group_id: text(group),
        topics: topics.collect(),
        ..OffsetCommitRequest::default()
    }
}

/// Commits without membership.
fn simple(pair: &mut Pair) {
    wait_for_coordinator(pair, "simple");
    let lists: [&Partitions; 7] = [
        &[],
        &[("committed", &[])],
        &[("committed", &[0, 1])],
        &[("committed", &[0, 9, -1])],
        &[("absent", &[0]), ("committed", &[0])],
        &[("committed", &[0, 0])],
        &[
            ("committed", &[0]),
            ("committed", &[1]),
            ("committed-too", &[0]),
        ],
    ];
    for partitions in lists {
        pair.compare_all(&format!("a commit of {partitions:?}"), |side| {
            commit(side, "simple", partitions, 5)
        });
    }
    for version in pair
        .versions(ApiKey::OffsetCommit)
        .filter(|version| *version < 10)
    {
        for name in ["", "a/b"] {
            pair.compare(
                &format!("a commit for the topic {name:?}"),
                version,
                |side| commit(side, "simple", &[(name, &[0])], 5),
            );
        }
    }
    for offset in [0, -1, -2, i64::MAX, i64::MIN] {
        pair.compare_all(&format!("a commit of the offset {offset}"), |side| {
            commit(side, "simple", &[("committed", &[2])], offset)
        });
    }
    pair.compare_all("a commit of 7", |side| {
        commit(side, "simple", &[("committed", &[2])], 7)
    });
    pair.compare_all("a commit without a group", |side| {
        commit(side, "", &[("committed", &[0])], 5)
    });
    metadata(pair);
    for (generation, member) in [(0, ""), (-1, "nobody"), (0, "nobody"), (-2, "")] {
        pair.compare_all(
            &format!("a commit of {member:?} in generation {generation}"),
            |side| OffsetCommitRequest {
                generation_id_or_member_epoch: generation,
                member_id: text(member),
                ..commit(side, "simple", &[("committed", &[0])], 5)
            },
        );
    }
    for instance in ["", "nothing"] {
        pair.compare_all(&format!("a commit of the instance {instance:?}"), |side| {
            OffsetCommitRequest {
                group_instance_id: Some(text(instance)),
                ..commit(side, "simple", &[("committed", &[0])], 5)
            }
        });
    }
}

fn metadata(pair: &mut Pair) {
    for length in [0, 4_096, 4_097] {
        pair.compare_all(
            &format!("a commit with {length} bytes of metadata"),
            |side| {
                let mut request = commit(
                    side,
                    "simple",
                    &[("committed", &[1]), ("committed-too", &[0])],
                    6,
                );
                let metadata = Some(Str::from("m".repeat(length)));
                request.topics[0].partitions[0].committed_metadata = metadata;
                request
            },
        );
    }
    pair.compare_all("a commit without metadata", |side| {
        let mut request = commit(side, "simple", &[("committed", &[1])], 6);
        request.topics[0].partitions[0].committed_metadata = None;
        request
    });
    for epoch in [0, 3, -2] {
        pair.compare_all(&format!("a commit of the epoch {epoch}"), |side| {
            let mut request = commit(side, "simple", &[("committed", &[0])], 6);
            request.topics[0].partitions[0].committed_leader_epoch = epoch;
            request
        });
        pair.compare_all(
            &format!("what was committed of the epoch {epoch}"),
            |side| fetch(side, "simple", Some(&[("committed", &[0])])),
        );
    }
}

/// A question in the form of all versions.
fn fetch(side: &Side, group: &str, partitions: Option<&Partitions>) -> OffsetFetchRequest {
    OffsetFetchRequest {
        group_id: text(group),
        topics: partitions.map(|partitions| {
            let topics = partitions
                .iter()
                .map(|(topic, indexes)| OffsetFetchRequestTopic {
                    name: Str::from_static(topic),
                    partition_indexes: indexes.to_vec(),
                });
            topics.collect()
        }),
        groups: vec![of_group(side, group, partitions)],
        require_stable: false,
    }
}

fn of_group(side: &Side, group: &str, partitions: Option<&Partitions>) -> OffsetFetchRequestGroup {
    OffsetFetchRequestGroup {
        group_id: text(group),
        topics: partitions.map(|partitions| {
            let topics = partitions
                .iter()
                .map(|(topic, indexes)| OffsetFetchRequestTopics {
                    name: Str::from_static(topic),
                    topic_id: side.own.topic_id(topic),
                    partition_indexes: indexes.to_vec(),
                });
            topics.collect()
        }),
        ..OffsetFetchRequestGroup::default()
    }
}

fn fetches(pair: &mut Pair) {
    let lists: [&Partitions; 7] = [
        &[],
        &[("committed", &[])],
        &[("committed", &[0, 1, 2])],
        &[("committed", &[1, 9, -1]), ("committed-too", &[0])],
        &[("absent", &[0]), ("committed", &[0])],
        &[("committed", &[0, 0])],
        &[("committed", &[0]), ("committed", &[1])],
    ];
    for group in ["simple", "absent-group", ""] {
        wait_for_coordinator(pair, group);
        for partitions in lists {
            for require_stable in [false, true] {
                let case = format!("{partitions:?} of {group:?}, stable: {require_stable}");
                pair.compare_all(&case, |side| OffsetFetchRequest {
                    require_stable,
                    ..fetch(side, group, Some(partitions))
                });
            }
        }
        for version in pair
            .versions(ApiKey::OffsetFetch)
            .filter(|it| *it >= FIRST_FOR_ALL)
        {
            pair.compare(&format!("everything of {group:?}"), version, |side| {
                fetch(side, group, None)
            });
        }
    }
    for version in pair
        .versions(ApiKey::OffsetFetch)
        .filter(|it| *it >= FIRST_OF_GROUPS)
    {
        several(pair, version);
    }
}

/// Several groups in one request, and what members of the new protocol say of themselves.
fn several(pair: &mut Pair, version: i16) {
    let lists: [&[&str]; 3] = [&[], &["simple", "absent-group"], &["simple", "simple"]];
    for groups in lists {
        pair.compare(&format!("the groups {groups:?}"), version, |side| {
            let groups = groups.iter();
            OffsetFetchRequest {
                groups: groups.map(|group| of_group(side, group, None)).collect(),
                ..OffsetFetchRequest::default()
            }
        });
    }
    for (member, epoch) in [
        (Some(""), -1),
        (Some("nobody"), -1),
        (Some("nobody"), 0),
        (None, 3),
    ] {
        let case = format!("the member {member:?} of epoch {epoch}");
        pair.compare(&case, version, |side| {
            let mut request = fetch(side, "simple", Some(&[("committed", &[0])]));
            request.groups[0].member_id = member.map(Str::from_static);
            request.groups[0].member_epoch = epoch;
            request
        });
    }
}

/// Commits into a group that has a member.
fn members(pair: &mut Pair, member: &Member) {
    let of = |side: &Side, generation, id| OffsetCommitRequest {
        generation_id_or_member_epoch: generation,
        member_id: id,
        ..commit(side, &member.group, &[("committed", &[0])], 8)
    };
    for generation in [
        member.generation,
        member.generation + 1,
        member.generation - 1,
        -1,
    ] {
        pair.compare_all(
            &format!("a member commits in generation {generation}"),
            |side| of(side, generation, member.id(side)),
        );
        for id in ["", "nobody"] {
            let case = format!("the member {id:?} commits in generation {generation}");
            pair.compare_all(&case, |side| of(side, generation, Str::from_static(id)));
        }
    }
    pair.compare_all("a member commits as an instance", |side| {
        OffsetCommitRequest {
            group_instance_id: Some(Str::from_static("nothing")),
            ..of(side, member.generation, member.id(side))
        }
    });
}

fn deletes(pair: &mut Pair) {
    let delete = |group: &str, partitions: &Partitions| OffsetDeleteRequest {
        group_id: text(group),
        topics: partitions
            .iter()
            .map(|(topic, indexes)| OffsetDeleteRequestTopic {
                name: Str::from_static(topic),
                partitions: indexes
                    .iter()
                    .map(|index| OffsetDeleteRequestPartition {
                        partition_index: *index,
                    })
                    .collect(),
            })
            .collect(),
    };
    let lists: [&Partitions; 6] = [
        &[],
        &[("committed", &[])],
        &[("committed", &[0, 9, -1]), ("absent", &[0])],
        &[("joined", &[0]), ("committed", &[0])],
        &[("committed", &[1, 1])],
        &[("committed", &[2]), ("", &[0]), ("a/b", &[0])],
    ];
    for group in ["absent-group", "", "committing", "simple"] {
        for partitions in lists {
            pair.compare_all(&format!("{partitions:?} of {group:?}"), |_| {
                delete(group, partitions)
            });
        }
        for version in pair
            .versions(ApiKey::OffsetFetch)
            .filter(|it| *it >= FIRST_FOR_ALL)
        {
            pair.compare(&format!("what {group:?} has left"), version, |side| {
                fetch(side, group, None)
            });
        }
    }
}
