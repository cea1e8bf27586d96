//! Topics and their partitions as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Serialize;

use super::TopicsArguments;
use super::describe::is_reported;
use super::description::{Description, Partition};
use crate::cli::tools::format::print_json;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToldTopic<'a> {
    topic: &'a str,
    topic_id: Option<String>,
    partition_count: usize,
    replication_factor: usize,
    /// Those that are set for the topic or the cluster.
    configs: BTreeMap<&'a str, Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<Vec<ToldPartition<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToldPartition<'a> {
    partition: i32,
    leader: Option<i32>,
    replicas: &'a [i32],
    isr: &'a [i32],
    #[serde(skip_serializing_if = "Option::is_none")]
    adding_replicas: Option<&'a [i32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removing_replicas: Option<&'a [i32]>,
    elr: Option<&'a [i32]>,
    last_known_elr: Option<&'a [i32]>,
}

/// Prints what the lines of these topics would tell.
///
/// # Errors
/// Nobody reads the output any more.
pub(super) fn print(
    arguments: &TopicsArguments,
    topics: &[Description],
    live: &BTreeSet<i32>,
) -> io::Result<()> {
    let told: Vec<ToldTopic<'_>> = topics
        .iter()
        .filter_map(|topic| told(arguments, topic, live))
        .collect();
    print_json(&told)
}

/// A topic, unless nothing is to be told of it.
fn told<'a>(
    arguments: &TopicsArguments,
    topic: &'a Description,
    live: &BTreeSet<i32>,
) -> Option<ToldTopic<'a>> {
    let some = arguments.wants_some_partitions();
    let is_meant = |it: &&Partition| !some || is_reported(arguments, topic, it, live);
    let meant = topic.partitions.iter().filter(is_meant);
    let partitions: Vec<ToldPartition<'_>> = meant.map(told_partition).collect();
    let configs: BTreeMap<&str, Option<&str>> = topic.set_configs().collect();
    let is_told = match (some, arguments.topics_with_overrides) {
        (true, _) => !partitions.is_empty(),
        (false, true) => !configs.is_empty(),
        (false, false) => true,
    };
    let factor = topic.partitions.first();
    is_told.then_some(ToldTopic {
        topic: &topic.name,
        topic_id: Some(topic.id)
            .filter(|id| !id.is_zero())
            .map(|id| id.to_string()),
        partition_count: topic.partitions.len(),
        replication_factor: factor.map_or(0, Partition::replication_factor),
        configs,
        partitions: (!arguments.topics_with_overrides).then_some(partitions),
    })
}

fn told_partition(partition: &Partition) -> ToldPartition<'_> {
    let moving = partition.moving.as_ref();
    ToldPartition {
        partition: partition.index,
        leader: Some(partition.leader).filter(|id| *id >= 0),
        replicas: &partition.replicas,
        isr: &partition.in_sync,
        adding_replicas: moving.map(|it| it.adding_replicas.as_slice()),
        removing_replicas: moving.map(|it| it.removing_replicas.as_slice()),
        elr: partition.eligible.as_deref(),
        last_known_elr: partition.last_known.as_deref(),
    }
}
