//! What is known of topics, from all the requests that tell: partitions, configs, what is being moved.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::tools::admin::{accepted, not_controller, timeout_ms};
use crate::cli::tools::ending::Ending;
use crate::client::{Cluster, ClusterError, To};
use crate::model::Uuid;
use crate::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};
use crate::protocol::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, TopicRequest,
};
use crate::protocol::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsTopics,
    OngoingPartitionReassignment,
};
use crate::protocol::messages::metadata::MetadataResponseTopic;
use crate::protocol::{ErrorCode, Str};

/// The type of a topic among resources.
const TOPIC: i8 = 2;
/// The source of a config that nobody has set.
const DEFAULT_CONFIG: i8 = 5;
const MIN_IN_SYNC: &str = "min.insync.replicas";

/// What is known of a topic.
#[derive(Debug, Default)]
pub(super) struct Description {
    pub(super) name: Str,
    pub(super) id: Uuid,
    pub(super) configs: Vec<DescribeConfigsResourceResult>,
    /// Sorted by number.
    pub(super) partitions: Vec<Partition>,
}

/// What is known of a partition.
#[derive(Debug, Default)]
pub(super) struct Partition {
    pub(super) index: i32,
    /// -1 without one.
    pub(super) leader: i32,
    pub(super) replicas: Vec<i32>,
    pub(super) in_sync: Vec<i32>,
    /// `None` where the cluster does not tell.
    pub(super) eligible: Option<Vec<i32>>,
    /// `None` where the cluster does not tell.
    pub(super) last_known: Option<Vec<i32>>,
    /// What is being moved.
    pub(super) moving: Option<OngoingPartitionReassignment>,
}

impl Description {
    /// The topic's own and the cluster's configs; a secret has no value.
    pub(super) fn set_configs(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let set = self.configs.iter();
        let set = set.filter(|config| config.config_source != DEFAULT_CONFIG);
        set.map(|config| (&*config.name, config.value.as_deref()))
    }

    /// How many replicas are to be in sync for acks=all.
    pub(super) fn min_in_sync(&self) -> usize {
        let found = self.configs.iter().find(|it| it.name == MIN_IN_SYNC);
        let value = found.and_then(|config| config.value.as_deref());
        value.and_then(|value| value.parse().ok()).unwrap_or(1)
    }
}

impl Partition {
    /// How many replicas there should be: while some move, those that are left in the end.
    pub(super) fn replication_factor(&self) -> usize {
        let Some(moving) = &self.moving else {
            return self.replicas.len();
        };
        let changing = [&moving.removing_replicas[..], &moving.adding_replicas].concat();
        if self.replicas.iter().any(|id| changing.contains(id)) {
            let adding = moving.adding_replicas.len();
            return moving.replicas.len().saturating_sub(adding);
        }
        self.replicas.len()
    }
}

/// Describes these topics, which are there, in the order of their names.
pub(super) async fn collect(
    cluster: &mut Cluster,
    names: &[Str],
    page_size: i32,
) -> Result<Vec<Description>, Ending> {
    let mut found = match with_eligible(cluster, names, page_size).await {
        Err(Ending::Cluster(ClusterError::NotServed(_))) => of_metadata(cluster, names),
        found => found?,
    };
    add_configs(cluster, &mut found).await?;
    add_moves(cluster, &mut found).await?;
    Ok(found.into_values().collect())
}

/// Describes a topic by what a request for metadata tells.
pub(super) async fn collect_by_id(
    cluster: &mut Cluster,
    topic: &Str,
) -> Result<Vec<Description>, Ending> {
    let mut found = of_metadata(cluster, std::slice::from_ref(topic));
    add_configs(cluster, &mut found).await?;
    add_moves(cluster, &mut found).await?;
    Ok(found.into_values().collect())
}

type Descriptions = BTreeMap<Str, Description>;

