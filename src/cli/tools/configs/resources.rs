//! What has configs of its own: topics, brokers, the loggers of brokers, groups, subscriptions to client metrics.

use std::collections::BTreeSet;
use std::time::Duration;

use super::entities::EntityType;
use super::failure::Failure;
use crate::cli::tools::admin::describe_cluster;
use crate::client::{Cluster, ClusterError, To};
use crate::metadata::controller::check_topic_name;
use crate::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResult,
};
use crate::protocol::messages::list_config_resources::ListConfigResourcesRequest;
use crate::protocol::messages::list_groups::ListGroupsRequest;
use crate::protocol::{ErrorCode, Str};

/// The types of resources in requests.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// How long Kafka's tool waits for configs.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A type of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResourceType {
    Topic,
    Broker,
    BrokerLogger,
    ClientMetrics,
    Group,
}

impl ResourceType {
    /// The type of these entities; `None` if they have quotas instead.
    pub(super) fn of(entities: EntityType) -> Option<Self> {
        match entities {
            EntityType::Topics => Some(Self::Topic),
            EntityType::Brokers => Some(Self::Broker),
            EntityType::BrokerLoggers => Some(Self::BrokerLogger),
            EntityType::ClientMetrics => Some(Self::ClientMetrics),
            EntityType::Groups => Some(Self::Group),
            EntityType::Clients | EntityType::Users | EntityType::Ips => None,
        }
    }

    /// Its number in requests.
    pub(super) fn number(self) -> i8 {
        match self {
            Self::Topic => TOPIC,
            Self::Broker => BROKER,
            Self::BrokerLogger => BROKER_LOGGER,
            Self::ClientMetrics => CLIENT_METRICS,
            Self::Group => GROUP,
        }
    }

    /// The only node that knows the configs of this one.
    ///
    /// # Errors
    /// The name has to be the id of a broker, and is none.
    pub(super) fn node(self, name: &str) -> Result<Option<i32>, Failure> {
        match (self, name) {
            (Self::Broker, "") => Ok(None),
            (Self::Broker | Self::BrokerLogger, id) => {
                let number = id.parse();
                number.map(Some).map_err(|_| Failure::no_number(id))
            }
            _ => Ok(None),
        }
    }

    /// The names of all that there are. For brokers an empty one is the default for all.
    pub(super) async fn all(self, cluster: &mut Cluster) -> Result<Vec<String>, Failure> {
        let names = match self {
            Self::Topic => topics(cluster).await?,
            Self::Broker | Self::BrokerLogger => {
                let mut ids = brokers(cluster).await?;
                ids.push(String::new());
                ids
            }
            Self::ClientMetrics => listed(cluster, CLIENT_METRICS).await?,
            Self::Group => {
                let mut ids: BTreeSet<String> = groups(cluster).await?.into_iter().collect();
                ids.extend(groups_with_configs(cluster).await?.unwrap_or_default());
                ids.into_iter().collect()
            }
        };
        Ok(names)
    }

    /// Whether there is one of this name.
    pub(super) async fn has(self, cluster: &mut Cluster, name: &str) -> Result<bool, Failure> {
        let is_name = |it: &String| it == name;
        match self {
            Self::Topic => {
                check(name)?;
                let names = [Str::copy_from(name)];
                let answer = cluster.refresh(Some(&names), false).await?;
                Ok(answer.topics.iter().all(|it| !it.error_code.is_error()))
            }
            Self::Broker | Self::BrokerLogger => {
                Ok(name.is_empty() || brokers(cluster).await?.iter().any(is_name))
            }
            Self::ClientMetrics => Ok(listed(cluster, CLIENT_METRICS).await?.iter().any(is_name)),
            Self::Group => {
                if groups(cluster).await?.iter().any(is_name) {
                    return Ok(true);
                }
                // An older cluster does not tell which groups have configs: this one may.
                let with_configs = groups_with_configs(cluster).await?;
                Ok(with_configs.is_none_or(|ids| ids.iter().any(is_name)))
            }
        }
    }

    /// The configs of these; all that a node of its own knows are one.
    pub(super) async fn configs(
        self,
        cluster: &mut Cluster,
        names: &[String],
        with_synonyms: bool,
    ) -> Result<Vec<DescribeConfigsResult>, Failure> {
        let mut to = To::Any;
        for name in names {
            if self == Self::Topic {
                check(name)?;
            }
            if let Some(node) = self.node(name)? {
                to = To::Node(node);
            }
        }
        let resource = |name: &String| DescribeConfigsResource {
            resource_type: self.number(),
            resource_name: Str::copy_from(name),
            configuration_keys: None,
        };
        let request = DescribeConfigsRequest {
            resources: names.iter().map(resource).collect(),
            include_synonyms: with_synonyms,
            include_documentation: false,
        };
        cluster.limit(PATIENCE);
        Ok(cluster.ask(to, &request).await?.results)
    }

