//! Moves of replicas between the log directories of their brokers: how they begin, and how far they are.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::placed::{Places, places};
use super::throttles::plural;
use super::wanted::{Directories, Replica};
use crate::cli::tools::partitions_file::shown;
use crate::client::{Cluster, PartitionKey, To};
use crate::protocol::messages::alter_replica_log_dirs::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
};
use crate::protocol::{ErrorCode, Str};

/// The pause between two attempts to begin what can't begin yet.
const PAUSE: Duration = Duration::from_millis(100);

/// How far a move is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The broker has no such replica, in no directory that works.
    Missing,
    /// It is in another directory, and goes nowhere.
    Elsewhere { current: String },
    /// It is where it shall be.
    Completed,
    /// It is on its way, if not to where it shall be.
    Active { current: String, future: String },
}

impl State {
    fn of(places: Places, target: &str) -> Self {
        match (places.current, places.future) {
            (None, _) => Self::Missing,
            (Some(current), Some(future)) => Self::Active { current, future },
            (Some(current), None) if current == target => Self::Completed,
            (Some(current), None) => Self::Elsewhere { current },
        }
    }

    /// Whether nothing moves any more.
    pub(super) fn is_done(&self) -> bool {
        !matches!(self, Self::Active { .. })
    }

    /// The line that tells it.
    pub(super) fn line(&self, replica: &Replica, target: &str) -> String {
        let (partition, broker) = (shown(&replica.partition), replica.broker);
        match self {
            Self::Missing => format!(
                "Partition {partition} is not found in any live log dir on broker {broker}. There is likely an offline \
                 log directory on the broker."
            ),
            Self::Elsewhere { current } => format!(
                "Partition {partition} on broker {broker} is not being moved from log dir {current} to {target}."
            ),
            Self::Completed => format!("Reassignment of replica {replica} completed successfully."),
            Self::Active { future, .. } if future == target => {
                format!("Reassignment of replica {replica} is still in progress.")
            }
            Self::Active { future, .. } => format!(
                "Partition {partition} on broker {broker} is being moved to log dir {future} instead of {target}."
            ),
        }
    }
}

/// How far the moves are to these directories.
///
/// # Errors
/// A broker does not answer, or tells of an error.
pub(super) async fn states(
    cluster: &mut Cluster,
    wanted: &Directories,
) -> Result<BTreeMap<Replica, State>, Failure> {
    let places = places(cluster, wanted.keys().cloned()).await?;
    let states = places.into_iter().map(|(replica, places)| {
        let state = State::of(places, &wanted[&replica]);
        (replica, state)
    });
    Ok(states.collect())
}