/// Asks, page by page, what knows of eligible leaders (KIP-966).
async fn with_eligible(
    cluster: &mut Cluster,
    names: &[Str],
    page_size: i32,
) -> Result<Descriptions, Ending> {
    let topic = |name: &Str| TopicRequest { name: name.clone() };
    let mut request = DescribeTopicPartitionsRequest {
        topics: names.iter().map(topic).collect(),
        response_partition_limit: page_size,
        cursor: None,
    };
    let mut found = Descriptions::new();
    loop {
        let page = cluster.ask(To::Any, &request).await?;
        for topic in page.topics {
            if topic.error_code.is_error() {
                return Err(ClusterError::of(topic.error_code).into());
            }
            let Some(name) = topic.name else { continue };
            let known = found.entry(name.clone()).or_default();
            (known.name, known.id) = (name, topic.topic_id);
            let partitions = topic.partitions.into_iter().map(|it| Partition {
                index: it.partition_index,
                leader: it.leader_id,
                replicas: it.replica_nodes,
                in_sync: it.isr_nodes,
                eligible: Some(it.eligible_leader_replicas.unwrap_or_default()),
                last_known: Some(it.last_known_elr.unwrap_or_default()),
                moving: None,
            });
            known.partitions.extend(partitions);
        }
        let Some(cursor) = page.next_cursor else {
            break;
        };
        request
            .topics
            .retain(|topic| topic.name >= cursor.topic_name);
        request.cursor = Some(cursor);
    }
    for topic in found.values_mut() {
        topic.partitions.sort_by_key(|partition| partition.index);
    }
    Ok(found)
}

fn of_metadata(cluster: &Cluster, names: &[Str]) -> Descriptions {
    let known = names.iter().filter_map(|name| {
        let topic = cluster.known(name)?;
        Some((name.clone(), of_topic(name, topic)))
    });
    known.collect()
}

fn of_topic(name: &Str, topic: &MetadataResponseTopic) -> Description {
    let partitions = topic.partitions.iter().map(|it| Partition {
        index: it.partition_index,
        leader: it.leader_id,
        replicas: it.replica_nodes.clone(),
        in_sync: it.isr_nodes.clone(),
        ..Partition::default()
    });
    let mut partitions: Vec<Partition> = partitions.collect();
    partitions.sort_by_key(|partition| partition.index);
    Description {
        name: name.clone(),
        id: topic.topic_id,
        partitions,
        ..Description::default()
    }
}

async fn add_configs(cluster: &mut Cluster, topics: &mut Descriptions) -> Result<(), Ending> {
    let resource = |name: &Str| DescribeConfigsResource {
        resource_type: TOPIC,
        resource_name: name.clone(),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest {
        resources: topics.keys().map(resource).collect(),
        ..DescribeConfigsRequest::default()
    };
    for result in cluster.ask(To::Any, &request).await?.results {
        accepted(result.error_code, result.error_message)?;
        if let Some(topic) = topics.get_mut(&result.resource_name) {
            topic.configs = result.configs;
        }
    }
    Ok(())
}

/// Adds what is being moved. A cluster that does not tell moves nothing.
async fn add_moves(cluster: &mut Cluster, topics: &mut Descriptions) -> Result<(), Ending> {
    let asked = topics
        .values()
        .map(|topic| ListPartitionReassignmentsTopics {
            name: topic.name.clone(),
            partition_indexes: topic.partitions.iter().map(|it| it.index).collect(),
        });
    let request = ListPartitionReassignmentsRequest {
        topics: Some(asked.collect()),
        timeout_ms: timeout_ms(cluster),
    };
    let answer = cluster
        .ask_until(To::Controller, &request, |answer| {
            not_controller(std::iter::once(answer.error_code))
        })
        .await;
    let answer = match answer {
        Err(ClusterError::NotServed(_)) => return Ok(()),
        answer => answer?,
    };
    if answer.error_code == ErrorCode::CLUSTER_AUTHORIZATION_FAILED {
        return Ok(());
    }
    accepted(answer.error_code, answer.error_message)?;
    for moved in answer.topics {
        let Some(topic) = topics.get_mut(&moved.name) else {
            continue;
        };
        for moving in moved.partitions {
            let index = moving.partition_index;
            let mut partitions = topic.partitions.iter_mut();
            if let Some(partition) = partitions.find(|it| it.index == index) {
                partition.moving = Some(moving);
            }
        }
    }
    Ok(())
}

/// The brokers that are there.
pub(super) fn live_brokers(cluster: &Cluster) -> BTreeSet<i32> {
    cluster.node_ids().collect()
}
