//! Groups as JSON: what the columns tell, all of it, and nothing where they have a dash.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Serialize;

use super::describe::{Groups, Row};
use super::group::{Coordinator, Member};
use super::list::Listing;
use super::names::{State, group_type};
use crate::cli::tools::format::print_json;
use crate::client::PartitionKey;

#[derive(Serialize)]
struct Listed<'a> {
    group: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    state: &'static str,
}

#[derive(Serialize)]
struct GroupOffsets<'a> {
    group: &'a str,
    state: &'static str,
    offsets: Vec<Offset<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Offset<'a> {
    topic: &'a str,
    partition: i32,
    leader_epoch: Option<i32>,
    current_offset: Option<i64>,
    log_end_offset: Option<i64>,
    lag: Option<i64>,
    consumer_id: Option<&'a str>,
    host: Option<&'a str>,
    client_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupMembers<'a> {
    group: &'a str,
    state: &'static str,
    target_epoch: Option<i32>,
    members: Vec<ToldMember<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToldMember<'a> {
    consumer_id: &'a str,
    group_instance_id: Option<&'a str>,
    host: &'a str,
    client_id: &'a str,
    partitions: usize,
    current_epoch: Option<i32>,
    current_assignment: Assignment<'a>,
    target_assignment: Assignment<'a>,
    upgraded: Option<bool>,
}

/// The numbers of partitions by their topics.
type Assignment<'a> = BTreeMap<&'a str, Vec<i32>>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupState<'a> {
    group: &'a str,
    coordinator: ToldCoordinator<'a>,
    assignment_strategy: Option<&'a str>,
    state: &'static str,
    group_epoch: Option<i32>,
    target_assignment_epoch: Option<i32>,
    members: usize,
}

#[derive(Serialize)]
struct ToldCoordinator<'a> {
    id: i32,
    host: &'a str,
    port: i32,
}

/// Prints the groups that are there.
///
/// # Errors
/// Nobody reads the output any more, as for all of these.
pub(super) fn print_list(listing: &Listing) -> io::Result<()> {
    let told = listing.iter().map(|(id, group)| Listed {
        group: id,
        kind: group_type(&group.group_type),
        state: State::parse(&group.group_state).name(),
    });
    print_json(&told.collect::<Vec<_>>())
}

/// Prints what groups have committed.
pub(super) fn print_offsets(tables: &[(&String, State, Vec<Row<'_>>)]) -> io::Result<()> {
    let told = tables.iter().map(|(id, state, rows)| GroupOffsets {
        group: id,
        state: state.name(),
        offsets: rows.iter().map(offset).collect(),
    });
    print_json(&told.collect::<Vec<_>>())
}

fn offset<'a>(row: &'a Row<'_>) -> Offset<'a> {
    let is_there = |text: &'a str| Some(text).filter(|_| row.is_read());
    Offset {
        topic: &row.key.0,
        partition: row.key.1,
        leader_epoch: row.committed.and_then(|it| it.leader_epoch),
        current_offset: row.offset(),
        log_end_offset: row.end,
        lag: row.lag(),
        consumer_id: is_there(row.reader.consumer),
        host: is_there(row.reader.host),
        client_id: is_there(row.reader.client),
    }
}

/// Prints the members of groups.
pub(super) fn print_members(groups: &Groups) -> io::Result<()> {
    let told = groups.iter().map(|(id, description)| GroupMembers {
        group: id,
        state: description.state.name(),
        target_epoch: description.target_epoch,
        members: description.members.iter().map(member).collect(),
    });
    print_json(&told.collect::<Vec<_>>())
}

fn member(member: &Member) -> ToldMember<'_> {
    ToldMember {
        consumer_id: &member.id,
        group_instance_id: member.instance.as_deref(),
        host: &member.host,
        client_id: &member.client,
        partitions: member.assigned.len(),
        current_epoch: member.epoch,
        current_assignment: by_topic(&member.assigned),
        target_assignment: by_topic(&member.target),
        upgraded: member.is_upgraded,
    }
}

fn by_topic(keys: &BTreeSet<PartitionKey>) -> Assignment<'_> {
    let mut topics = Assignment::new();
    for (topic, partition) in keys {
        topics.entry(topic).or_default().push(*partition);
    }
    topics
}

/// Prints the states of groups, each with the coordinator at the same place.
pub(super) fn print_states(groups: &Groups, coordinators: &[Coordinator]) -> io::Result<()> {
    let told = groups.iter().zip(coordinators);
    let told = told.map(|((id, description), coordinator)| GroupState {
        group: id,
        coordinator: ToldCoordinator {
            id: coordinator.id,
            host: &coordinator.host,
            port: coordinator.port,
        },
        assignment_strategy: Some(&*description.assignor).filter(|name| !name.is_empty()),
        state: description.state.name(),
        group_epoch: description.epoch,
        target_assignment_epoch: description.target_epoch,
        members: description.members.len(),
    });
    print_json(&told.collect::<Vec<_>>())
}
