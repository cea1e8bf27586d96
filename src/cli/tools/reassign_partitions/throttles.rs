//! The throttles of moves: how fast brokers may replicate, and which replicas that concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};

use super::failure::Failure;
use super::moving::Moving;
use super::wanted::{Directories, Replicas, Wanted, comma_separated, distinct};
use crate::cli::tools::admin::not_controller;
use crate::cli::tools::exception::Exception;
use crate::client::{Cluster, Entry, To};
use crate::protocol::Str;
use crate::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};

/// The types of resources.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// What is done with a config.
const SET: i8 = 0;
const DELETE: i8 = 1;

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const DIRECTORY_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

/// The brokers that a partition moves from and to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Move {
    sources: BTreeSet<i32>,
    destinations: BTreeSet<i32>,
}

/// Partitions that move, by topic and number.
type Moves = BTreeMap<Str, BTreeMap<i32, Move>>;

/// The moves that are under way, and those that are wanted, which go on where the former began.
fn moves(moving: &Moving, wanted: &Replicas, current: &Replicas) -> Moves {
    let mut moves = Moves::new();
    for ((topic, partition), it) in moving {
        let destinations: BTreeSet<i32> = it.adding_replicas.iter().copied().collect();
        let sources = it.replicas.iter().copied();
        let sources = sources.filter(|id| !destinations.contains(id)).collect();
        let this = Move {
            sources,
            destinations,
        };
        let of_topic = moves.entry(topic.clone()).or_default();
        of_topic.insert(*partition, this);
    }
    for (key, replicas) in wanted {
        let of_topic = moves.entry(key.0.clone()).or_default();
        let sources: BTreeSet<i32> = match of_topic.get(&key.1) {
            Some(begun) => begun.sources.clone(),
            None => current.get(key).into_iter().flatten().copied().collect(),
        };
        let destinations = replicas.iter().copied();
        let destinations = destinations.filter(|id| !sources.contains(id)).collect();
        let this = Move {
            sources,
            destinations,
        };
        of_topic.insert(key.1, this);
    }
    moves
}

/// Replicas as `partition:broker`, in the order of these texts.
fn listed(moves: &BTreeMap<i32, Move>, brokers: impl Fn(&Move) -> &BTreeSet<i32>) -> String {
    let mut all = BTreeSet::new();
    for (partition, it) in moves {
        all.extend(brokers(it).iter().map(|id| format!("{partition}:{id}")));
    }
    all.into_iter().collect::<Vec<String>>().join(",")
}

/// Limits to so many bytes a second what the moves take that are under way and those that are wanted.
pub(super) async fn set_between_brokers(
    cluster: &mut Cluster,
    (moving, wanted, current): (&Moving, &Replicas, &Replicas),
    rate: i64,
) -> Result<(), Failure> {
    let moves = moves(moving, wanted, current);
    let topics = moves.iter().map(|(topic, moves)| {
        let leaders = listed(moves, |it| &it.sources);
        let followers = listed(moves, |it| &it.destinations);
        let configs = [(LEADER_REPLICAS, leaders), (FOLLOWER_REPLICAS, followers)];
        resource(TOPIC, topic.clone(), configs.map(set))
    });
    alter(cluster, To::Any, topics.collect()).await?;
    let all = moves.values().flat_map(BTreeMap::values);
    let brokers = all.flat_map(|it| it.sources.iter().chain(&it.destinations));
    let brokers: BTreeSet<i32> = brokers.copied().collect();
    let rates = [LEADER_RATE, FOLLOWER_RATE].map(|name| (name, rate.to_string()));
    alter_brokers(cluster, brokers, &rates.map(set)).await?;
    writeln!(
        io::stdout(),
        "The inter-broker throttle limit was set to {rate} B/s"
    )?;
    Ok(())
}

/// Limits to so many bytes a second what brokers copy between their directories.
pub(super) async fn set_between_directories(
    cluster: &mut Cluster,
    wanted: &Directories,
    rate: i64,
) -> Result<(), Failure> {
    let brokers: BTreeSet<i32> = wanted.keys().map(|replica| replica.broker).collect();
    let rates = [set((DIRECTORY_RATE, rate.to_string()))];
    alter_brokers(cluster, brokers, &rates).await?;
    writeln!(
        io::stdout(),
        "The replica-alter-dir throttle limit was set to {rate} B/s"
    )?;
    Ok(())
}

