//! Where replicas are: which brokers have them, and in which log directories.

use std::collections::{BTreeMap, BTreeSet};

use super::failure::Failure;
use super::wanted::{Directories, Replica, Replicas};
use crate::cli::tools::admin::exception;
use crate::cli::tools::exception::Exception;
use crate::cli::tools::java_order::in_java_order;
use crate::cli::tools::partitions_file::joined;
use crate::client::{Cluster, ClusterError, PartitionKey, To};
use crate::protocol::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsRequest, DescribeLogDirsResponse,
};
use crate::protocol::messages::metadata::{MetadataResponseBroker, MetadataResponseTopic};
use crate::protocol::{ErrorCode, Str};

/// Topics by name: the replicas of their partitions, by number, or why nothing is known of them.
pub(super) type Topics = BTreeMap<Str, Result<Vec<Vec<i32>>, Exception>>;

/// The brokers that are there.
///
/// # Errors
/// The cluster does not answer.
pub(super) async fn brokers(
    cluster: &mut Cluster,
) -> Result<Vec<MetadataResponseBroker>, Exception> {
    let answer = cluster.refresh(Some(&[]), false).await;
    Ok(answer.map_err(call_of_brokers)?.brokers)
}

/// Kafka's clients ask for brokers by a call of another name.
fn call_of_brokers(error: ClusterError) -> Exception {
    match error {
        ClusterError::TimedOut { .. } => timed_out("listNodes"),
        error => error.into(),
    }
}

fn timed_out(call: &str) -> Exception {
    Exception::timeout(format!(
        "Timed out waiting for a node assignment. Call: {call}"
    ))
}

/// What is known of topics.
///
/// # Errors
/// The cluster does not answer.
pub(super) async fn topics(cluster: &mut Cluster, names: &[Str]) -> Result<Topics, Exception> {
    let (nameless, names): (Vec<Str>, Vec<Str>) =
        names.iter().cloned().partition(|name| name.is_empty());
    let mut topics = Topics::new();
    for name in nameless {
        let words = "The given topic name '' cannot be represented in a request.";
        let words = Some(Str::from_static(words));
        let refused = Exception::refused(ErrorCode::INVALID_TOPIC_EXCEPTION, words);
        topics.insert(name, Err(refused));
    }
    if names.is_empty() {
        return Ok(topics);
    }
    let answer = cluster.refresh(Some(&names), false).await;
    for topic in answer.map_err(call_of_brokers)?.topics {
        if let Some(name) = topic.name.clone() {
            topics.insert(name, replicas_of(topic));
        }
    }
    Ok(topics)
}

fn replicas_of(topic: MetadataResponseTopic) -> Result<Vec<Vec<i32>>, Exception> {
    if topic.error_code.is_error() {
        return Err(Exception::refused(topic.error_code, None));
    }
    let mut partitions = topic.partitions;
    partitions.sort_by_key(|partition| partition.partition_index);
    let replicas = partitions.into_iter().map(|it| it.replica_nodes);
    Ok(replicas.collect())
}

/// The replicas of all partitions of these topics.
///
/// # Errors
/// A topic is not there, or the cluster does not answer.
pub(super) async fn of_topics(cluster: &mut Cluster, names: &[Str]) -> Result<Replicas, Failure> {
    let mut topics = topics(cluster, names).await?;
    let mut replicas = Replicas::new();
    for name in names {
        let unknown = || Exception::refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None);
        let found = topics.remove(name).unwrap_or_else(|| Err(unknown()));
        let found = found.map_err(|error| match error.code {
            Some(code @ ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
                let words = format!("Topic {name} not found.");
                Exception::refused(code, Some(Str::from(words)))
            }
            _ => error,
        })?;
        let partitions = (0..).zip(found);
        replicas.extend(partitions.map(|(index, ids)| ((name.clone(), index), ids)));
    }
    Ok(replicas)
}

