//! Groups, and one group with its members and lag.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Known;
use crate::client::PartitionKey;
use crate::web::pages::query::{Part, Query};
use crate::web::pages::survey::{Group, Member};

/// Groups, searched and sorted.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct Groups {
    #[serde(flatten)]
    pub(in crate::web::pages) part: Part<GroupRow>,
    /// How many groups there are, whatever was searched for.
    pub(in crate::web::pages) groups: usize,
    /// Groups that there was no room for.
    pub(in crate::web::pages) left_out: usize,
    /// Coordinators that have not told of all their groups.
    pub(in crate::web::pages) silent: Vec<i32>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::web::pages) struct GroupRow {
    pub(in crate::web::pages) id: String,
    pub(in crate::web::pages) state: String,
    pub(in crate::web::pages) protocol: String,
    pub(in crate::web::pages) assignor: String,
    pub(in crate::web::pages) coordinator: i32,
    pub(in crate::web::pages) members: usize,
    pub(in crate::web::pages) topics: usize,
    /// Records that it has yet to read; `None` where no end is known.
    pub(in crate::web::pages) lag: Option<i64>,
}

/// One group.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct OneGroup {
    #[serde(flatten)]
    pub(in crate::web::pages) group: GroupRow,
    pub(in crate::web::pages) member_list: Vec<MemberRow>,
    pub(in crate::web::pages) offsets: Part<OffsetRow>,
}

/// A member.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct MemberRow {
    pub(in crate::web::pages) id: String,
    pub(in crate::web::pages) instance: Option<String>,
    pub(in crate::web::pages) client: String,
    pub(in crate::web::pages) host: String,
    /// Its partitions, `topic-0`.
    pub(in crate::web::pages) assigned: Vec<String>,
    pub(in crate::web::pages) lag: Option<i64>,
}

/// Where a group stands in a partition.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct OffsetRow {
    pub(in crate::web::pages) topic: String,
    pub(in crate::web::pages) partition: i32,
    pub(in crate::web::pages) committed: Option<i64>,
    pub(in crate::web::pages) end: Option<i64>,
    pub(in crate::web::pages) lag: Option<i64>,
    /// The member that reads it.
    pub(in crate::web::pages) member: Option<String>,
}

fn row(known: &Known, coordinator: i32, group: &Group) -> GroupRow {
    let committed = group.committed.iter();
    let lags = committed.filter_map(|(key, it)| known.lag(key, it.offset));
    let topics: BTreeSet<&str> = partitions(group).map(|key| &*key.0).collect();
    GroupRow {
        id: group.id.to_string(),
        state: group.state.to_string(),
        protocol: group.protocol.to_string(),
        assignor: group.assignor.to_string(),
        coordinator,
        members: group.members.len(),
        topics: topics.len(),
        lag: lags.fold(None, |sum, lag| Some(sum.unwrap_or(0) + lag)),
    }
}

/// All partitions that a group has committed or reads.
fn partitions(group: &Group) -> impl Iterator<Item = &PartitionKey> {
    let assigned = group.members.iter().flat_map(|it| &it.assigned);
    group.committed.keys().chain(assigned)
}

impl Groups {
    /// What was asked for.
    pub(in crate::web::pages) fn of(known: &Known, query: &Query) -> Self {
        let brokers = &known.survey.brokers;
        let all = brokers
            .iter()
            .flat_map(|(id, told)| told.groups.iter().map(move |group| (*id, group)));
        let found = all.clone().filter(|(_, group)| query.finds(&group.id));
        let mut rows: Vec<GroupRow> = found.map(|(id, group)| row(known, id, group)).collect();
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        let silent = brokers.iter().filter(|(_, told)| told.trouble.is_some());
        Self {
            groups: all.count(),
            part: query.part(rows, |a, b| order(&query.sort, a, b)),
            left_out: brokers.values().map(|told| told.groups_left_out).sum(),
            silent: silent.map(|(id, _)| *id).collect(),
        }
    }
}

fn order(column: &str, a: &GroupRow, b: &GroupRow) -> std::cmp::Ordering {
    match column {
        "state" => a.state.cmp(&b.state),
        "members" => a.members.cmp(&b.members),
        "topics" => a.topics.cmp(&b.topics),
        "coordinator" => a.coordinator.cmp(&b.coordinator),
        "lag" => a.lag.cmp(&b.lag),
        _ => a.id.cmp(&b.id),
    }
}

impl OneGroup {
    /// The group with this id, if a coordinator has told of it.
    pub(in crate::web::pages) fn of(known: &Known, query: &Query) -> Option<Self> {
        let mut brokers = known.survey.brokers.iter();
        let (coordinator, group) = brokers.find_map(|(id, told)| {
            let mut groups = told.groups.iter();
            Some((*id, groups.find(|it| *it.id == *query.id)?))
        })?;
        let keys: BTreeSet<&PartitionKey> = partitions(group).collect();
        let rows: Vec<OffsetRow> = keys
            .into_iter()
            .map(|it| offset(known, group, it))
            .collect();
        let members = group.members.iter();
        Some(Self {
            group: row(known, coordinator, group),
            member_list: members.map(|it| member(known, group, it)).collect(),
            offsets: query.part(rows, |a, b| order_of_offsets(&query.sort, a, b)),
        })
    }
}

fn order_of_offsets(column: &str, a: &OffsetRow, b: &OffsetRow) -> std::cmp::Ordering {
    match column {
        "lag" => a.lag.cmp(&b.lag),
        "committed" => a.committed.cmp(&b.committed),
        "end" => a.end.cmp(&b.end),
        "member" => a.member.cmp(&b.member),
        _ => (&a.topic, a.partition).cmp(&(&b.topic, b.partition)),
    }
}

fn offset(known: &Known, group: &Group, key: &PartitionKey) -> OffsetRow {
    let committed = group.committed.get(key).map(|it| it.offset);
    let mut members = group.members.iter();
    let member = members.find(|it| it.assigned.contains(key));
    OffsetRow {
        topic: key.0.to_string(),
        partition: key.1,
        committed,
        end: known.end(&key.0, key.1),
        lag: committed.and_then(|offset| known.lag(key, offset)),
        member: member.map(|it| it.id.to_string()),
    }
}

fn member(known: &Known, group: &Group, member: &Member) -> MemberRow {
    let lags = member.assigned.iter().filter_map(|key| {
        let committed = group.committed.get(key)?;
        known.lag(key, committed.offset)
    });
    let assigned = member.assigned.iter();
    MemberRow {
        id: member.id.to_string(),
        instance: member.instance.as_ref().map(ToString::to_string),
        client: member.client.to_string(),
        // Kafka shows addresses with a slash before them.
        host: member.host.trim_start_matches('/').to_owned(),
        assigned: assigned.map(|key| format!("{}-{}", key.0, key.1)).collect(),
        lag: lags.fold(None, |sum, lag| Some(sum.unwrap_or(0) + lag)),
    }
}