    /// Whether a config was set for the resource itself.
    pub(super) fn is_own(self, name: &str, config: &DescribeConfigsResourceResult) -> bool {
        let own = match self {
            Self::Topic => 1,
            Self::Broker if !name.is_empty() => 2,
            Self::Broker => 3,
            Self::ClientMetrics => 7,
            Self::Group => 8,
            // Kafka's tool tells of all loggers.
            Self::BrokerLogger => return true,
        };
        config.config_source == own
    }
}

/// Where a config comes from.
pub(super) fn source(number: i8) -> &'static str {
    match number {
        1 => "DYNAMIC_TOPIC_CONFIG",
        2 => "DYNAMIC_BROKER_CONFIG",
        3 => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        4 => "STATIC_BROKER_CONFIG",
        5 => "DEFAULT_CONFIG",
        6 => "DYNAMIC_BROKER_LOGGER_CONFIG",
        7 => "DYNAMIC_CLIENT_METRICS_CONFIG",
        8 => "DYNAMIC_GROUP_CONFIG",
        _ => "UNKNOWN",
    }
}

fn check(topic: &str) -> Result<(), Failure> {
    let checked = check_topic_name(topic);
    checked.map_err(|refusal| Failure::Told(refusal.text().unwrap_or_default().to_string()))
}

async fn topics(cluster: &mut Cluster) -> Result<Vec<String>, ClusterError> {
    let topics = cluster.refresh(None, false).await?.topics.into_iter();
    let there = topics.filter(|topic| !topic.error_code.is_error());
    let names = there.filter_map(|topic| topic.name);
    Ok(names.map(|name| name.to_string()).collect())
}

async fn brokers(cluster: &mut Cluster) -> Result<Vec<String>, ClusterError> {
    let mut nodes = describe_cluster(cluster, false).await?.brokers;
    nodes.sort_by_key(|node| node.broker_id);
    Ok(nodes
        .into_iter()
        .map(|node| node.broker_id.to_string())
        .collect())
}

async fn groups(cluster: &mut Cluster) -> Result<Vec<String>, Failure> {
    let found = cluster.refresh(Some(&[]), false).await;
    found.map_err(|_| {
        Failure::thrown_by_call(
            "org.apache.kafka.common.KafkaException: Failed to find brokers to send ListGroups",
        )
    })?;
    let nodes: Vec<i32> = cluster.node_ids().collect();
    let mut ids = Vec::new();
    for node in nodes {
        let all = ListGroupsRequest::default();
        let asked = cluster.ask_until(To::Node(node), &all, |answer| answer.error_code);
        let answer = asked.await?;
        ClusterError::check(answer.error_code, None)?;
        ids.extend(answer.groups.into_iter().map(|it| it.group_id.to_string()));
    }
    Ok(ids)
}

/// The groups that have configs; `None` from a cluster that does not tell.
async fn groups_with_configs(cluster: &mut Cluster) -> Result<Option<Vec<String>>, Failure> {
    match listed(cluster, GROUP).await {
        Ok(ids) => Ok(Some(ids)),
        Err(ClusterError::NotServed(_)) => Ok(None),
        Err(error) if error.code() == Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED) => Ok(None),
        Err(error) => Err(Failure::of_call(&error)),
    }
}

/// The names of what has configs, of one type.
async fn listed(cluster: &mut Cluster, resource_type: i8) -> Result<Vec<String>, ClusterError> {
    let request = ListConfigResourcesRequest {
        resource_types: vec![resource_type],
    };
    // Version 0 tells of client metrics alone.
    let first = i16::from(resource_type != CLIENT_METRICS);
    let versions = first..=1;
    let asked = cluster.ask_within(To::Any, &request, &versions, |_| ErrorCode::NONE);
    let answer = asked.await?;
    ClusterError::check(answer.error_code, None)?;
    let found = answer.config_resources.into_iter();
    let found = found.filter(|resource| resource.resource_type == resource_type);
    Ok(found
        .map(|resource| resource.resource_name.to_string())
        .collect())
}