/// Begins the moves to these directories, and tries again for so many ms where the replica is not there yet: it may
/// be on its way to the broker.
///
/// # Errors
/// A broker refuses or does not answer, or the time is over.
pub(super) async fn begin(
    cluster: &mut Cluster,
    wanted: Directories,
    timeout_ms: i64,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut waiting = wanted;
    loop {
        let started = attempt(cluster, &waiting).await?;
        for replica in &started {
            let directory = waiting.remove(replica).unwrap_or_default();
            let (topic, partition) = &replica.partition;
            let broker = replica.broker;
            // The blank at the end is Kafka's.
            writeln!(
                io::stdout(),
                "Successfully started moving log directory to {directory} for replica {topic}-{partition} with broker \
                 {broker} "
            )?;
        }
        if waiting.is_empty() {
            return Ok(());
        }
        let elapsed_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        if elapsed_ms >= timeout_ms {
            let replicas: Vec<String> = waiting.keys().map(Replica::to_string).collect();
            return Err(Failure::Plain(format!(
                "Timed out before log directory move{} could be started for: {}",
                plural(replicas.len()),
                replicas.join(",")
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks each broker once. Returns what has begun, sorted.
async fn attempt(cluster: &mut Cluster, wanted: &Directories) -> Result<Vec<Replica>, Failure> {
    let mut by_broker: BTreeMap<i32, Directories> = BTreeMap::new();
    for (replica, directory) in wanted {
        let of_broker = by_broker.entry(replica.broker).or_default();
        of_broker.insert(replica.clone(), directory.clone());
    }
    let mut outcomes = BTreeMap::new();
    for (broker, wanted) in by_broker {
        let answer = cluster.ask(To::Node(broker), &request(&wanted)).await;
        let told = answer.map_or_else(|_| BTreeMap::new(), codes);
        for replica in wanted.into_keys() {
            // Nothing of it in an answer is as bad as no answer.
            let code = told.get(&replica.partition).copied();
            outcomes.insert(replica, code.unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR));
        }
    }
    let mut started = Vec::new();
    for (replica, code) in outcomes {
        match code {
            ErrorCode::NONE => started.push(replica),
            ErrorCode::REPLICA_NOT_AVAILABLE => {}
            _ => return Err(Failure::Error(format!("Failed to alter dir for {replica}"))),
        }
    }
    Ok(started)
}

fn request(wanted: &Directories) -> AlterReplicaLogDirsRequest {
    let mut directories: BTreeMap<&str, BTreeMap<Str, Vec<i32>>> = BTreeMap::new();
    for (replica, directory) in wanted {
        let (topic, partition) = replica.partition.clone();
        let topics = directories.entry(directory).or_default();
        topics.entry(topic).or_default().push(partition);
    }
    let dirs = directories.into_iter().map(|(path, topics)| {
        let topics = topics.into_iter();
        let topics = topics.map(|(name, partitions)| AlterReplicaLogDirTopic { name, partitions });
        AlterReplicaLogDir {
            path: Str::copy_from(path),
            topics: topics.collect(),
        }
    });
    AlterReplicaLogDirsRequest {
        dirs: dirs.collect(),
    }
}

fn codes(answer: AlterReplicaLogDirsResponse) -> BTreeMap<PartitionKey, ErrorCode> {
    let topics = answer.results.into_iter().flat_map(|topic| {
        let partitions = topic.partitions.into_iter();
        partitions.map(move |it| {
            let key = (topic.topic_name.clone(), it.partition_index);
            (key, it.error_code)
        })
    });
    topics.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(current: Option<&str>, future: Option<&str>) -> (bool, String) {
        let places = Places {
            current: current.map(str::to_owned),
            future: future.map(str::to_owned),
        };
        let replica = Replica {
            broker: 7,
            partition: (Str::from_static("t"), 2),
        };
        let state = State::of(places, "/b");
        (state.is_done(), state.line(&replica, "/b"))
    }

    #[test]
    fn only_what_moves_is_not_done() {
        let cases = [
            (
                told(None, Some("/b")),
                "Partition t-2 is not found in any live log dir on broker 7. There is likely an offline log directory \
                 on the broker.",
                true,
            ),
            (
                told(Some("/a"), None),
                "Partition t-2 on broker 7 is not being moved from log dir /a to /b.",
                true,
            ),
            (
                told(Some("/b"), None),
                "Reassignment of replica t-2-7 completed successfully.",
                true,
            ),
            (
                told(Some("/a"), Some("/b")),
                "Reassignment of replica t-2-7 is still in progress.",
                false,
            ),
            (
                told(Some("/a"), Some("/c")),
                "Partition t-2 on broker 7 is being moved to log dir /c instead of /b.",
                false,
            ),
        ];

        for ((is_done, line), expected, expected_done) in cases {
            assert_eq!(line, expected);
            assert_eq!(is_done, expected_done, "{line}");
        }
    }

    #[test]
    fn a_broker_is_asked_once_for_all_that_goes_to_its_directories() {
        let replica = |topic, partition| Replica {
            broker: 1,
            partition: (Str::from_static(topic), partition),
        };
        let wanted = Directories::from([
            (replica("t", 0), "/a".to_owned()),
            (replica("t", 1), "/b".to_owned()),
            (replica("t", 2), "/a".to_owned()),
            (replica("u", 0), "/a".to_owned()),
        ]);

        let request = request(&wanted);

        let told = request.dirs.iter().flat_map(|dir| {
            let topics = dir.topics.iter();
            topics.map(move |topic| format!("{}: {} {:?}", dir.path, topic.name, topic.partitions))
        });
        let told: Vec<String> = told.collect();
        assert_eq!(told, ["/a: t [0, 2]", "/a: u [0]", "/b: t [1]"]);
    }
}
