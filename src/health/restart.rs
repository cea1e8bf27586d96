//! Whether the node may be stopped: every partition keeps a leader and enough replicas in sync, and the
//! controllers keep a majority.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Trouble;
use super::quorum::Quorum;
use super::readiness::active_controller;
use crate::client::NodeConnection;
use crate::config::{BROKER_DRAIN, Roles};
use crate::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use crate::protocol::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponsePartition,
};
use crate::protocol::{ErrorCode, Str};

/// The types of a topic and of a broker among resources.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const MIN_IN_SYNC: &str = "min.insync.replicas";
/// So many topics are asked about at a time.
const TOPICS_AT_A_TIME: usize = 500;
/// So many partitions are named; the others are counted.
const NAMED: usize = 5;

/// What would become of a partition without the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    /// Nobody who is in sync would be left to lead.
    NoLeader,
    /// Nobody leads, and the node's copy may be the one that is needed.
    NeedsThisCopy,
    /// Too few would be in sync for acks=all.
    TooFewInSync {
        /// How many would be left.
        left: usize,
        /// The topic's `min.insync.replicas`.
        needed: usize,
    },
}

impl fmt::Display for Harm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLeader => formatter.write_str("would have no leader"),
            Self::NeedsThisCopy => formatter.write_str("has no leader, and may need this copy"),
            Self::TooFewInSync { left, needed } => write!(
                formatter,
                "would have {left} in sync, and {MIN_IN_SYNC} is {needed}"
            ),
        }
    }
}

/// The partitions of one topic that the node has copies of.
type Topics = BTreeMap<Str, Vec<DescribeTopicPartitionsResponsePartition>>;

/// Asks the cluster, through the node.
pub(super) async fn check(
    node: &mut NodeConnection,
    roles: Roles,
    id: i32,
    timeout: Duration,
) -> Result<String, Trouble> {
    let quorum = if roles.is_broker() {
        Quorum::describe(node).await?
    } else {
        // A controller passes no request on.
        let (_, address) = active_controller(node).await?;
        Quorum::describe(&mut super::open(&address, timeout).await?).await?
    };
    let mut reasons: Vec<String> = quorum_harm(&quorum, id).into_iter().collect();
    let mut is_drained = false;
    if roles.is_broker() {
        is_drained = drains(node, id).await?;
        let topics = hosted_topics(node, id).await?;
        let needed = min_in_sync(node, topics.keys()).await?;
        reasons.extend(partition_harms(&topics, &needed, id));
    }
    if reasons.is_empty() {
        let drained = if is_drained {
            "it is drained, and "
        } else {
            ""
        };
        return Ok(format!(
            "safe to restart node {id}: {drained}the others are enough meanwhile"
        ));
    }
    // What it leads all the same, nobody else can lead.
    let drained = if is_drained {
        ", though it is drained"
    } else {
        ""
    };
    Err(Trouble::No(format!(
        "not safe to restart node {id}{drained}: {}",
        reasons.join("; ")
    )))
}

/// What the controllers lose, if it is too much.
fn quorum_harm(quorum: &Quorum, id: i32) -> Option<String> {
    let (left, needed) = (quorum.others_that_keep_up(id), quorum.majority());
    (quorum.has_voter(id) && left < needed).then(|| {
        format!("of the controllers that keep up {left} would be left, and a majority is {needed}")
    })
}

/// The first harms with their partitions, and how many more there are.
fn partition_harms(topics: &Topics, needed: &BTreeMap<Str, usize>, id: i32) -> Vec<String> {
    let harms = topics.iter().flat_map(|(name, partitions)| {
        // A topic without an answer is being deleted.
        let needed = needed.get(name).copied().unwrap_or(1);
        partitions.iter().filter_map(move |partition| {
            let harm = harm(partition, id, needed)?;
            Some(format!("{name}-{} {harm}", partition.partition_index))
        })
    });
    let mut harms: Vec<String> = harms.collect();
    let more = harms.len().saturating_sub(NAMED);
    harms.truncate(NAMED);
    if more > 0 {
        harms.push(format!("and {more} more partitions"));
    }
    harms
}

/// What would become of a partition that the node has a copy of.
fn harm(
    partition: &DescribeTopicPartitionsResponsePartition,
    id: i32,
    needed: usize,
) -> Option<Harm> {
    let is_listed = |list: &Option<Vec<i32>>| list.as_ref().is_some_and(|ids| ids.contains(&id));
    if partition.leader_id < 0 {
        let may_lead = partition.isr_nodes.contains(&id)
            || is_listed(&partition.eligible_leader_replicas)
            || is_listed(&partition.last_known_elr);
        return may_lead.then_some(Harm::NeedsThisCopy);
    }
    let left = partition.isr_nodes.iter().filter(|it| **it != id).count();
    match left {
        0 => Some(Harm::NoLeader),
        left if left < needed => Some(Harm::TooFewInSync { left, needed }),
        _ => None,
    }
}

