//! `--verify`: how far the moves are that a file asks for. Once all is done, their throttles end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};

use super::directories;
use super::failure::Failure;
use super::moving::{self, Moving};
use super::placed::{self, Topics};
use super::throttles;
use super::wanted::{Wanted, comma_separated};
use crate::cli::tools::partitions_file::shown;
use crate::client::{Cluster, PartitionKey};
use crate::protocol::{ErrorCode, Str};

/// How far a partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// It moves, maybe to others than it shall.
    Active,
    /// It has these replicas, and does not move; none if there is no such partition.
    Done(Vec<i32>),
}

impl State {
    fn line(&self, key: &PartitionKey, target: &[i32]) -> String {
        let partition = shown(key);
        match self {
            Self::Active => format!("Reassignment of partition {partition} is still in progress."),
            Self::Done(current) if current == target => {
                format!("Reassignment of partition {partition} is completed.")
            }
            Self::Done(current) => {
                let (current, target) = (comma_separated(current), comma_separated(target));
                format!(
                    "There is no active reassignment of partition {partition}, but replica set is {current} rather than \
                     {target}."
                )
            }
        }
    }
}

/// Tells how far the moves are, and ends their throttles unless these are to be preserved.
pub(super) async fn verify(
    cluster: &mut Cluster,
    text: &str,
    preserves_throttles: bool,
) -> Result<(), Failure> {
    let wanted = Wanted::parse(text)?;
    let moving = moving::find(cluster, None).await?;
    let mut told = vec!["Status of partition reassignment:".to_owned()];
    told.extend(lines(cluster, &wanted, &moving).await?);
    writeln!(io::stdout(), "{}", told.join("\n"))?;
    let states = directories::states(cluster, &wanted.directories).await?;
    let lines = states.iter();
    let lines = lines.map(|(replica, state)| state.line(replica, &wanted.directories[replica]));
    let lines: Vec<String> = lines.collect();
    writeln!(io::stdout(), "{}", lines.join("\n"))?;
    let is_done = states.values().all(directories::State::is_done);
    if moving.is_empty() && is_done && !preserves_throttles {
        throttles::clear(cluster, &wanted).await?;
    }
    Ok(())
}

/// The lines that tell how far the partitions are. The last of several targets of one counts.
async fn lines(
    cluster: &mut Cluster,
    wanted: &Wanted,
    moving: &Moving,
) -> Result<Vec<String>, Failure> {
    let resting = wanted.partitions().iter().map(|(key, _)| key);
    let resting = resting.filter(|key| !moving.contains_key(*key));
    let names: BTreeSet<Str> = resting.map(|(topic, _)| topic.clone()).collect();
    let names: Vec<Str> = names.into_iter().collect();
    let topics = placed::topics(cluster, &names).await?;
    let mut states: BTreeMap<&PartitionKey, (State, &[i32])> = BTreeMap::new();
    for (key, target) in wanted.partitions() {
        let state = if moving.contains_key(key) {
            State::Active
        } else {
            State::Done(current(&topics, key)?)
        };
        states.insert(key, (state, target));
    }
    let lines = states.into_iter();
    let lines = lines.map(|(key, (state, target))| state.line(key, target));
    Ok(lines.collect())
}

/// The replicas that a partition has. As in Kafka's tool, a number that is one too high is an error of another kind
/// than one that is higher still.
fn current(topics: &Topics, (topic, partition): &PartitionKey) -> Result<Vec<i32>, Failure> {
    let partitions = match topics.get(topic) {
        Some(Ok(partitions)) => partitions,
        Some(Err(error)) if error.code != Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
            return Err(error.clone().into());
        }
        Some(Err(_)) | None => return Ok(Vec::new()),
    };
    let count = partitions.len();
    let index = usize::try_from(*partition);
    match index.map(|index| (partitions.get(index), index > count)) {
        Ok((Some(replicas), _)) => Ok(replicas.clone()),
        Ok((None, true)) => Ok(Vec::new()),
        Ok((None, false)) | Err(_) => Err(Failure::Error(format!(
            "Index {partition} out of bounds for length {count}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tools::exception::Exception;

    #[test]
    fn a_partition_is_done_when_it_does_not_move_whatever_its_replicas() {
        let key = (Str::from_static("t"), 1);
        let line = |state: State| state.line(&key, &[2, 1]);

        assert_eq!(
            line(State::Active),
            "Reassignment of partition t-1 is still in progress."
        );
        assert_eq!(
            line(State::Done(vec![2, 1])),
            "Reassignment of partition t-1 is completed."
        );
        assert_eq!(
            line(State::Done(vec![1, 2])),
            "There is no active reassignment of partition t-1, but replica set is 1,2 rather than 2,1."
        );
    }

    #[test]
    fn a_partition_that_is_not_there_has_no_replicas() {
        let refused = |code| Err(Exception::refused(code, None));
        let topics = Topics::from([
            (Str::from_static("t"), Ok(vec![vec![1], vec![2]])),
            (
                Str::from_static("gone"),
                refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            ),
            (
                Str::from_static("bad"),
                refused(ErrorCode::INVALID_TOPIC_EXCEPTION),
            ),
        ]);
        let of = |topic, partition| match current(&topics, &(Str::from_static(topic), partition)) {
            Ok(replicas) => comma_separated(&replicas),
            Err(Failure::Error(reason)) => reason,
            Err(other) => panic!("{other:?}"),
        };

        assert_eq!(of("t", 1), "2");
        assert_eq!(of("t", 2), "Index 2 out of bounds for length 2");
        assert_eq!(of("t", 3), "");
        assert_eq!(of("t", -1), "Index -1 out of bounds for length 2");
        assert_eq!(of("gone", 0), "");
        assert!(of("bad", 0).starts_with("org.apache.kafka.common.errors.InvalidTopicException: "));
    }
}
