//! The APIs of groups before there is any coordinator: nobody has asked for one yet, and so there is no
//! topic of groups. What is wrong with a request itself is told all the same.

use broker::protocol::messages::delete_groups::DeleteGroupsRequest;
use broker::protocol::messages::describe_groups::DescribeGroupsRequest;
use broker::protocol::messages::heartbeat::HeartbeatRequest;
use broker::protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use broker::protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use broker::protocol::messages::list_groups::ListGroupsRequest;
use broker::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use broker::protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use broker::protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use broker::protocol::messages::sync_group::SyncGroupRequest;
use broker::protocol::{ApiKey, Str};
use bytes::Bytes;

use super::pair::Pair;
use super::topics::{create, topic};

/// A group that is not there, and the id that is none.
const GROUPS: [&str; 2] = ["absent", ""];
/// A topic that is there, and one that is not.
const TOPICS: [&str; 2] = ["early", "absent"];
/// The first version of OffsetFetch that may ask for everything.
const FIRST_FOR_ALL: i16 = 2;

pub fn compare(pair: &mut Pair) {
    create(pair, &[topic("early", 1, &[])]);
    for group in GROUPS {
        joins(pair, group);
        syncs(pair, group);
        members(pair, group);
        commits(pair, group);
        fetches(pair, group);
        deletes(pair, group);
    }
    admin(pair);
}

fn text(text: &str) -> Str {
    Str::from(text.to_owned())
}

fn joins(pair: &mut Pair, group: &str) {
    for member in ["", "nobody"] {
        for session_timeout_ms in [-1, 0, 5_999, 6_000, 1_800_000, 1_800_001] {
            let case = format!("{member:?} in {group:?} with a session of {session_timeout_ms} ms");
            pair.compare_all(&case, |_| JoinGroupRequest {
                group_id: text(group),
                session_timeout_ms,
                rebalance_timeout_ms: 10_000,
                member_id: text(member),
                protocol_type: Str::from_static("consumer"),
                protocols: vec![JoinGroupRequestProtocol {
                    name: Str::from_static("range"),
                    metadata: Bytes::new(),
                }],
                ..JoinGroupRequest::default()
            });
        }
    }
}

fn syncs(pair: &mut Pair, group: &str) {
    for protocol in [None, Some(Str::from_static("range"))] {
        let case = format!("the protocol {protocol:?} in {group:?}");
        pair.compare_all(&case, |_| SyncGroupRequest {
            group_id: text(group),
            member_id: Str::from_static("nobody"),
            protocol_type: Some(Str::from_static("consumer")),
            protocol_name: protocol.clone(),
            ..SyncGroupRequest::default()
        });
    }
}

fn members(pair: &mut Pair, group: &str) {
    pair.compare_all(&format!("nobody in {group:?}"), |_| HeartbeatRequest {
        group_id: text(group),
        member_id: Str::from_static("nobody"),
        ..HeartbeatRequest::default()
    });
    pair.compare_all(&format!("nobody leaves {group:?}"), |_| LeaveGroupRequest {
        group_id: text(group),
        member_id: Str::from_static("nobody"),
        members: vec![MemberIdentity {
            member_id: Str::from_static("nobody"),
            ..MemberIdentity::default()
        }],
    });
}

fn commits(pair: &mut Pair, group: &str) {
    for name in TOPICS {
        pair.compare_all(&format!("a commit of {group:?} for {name}"), |side| {
            OffsetCommitRequest {
                group_id: text(group),
                topics: vec![OffsetCommitRequestTopic {
                    name: text(name),
                    topic_id: side.own.topic_id(name),
                    partitions: vec![OffsetCommitRequestPartition::default()],
                }],
                ..OffsetCommitRequest::default()
            }
        });
    }
}

fn fetches(pair: &mut Pair, group: &str) {
    for version in pair.versions(ApiKey::OffsetFetch) {
        for name in TOPICS.map(Some).into_iter().chain([None]) {
            if name.is_none() && version < FIRST_FOR_ALL {
                continue;
            }
            let case = format!("the offsets of {group:?} for {name:?}");
            pair.compare(&case, version, |side| OffsetFetchRequest {
                group_id: text(group),
                topics: name.map(|name| {
                    vec![OffsetFetchRequestTopic {
                        name: text(name),
                        partition_indexes: vec![0],
                    }]
                }),
                groups: vec![OffsetFetchRequestGroup {
                    group_id: text(group),
                    topics: name.map(|name| {
                        vec![OffsetFetchRequestTopics {
                            name: text(name),
                            topic_id: side.own.topic_id(name),
                            partition_indexes: vec![0],
                        }]
                    }),
                    ..OffsetFetchRequestGroup::default()
                }],
                ..OffsetFetchRequest::default()
            });
        }
    }
}

fn deletes(pair: &mut Pair, group: &str) {
    let lists: [&[&str]; 4] = [&[], &["early"], &["absent"], &["early", "absent"]];
    for names in lists {
        let case = format!("the offsets of {group:?} for {names:?} are deleted");
        pair.compare_all(&case, |_| OffsetDeleteRequest {
            group_id: text(group),
            topics: names
                .iter()
                .map(|name| OffsetDeleteRequestTopic {
                    name: text(name),
                    partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
                })
                .collect(),
        });
    }
}

fn admin(pair: &mut Pair) {
    for groups in [&GROUPS[..], &[]] {
        let groups: Vec<Str> = groups.iter().map(|group| text(group)).collect();
        pair.compare_all(&format!("{groups:?} are described"), |_| {
            DescribeGroupsRequest {
                groups: groups.clone(),
                include_authorized_operations: true,
            }
        });
        pair.compare_all(&format!("{groups:?} are deleted"), |_| {
            DeleteGroupsRequest {
                groups_names: groups.clone(),
            }
        });
    }
    pair.compare_all("all groups", |_| ListGroupsRequest::default());
}
