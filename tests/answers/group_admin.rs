//! FindCoordinator, DescribeGroups, ListGroups and DeleteGroups: how groups are found and ended.
//!
//! The groups are those that the parts before have made.

use broker::protocol::messages::delete_groups::DeleteGroupsRequest;
use broker::protocol::messages::describe_groups::DescribeGroupsRequest;
use broker::protocol::messages::find_coordinator::FindCoordinatorRequest;
use broker::protocol::messages::list_groups::ListGroupsRequest;
use broker::protocol::{ApiKey, Str};

use super::pair::Pair;

/// The first version of FindCoordinator that asks for several keys.
const FIRST_OF_SEVERAL: i16 = 4;

pub fn compare(pair: &mut Pair) {
    finds(pair);
    describes(pair);
    lists(pair);
    deletes(pair);
    describes(pair);
    lists(pair);
}

fn texts(texts: &[&'static str]) -> Vec<Str> {
    texts.iter().map(|text| Str::from_static(text)).collect()
}

fn finds(pair: &mut Pair) {
    for key_type in [0, 1, 2, 3, -1] {
        for key in [
            "simple",
            "",
            "a b",
            "group:AAAAAAAAAAAAAAAAAAAAAQ:0",
            "group:x:y",
        ] {
            let case = format!("the coordinator of {key:?}, type {key_type}");
            pair.compare_all(&case, |_| FindCoordinatorRequest {
                key: Str::from_static(key),
                key_type,
                coordinator_keys: texts(&[key]),
            });
        }
    }
    let lists: [&[&'static str]; 3] = [&[], &["simple", "committing", ""], &["simple", "simple"]];
    for version in pair
        .versions(ApiKey::FindCoordinator)
        .filter(|it| *it >= FIRST_OF_SEVERAL)
    {
        for keys in lists {
            pair.compare(&format!("the coordinators of {keys:?}"), version, |_| {
                FindCoordinatorRequest {
                    coordinator_keys: texts(keys),
                    ..FindCoordinatorRequest::default()
                }
            });
        }
    }
}

fn describes(pair: &mut Pair) {
    let lists: [&[&'static str]; 6] = [
        &[],
        &["simple"],
        &["committing", "two-9"],
        &["life-0", "static-5", "life-9"],
        &["absent-group", "", "a/b"],
        &["simple", "simple"],
    ];
    for groups in lists {
        for include_authorized_operations in [false, true] {
            let case = format!("{groups:?}, operations: {include_authorized_operations}");
            pair.compare_all(&case, |_| DescribeGroupsRequest {
                groups: texts(groups),
                include_authorized_operations,
            });
        }
    }
}

fn lists(pair: &mut Pair) {
    let filters: [&[&'static str]; 9] = [
        &[],
        &["Stable"],
        &["stable"],
        &["Empty"],
        &["Dead"],
        &["Stable", "Empty", "Stable"],
        &["PreparingRebalance", "CompletingRebalance"],
        &["Nonsense"],
        &[""],
    ];
    for states in filters {
        pair.compare_all(&format!("groups that are {states:?}"), |_| {
            ListGroupsRequest {
                states_filter: texts(states),
                ..ListGroupsRequest::default()
            }
        });
    }
    let filters: [&[&'static str]; 6] = [
        &["classic"],
        &["Classic"],
        &["consumer"],
        &["share", "classic"],
        &["nonsense"],
        &[""],
    ];
    for types in filters {
        pair.compare_all(&format!("groups of the types {types:?}"), |_| {
            ListGroupsRequest {
                types_filter: texts(types),
                ..ListGroupsRequest::default()
            }
        });
    }
}

fn deletes(pair: &mut Pair) {
    let lists: [&[&'static str]; 5] = [
        &[],
        &["absent-group", "", "a/b"],
        &["committing"],
        &["simple", "absent-group", "two-9"],
        &["life-9", "life-9"],
    ];
    for groups in lists {
        pair.compare_all(&format!("{groups:?}"), |_| DeleteGroupsRequest {
            groups_names: texts(groups),
        });
    }
}