/// All partitions that the node has copies of, page by page.
async fn hosted_topics(node: &mut NodeConnection, id: i32) -> Result<Topics, Trouble> {
    let mut hosted = Topics::new();
    let mut request = DescribeTopicPartitionsRequest::default();
    loop {
        let page = node.ask(&request).await?;
        for topic in page.topics {
            let Some(name) = topic.name.filter(|_| !topic.error_code.is_error()) else {
                return Err(Trouble::Refused(topic.error_code));
            };
            let partitions = topic.partitions.into_iter();
            let own: Vec<_> = partitions
                .filter(|it| it.replica_nodes.contains(&id))
                .collect();
            if !own.is_empty() {
                hosted.entry(name).or_default().extend(own);
            }
        }
        match page.next_cursor {
            None => return Ok(hosted),
            cursor => request.cursor = cursor,
        }
    }
}

/// Whether the broker is drained.
async fn drains(node: &mut NodeConnection, id: i32) -> Result<bool, Trouble> {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: BROKER,
            resource_name: id.to_string().into(),
            configuration_keys: Some(vec![BROKER_DRAIN.into()]),
        }],
        ..DescribeConfigsRequest::default()
    };
    let answer = node.ask(&request).await?;
    let mut configs = answer.results.into_iter().flat_map(|it| it.configs);
    Ok(configs.any(|it| it.value.as_deref() == Some("true")))
}

/// `min.insync.replicas` of each topic.
async fn min_in_sync(
    node: &mut NodeConnection,
    topics: impl Iterator<Item = &Str>,
) -> Result<BTreeMap<Str, usize>, Trouble> {
    let names: Vec<&Str> = topics.collect();
    let mut needed = BTreeMap::new();
    for names in names.chunks(TOPICS_AT_A_TIME) {
        let resource = |name: &&Str| DescribeConfigsResource {
            resource_type: TOPIC,
            resource_name: (*name).clone(),
            configuration_keys: Some(vec![MIN_IN_SYNC.into()]),
        };
        let request = DescribeConfigsRequest {
            resources: names.iter().map(resource).collect(),
            ..DescribeConfigsRequest::default()
        };
        for result in node.ask(&request).await?.results {
            match result.error_code {
                // The topic is gone by now.
                ErrorCode::NONE | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {}
                code => return Err(Trouble::Refused(code)),
            }
            let value = result.configs.into_iter().find_map(|config| config.value);
            if let Some(value) = value.and_then(|value| value.parse().ok()) {
                needed.insert(result.resource_name, value);
            }
        }
    }
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(leader: i32, isr: &[i32]) -> DescribeTopicPartitionsResponsePartition {
        DescribeTopicPartitionsResponsePartition {
            leader_id: leader,
            replica_nodes: vec![1, 2, 3],
            isr_nodes: isr.to_vec(),
            ..DescribeTopicPartitionsResponsePartition::default()
        }
    }

    #[test]
    fn a_partition_needs_a_leader_and_enough_in_sync_without_the_node() {
        assert_eq!(harm(&partition(1, &[1, 2, 3]), 1, 2), None);
        assert_eq!(harm(&partition(1, &[1]), 1, 1), Some(Harm::NoLeader));
        let below = |left, needed| Some(Harm::TooFewInSync { left, needed });
        assert_eq!(harm(&partition(1, &[1, 2]), 1, 2), below(1, 2));
        assert_eq!(harm(&partition(2, &[1, 2, 3]), 1, 3), below(2, 3));
    }

    #[test]
    fn a_copy_that_is_behind_is_missed_only_where_too_few_are_in_sync() {
        assert_eq!(harm(&partition(2, &[2, 3]), 1, 2), None);
        let expected = Harm::TooFewInSync { left: 1, needed: 2 };
        assert_eq!(harm(&partition(2, &[2]), 1, 2), Some(expected));
    }

    #[test]
    fn a_partition_without_a_leader_keeps_the_nodes_that_may_lead_it() {
        let mut offline = partition(-1, &[]);
        assert_eq!(harm(&offline, 1, 2), None);
        offline.eligible_leader_replicas = Some(vec![1]);
        assert_eq!(harm(&offline, 1, 2), Some(Harm::NeedsThisCopy));
        assert_eq!(harm(&offline, 2, 2), None);
        offline.last_known_elr = Some(vec![2]);
        assert_eq!(harm(&offline, 2, 2), Some(Harm::NeedsThisCopy));
    }

    #[test]
    fn the_controllers_keep_a_majority() {
        let all = Quorum::of(&[(1, 0), (2, 100), (3, 100)]);
        let one_is_down = Quorum::of(&[(1, 0), (2, 100), (3, 60_000)]);

        assert_eq!(quorum_harm(&all, 1), None);
        assert!(quorum_harm(&one_is_down, 2).is_some_and(|it| it.contains("1 would be left")));
        assert_eq!(quorum_harm(&one_is_down, 3), None, "it is down already");
        assert_eq!(quorum_harm(&one_is_down, 9), None, "it is no voter");
    }

    #[test]
    fn a_long_list_of_harms_is_cut_and_counted() {
        let partitions = (0..7).map(|index| DescribeTopicPartitionsResponsePartition {
            partition_index: index,
            ..partition(1, &[1])
        });
        let topics = Topics::from([("t".into(), partitions.collect())]);

        let harms = partition_harms(&topics, &BTreeMap::new(), 1);

        assert_eq!(harms.len(), 6);
        assert_eq!(harms[0], "t-0 would have no leader");
        assert_eq!(harms[5], "and 2 more partitions");
    }
}