/// Ends all throttles: nobody knows any more which brokers have taken part in moves that are done.
pub(super) async fn clear(cluster: &mut Cluster, wanted: &Wanted) -> Result<(), Failure> {
    if cluster.options().entry == Entry::Brokers {
        super::placed::brokers(cluster).await?;
    }
    let targets = wanted.partitions().iter().flat_map(|(_, ids)| ids);
    let brokers: Vec<i32> = cluster.node_ids().chain(targets.copied()).collect();
    let brokers = distinct(brokers.into_iter());
    writeln!(
        io::stdout(),
        "Clearing broker-level throttles on broker{} {}",
        plural(brokers.len()),
        comma_separated(&brokers)
    )?;
    let rates = [LEADER_RATE, FOLLOWER_RATE, DIRECTORY_RATE].map(deleted);
    alter_brokers(cluster, brokers, &rates).await?;
    let topics = wanted.topics();
    writeln!(
        io::stdout(),
        "Clearing topic-level throttles on topic{} {}",
        plural(topics.len()),
        topics.join(",")
    )?;
    let replicas = [LEADER_REPLICAS, FOLLOWER_REPLICAS].map(deleted);
    let topics = topics.into_iter();
    let topics = topics.map(|topic| resource(TOPIC, topic, replicas.clone()));
    alter(cluster, To::Any, topics.collect()).await
}

/// What a noun ends in that there are so many of.
pub(super) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn set((name, value): (&'static str, String)) -> AlterableConfig {
    AlterableConfig {
        name: Str::from_static(name),
        config_operation: SET,
        value: Some(Str::from(value)),
    }
}

fn deleted(name: &'static str) -> AlterableConfig {
    AlterableConfig {
        name: Str::from_static(name),
        config_operation: DELETE,
        value: None,
    }
}

fn resource(
    resource_type: i8,
    resource_name: Str,
    configs: impl Into<Vec<AlterableConfig>>,
) -> AlterConfigsResource {
    AlterConfigsResource {
        resource_type,
        resource_name,
        configs: configs.into(),
    }
}

/// Alters the same configs of each broker. It is asked itself, unless the cluster is known by its controllers.
async fn alter_brokers(
    cluster: &mut Cluster,
    brokers: impl IntoIterator<Item = i32>,
    configs: &[AlterableConfig],
) -> Result<(), Failure> {
    let brokers = brokers.into_iter();
    let brokers = brokers.map(|id| (id, resource(BROKER, Str::from(id.to_string()), configs)));
    if cluster.options().entry == Entry::Controllers {
        let all = brokers.map(|(_, resource)| resource).collect();
        return alter(cluster, To::Any, all).await;
    }
    for (id, resource) in brokers {
        alter(cluster, To::Node(id), vec![resource]).await?;
    }
    Ok(())
}

async fn alter(
    cluster: &mut Cluster,
    to: To<'_>,
    resources: Vec<AlterConfigsResource>,
) -> Result<(), Failure> {
    if resources.is_empty() {
        return Ok(());
    }
    let request = IncrementalAlterConfigsRequest {
        resources,
        validate_only: false,
    };
    let answer = cluster
        .ask_until(to, &request, |answer| {
            not_controller(answer.responses.iter().map(|it| it.error_code))
        })
        .await
        .map_err(Exception::from)?;
    for result in answer.responses {
        if result.error_code.is_error() {
            return Err(Exception::refused(result.error_code, result.error_message).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::list_partition_reassignments::OngoingPartitionReassignment;

    fn replicas(all: &[(i32, &[i32])]) -> Replicas {
        let all = all.iter().map(|(partition, ids)| {
            let key = (Str::from_static("t"), *partition);
            (key, ids.to_vec())
        });
        all.collect()
    }

    fn of_moves(moves: &Moves) -> (String, String) {
        let moves = &moves["t"];
        (
            listed(moves, |it| &it.sources),
            listed(moves, |it| &it.destinations),
        )
    }

    #[test]
    fn leaders_are_throttled_where_replicas_are_and_followers_where_they_go() {
        let wanted = replicas(&[(0, &[2, 4]), (11, &[1, 3]), (2, &[10])]);
        let current = replicas(&[(0, &[1, 2]), (11, &[3, 1]), (2, &[9, 10])]);

        let moves = moves(&Moving::new(), &wanted, &current);

        let (leaders, followers) = of_moves(&moves);
        assert_eq!(leaders, "0:1,0:2,11:1,11:3,2:10,2:9", "sorted as text");
        assert_eq!(followers, "0:4");
    }

    #[test]
    fn a_move_that_takes_the_place_of_another_comes_from_where_that_began() {
        let under_way = |partition, replicas: &[i32], adding: &[i32]| {
            let it = OngoingPartitionReassignment {
                partition_index: partition,
                replicas: replicas.to_vec(),
                adding_replicas: adding.to_vec(),
                removing_replicas: Vec::new(),
            };
            ((Str::from_static("t"), partition), it)
        };
        let moving = Moving::from([
            under_way(0, &[1, 2, 3], &[3]),
            under_way(1, &[1, 2, 4], &[4]),
        ]);

        let wanted = replicas(&[(0, &[5, 1])]);
        let current = replicas(&[(0, &[1, 2, 3])]);
        let moves = moves(&moving, &wanted, &current);

        let (leaders, followers) = of_moves(&moves);
        assert_eq!(leaders, "0:1,0:2,1:1,1:2");
        assert_eq!(
            followers, "0:5,1:4",
            "also of those that go on as they were"
        );
    }
}
