//! The lines that are printed of topics and of their partitions.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use super::description::{Description, Partition, collect, collect_by_id, live_brokers};
use super::{TopicsArguments, json, names};
use crate::cli::tools::ending::Ending;
use crate::client::Cluster;
use crate::model::Uuid;

/// Describes the topics that the arguments mean.
pub(super) async fn describe(
    arguments: &TopicsArguments,
    cluster: &mut Cluster,
) -> Result<(), Ending> {
    if arguments.if_exists && arguments.topic.is_some() && arguments.topic_id.is_some() {
        writeln!(
            io::stdout(),
            "Only topic id will be used when both --topic and --topic-id are specified and topicId is not \
             Uuid.ZERO_UUID"
        )?;
    }
    let id = topic_id(arguments)?;
    let topics = match id {
        Some(id) => by_id(arguments, cluster, id).await?,
        None => {
            let found = names::find(arguments, cluster).await?;
            arguments.must_exist(&found)?;
            if found.is_empty() && !arguments.output.is_json() {
                return Ok(());
            }
            let page_size = arguments.partition_size_limit_per_response;
            collect(cluster, &found, page_size).await?
        }
    };
    let live = live_brokers(cluster);
    if arguments.output.is_json() {
        return Ok(json::print(arguments, &topics, &live)?);
    }
    let mut output = io::stdout().lock();
    for topic in &topics {
        output.write_all(lines(arguments, topic, &live).as_bytes())?;
    }
    Ok(())
}

fn topic_id(arguments: &TopicsArguments) -> Result<Option<Uuid>, Ending> {
    let Some(text) = arguments.topic_id.as_deref() else {
        return Ok(None);
    };
    let id: Uuid = text
        .parse()
        .map_err(|_| Ending::Failed(format!("Input string `{text}` is no topic id")))?;
    Ok(Some(id).filter(|id| !id.is_zero()))
}

async fn by_id(
    arguments: &TopicsArguments,
    cluster: &mut Cluster,
    id: Uuid,
) -> Result<Vec<Description>, Ending> {
    let all = cluster.refresh(None, false).await?.topics;
    let found = all.into_iter().find(|topic| topic.topic_id == id);
    let name = found.and_then(|topic| topic.name);
    match name {
        Some(name) => collect_by_id(cluster, &name).await,
        None if arguments.if_exists => Ok(Vec::new()),
        None => Err(Ending::Failed(format!(
            "TopicId '{id}' does not exist as expected"
        ))),
    }
}

/// All lines of one topic.
fn lines(arguments: &TopicsArguments, topic: &Description, live: &BTreeSet<i32>) -> String {
    let mut text = String::new();
    let some = arguments.wants_some_partitions();
    let has_configs = topic.set_configs().next().is_some();
    if !some && (!arguments.topics_with_overrides || has_configs) {
        put_topic(&mut text, topic);
    }
    if arguments.topics_with_overrides {
        return text;
    }
    for partition in &topic.partitions {
        if !some || is_reported(arguments, topic, partition, live) {
            put_partition(&mut text, topic, partition);
        }
    }
    text
}

/// Whether a partition is one of those that the arguments ask for.
pub(super) fn is_reported(
    arguments: &TopicsArguments,
    topic: &Description,
    partition: &Partition,
    live: &BTreeSet<i32>,
) -> bool {
    let (in_sync, needed) = (partition.in_sync.len(), topic.min_in_sync());
    let has_leader = partition.leader >= 0;
    let is_under_replicated = in_sync < partition.replication_factor();
    let is_unavailable = !has_leader || !live.contains(&partition.leader);
    let is_under_min = !has_leader || in_sync < needed;
    arguments.under_replicated_partitions && is_under_replicated
        || arguments.unavailable_partitions && is_unavailable
        || arguments.under_min_isr_partitions && is_under_min
        || arguments.at_min_isr_partitions && in_sync == needed
}

fn put_topic(text: &mut String, topic: &Description) {
    let factor = topic.partitions.first();
    let factor = factor.map_or(0, Partition::replication_factor);
    let configs = topic.set_configs();
    let configs: Vec<String> = configs
        .map(|(name, value)| format!("{name}={}", value.unwrap_or("null")))
        .collect();
    put(text, format_args!("Topic: {}", topic.name));
    if !topic.id.is_zero() {
        put(text, format_args!("\tTopicId: {}", topic.id));
    }
    put(
        text,
        format_args!(
            "\tPartitionCount: {}\tReplicationFactor: {factor}\tConfigs: {}\n",
            topic.partitions.len(),
            configs.join(",")
        ),
    );
}

fn put_partition(text: &mut String, topic: &Description, partition: &Partition) {
    let leader = match partition.leader {
        id if id >= 0 => id.to_string(),
        _ => "none".to_owned(),
    };
    let eligible = |ids: &Option<Vec<i32>>| match ids {
        Some(ids) => list(ids),
        None => "N/A".to_owned(),
    };
    put(
        text,
        format_args!(
            "\tTopic: {}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
            topic.name,
            partition.index,
            list(&partition.replicas),
            list(&partition.in_sync),
        ),
    );
    if let Some(moving) = &partition.moving {
        put(
            text,
            format_args!(
                "\tAdding Replicas: {}\tRemoving Replicas: {}",
                list(&moving.adding_replicas),
                list(&moving.removing_replicas)
            ),
        );
    }
    put(
        text,
        format_args!(
            "\tElr: {}\tLastKnownElr: {}\n",
            eligible(&partition.eligible),
            eligible(&partition.last_known)
        ),
    );
}

fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a string takes all text");
}

fn list(ids: &[i32]) -> String {
    let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
    ids.join(",")
}