/// The replicas of these partitions.
///
/// # Errors
/// One is not there, or the cluster does not answer.
pub(super) async fn of_partitions(
    cluster: &mut Cluster,
    partitions: &Replicas,
) -> Result<Replicas, Failure> {
    let names = super::wanted::distinct(partitions.keys().map(|(topic, _)| topic.clone()));
    let mut found = of_topics(cluster, &names).await?;
    found.retain(|key, _| partitions.contains_key(key));
    let missing = partitions.keys().filter(|key| !found.contains_key(*key));
    let missing = in_java_order(missing);
    if missing.is_empty() {
        return Ok(found);
    }
    let words = format!("Unable to find partition: {}", joined(missing, ", "));
    let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    Err(Exception::refused(code, Some(Str::from(words))).into())
}

/// The log directory that a replica is in, and the one that it moves to.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    pub(super) current: Option<String>,
    pub(super) future: Option<String>,
}

/// The log directories of those of these replicas that are on brokers that are there.
///
/// # Errors
/// A broker does not answer, or tells of an error.
pub(super) async fn current_directories(
    cluster: &mut Cluster,
    replicas: &Replicas,
) -> Result<Directories, Exception> {
    let there: BTreeSet<i32> = cluster.node_ids().collect();
    let mut asked = BTreeSet::new();
    for (partition, brokers) in replicas {
        let brokers = brokers.iter().filter(|broker| there.contains(broker));
        asked.extend(brokers.map(|broker| Replica {
            broker: *broker,
            partition: partition.clone(),
        }));
    }
    let found = places(cluster, asked.into_iter()).await?.into_iter();
    let found = found.filter_map(|(replica, places)| Some((replica, places.current?)));
    Ok(found.collect())
}

/// Where these replicas are on their brokers.
///
/// # Errors
/// A broker does not answer, or tells of an error.
pub(super) async fn places(
    cluster: &mut Cluster,
    replicas: impl Iterator<Item = Replica>,
) -> Result<BTreeMap<Replica, Places>, Exception> {
    let mut by_broker: BTreeMap<i32, BTreeMap<PartitionKey, Places>> = BTreeMap::new();
    for replica in replicas {
        let of_broker = by_broker.entry(replica.broker).or_default();
        of_broker.insert(replica.partition, Places::default());
    }
    let mut all = BTreeMap::new();
    for (broker, mut partitions) in by_broker {
        let request = request(partitions.keys());
        let answer = cluster.ask(To::Node(broker), &request).await;
        let answer = answer.map_err(|error| match error {
            ClusterError::TimedOut { .. } => timed_out("describeReplicaLogDirs"),
            error => error.into(),
        })?;
        note(answer, broker, &mut partitions)?;
        all.extend(partitions.into_iter().map(|(partition, places)| {
            let replica = Replica { broker, partition };
            (replica, places)
        }));
    }
    Ok(all)
}

fn request<'a>(partitions: impl Iterator<Item = &'a PartitionKey>) -> DescribeLogDirsRequest {
    let mut topics: BTreeMap<Str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic.clone()).or_default().push(*partition);
    }
    let topic = |(topic, partitions)| DescribableLogDirTopic { topic, partitions };
    DescribeLogDirsRequest {
        topics: Some(topics.into_iter().map(topic).collect()),
    }
}

/// Notes what a broker tells of its directories. One that is offline holds nothing.
fn note(
    answer: DescribeLogDirsResponse,
    broker: i32,
    partitions: &mut BTreeMap<PartitionKey, Places>,
) -> Result<(), Exception> {
    for directory in answer.results {
        let path = directory.log_dir.to_string();
        match directory.error_code {
            ErrorCode::NONE => {}
            ErrorCode::KAFKA_STORAGE_ERROR => continue,
            code => {
                let class = exception(code);
                return Err(Exception::new(
                    "java.lang.IllegalStateException",
                    format!(
                        "The error {class} for log directory {path} in the response from broker {broker} is illegal"
                    ),
                ));
            }
        }
        for topic in directory.topics {
            for found in topic.partitions {
                let key = (topic.name.clone(), found.partition_index);
                let Some(places) = partitions.get_mut(&key) else {
                    continue;
                };
                let place = if found.is_future_key {
                    &mut places.future
                } else {
                    &mut places.current
                };
                *place = Some(path.clone());
            }
        }
    }
    Ok(())
}
