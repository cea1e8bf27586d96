//! The moves that are under way: those that there are, how they begin and how they are cancelled.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use super::failure::Failure;
use super::wanted::comma_separated;
use crate::cli::tools::admin::{not_controller, timeout_ms};
use crate::cli::tools::exception::Exception;
use crate::cli::tools::partitions_file::shown;
use crate::client::{Cluster, PartitionKey, To, reassignments};
use crate::protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};
use crate::protocol::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsTopics,
    OngoingPartitionReassignment,
};
use crate::protocol::{ErrorCode, Request as _, Str};

/// The partitions that move.
pub(super) type Moving = BTreeMap<PartitionKey, OngoingPartitionReassignment>;

/// From this version on a request can forbid that partitions get more or fewer replicas.
const FORBIDS_OTHER_FACTOR: i16 = 1;

/// The moves of these partitions, or all.
///
/// # Errors
/// The cluster refuses, or does not answer, or a partition can't be asked for.
pub(super) async fn find(
    cluster: &mut Cluster,
    partitions: Option<&[PartitionKey]>,
) -> Result<Moving, Failure> {
    let invalid = partitions.into_iter().flatten().find_map(invalid);
    if let Some(invalid) = invalid {
        return Err(invalid.into());
    }
    let topics = partitions.map(|partitions| {
        let mut topics: BTreeMap<Str, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in partitions.iter().cloned() {
            topics.entry(topic).or_default().push(partition);
        }
        let topic = |(name, partition_indexes)| ListPartitionReassignmentsTopics {
            name,
            partition_indexes,
        };
        topics.into_iter().map(topic).collect()
    });
    let request = ListPartitionReassignmentsRequest {
        timeout_ms: timeout_ms(cluster),
        topics,
    };
    let answer = cluster
        .ask_until(To::Controller, &request, |answer| {
            not_controller(std::iter::once(answer.error_code))
        })
        .await
        .map_err(Exception::from)?;
    if answer.error_code.is_error() {
        return Err(Exception::refused(answer.error_code, answer.error_message).into());
    }
    let topics = answer.topics.into_iter().flat_map(|topic| {
        let partitions = topic.partitions.into_iter();
        partitions.map(move |it| ((topic.name.clone(), it.partition_index), it))
    });
    Ok(topics.collect())
}

/// Why the cluster can't be asked for a partition.
fn invalid((topic, partition): &PartitionKey) -> Option<Exception> {
    let words = if topic.is_empty() {
        format!("The given topic name '{topic}' cannot be represented in a request.")
    } else if *partition < 0 {
        format!("The given partition index {partition} is not valid.")
    } else {
        return None;
    };
    let words = Str::from(words);
    Some(Exception::refused(
        ErrorCode::INVALID_TOPIC_EXCEPTION,
        Some(words),
    ))
}

/// Has partitions move to these replicas; `None` cancels a move. Returns what was refused, and why: all, if the
/// cluster does not answer.
pub(super) async fn alter(
    cluster: &mut Cluster,
    targets: impl Iterator<Item = (PartitionKey, Option<Vec<i32>>)>,
    allows_other_factor: bool,
) -> BTreeMap<PartitionKey, String> {
    let request = reassignments(targets, timeout_ms(cluster), allows_other_factor);
    let mut versions = AlterPartitionReassignmentsRequest::KEY.valid_versions();
    if !allows_other_factor {
        versions = FORBIDS_OTHER_FACTOR..=*versions.end();
    }
    let answer = cluster
        .ask_within(To::Controller, &request, &versions, |answer| {
            not_controller(std::iter::once(answer.error_code))
        })
        .await;
    match answer {
        Ok(answer) => refused(answer),
        Err(error) => {
            let reason = Exception::from(error).message;
            let topics = request.topics.into_iter();
            let partitions = topics.flat_map(|topic| {
                let keys = topic.partitions.into_iter();
                keys.map(move |it| (topic.name.clone(), it.partition_index))
            });
            partitions.map(|key| (key, reason.clone())).collect()
        }
    }
}

fn refused(answer: AlterPartitionReassignmentsResponse) -> BTreeMap<PartitionKey, String> {
    let of_all = (answer.error_code, answer.error_message);
    let mut refused = BTreeMap::new();
    for topic in answer.responses {
        for partition in topic.partitions {
            let own = (partition.error_code, partition.error_message);
            let (code, words) = if of_all.0.is_error() {
                of_all.clone()
            } else {
                own
            };
            if code.is_error() {
                let key = (topic.name.clone(), partition.partition_index);
                refused.insert(key, Exception::refused(code, words).message);
            }
        }
    }
    refused
}

/// The lines that tell what was refused.
pub(super) fn lines(refused: &BTreeMap<PartitionKey, String>) -> String {
    let lines = refused.iter();
    let lines = lines.map(|(key, reason)| format!("{}: {reason}", shown(key)));
    lines.collect::<Vec<String>>().join("\n")
}

/// `--list`: prints all moves.
pub(super) async fn print(cluster: &mut Cluster) -> Result<(), Failure> {
    let moving = find(cluster, None).await?;
    let mut output = io::stdout().lock();
    if moving.is_empty() {
        writeln!(output, "No partition reassignments found.")?;
        return Ok(());
    }
    writeln!(output, "Current partition reassignments:")?;
    for (key, it) in &moving {
        writeln!(output, "{}", line(key, it))?;
    }
    Ok(())
}

fn line(key: &PartitionKey, moving: &OngoingPartitionReassignment) -> String {
    let mut line = format!(
        "{}: replicas: {}.",
        shown(key),
        comma_separated(&moving.replicas)
    );
    for (what, ids) in [
        ("adding", &moving.adding_replicas),
        ("removing", &moving.removing_replicas),
    ] {
        if !ids.is_empty() {
            line.push_str(&format!(" {what}: {}.", comma_separated(ids)));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_told_with_what_comes_and_what_goes() {
        let key = (Str::from_static("t"), 3);
        let mut moving = OngoingPartitionReassignment {
            partition_index: 3,
            replicas: vec![1, 2, 3],
            adding_replicas: vec![1],
            removing_replicas: vec![2, 3],
        };

        assert_eq!(
            line(&key, &moving),
            "t-3: replicas: 1,2,3. adding: 1. removing: 2,3."
        );
        moving.adding_replicas.clear();
        moving.removing_replicas.clear();
        assert_eq!(line(&key, &moving), "t-3: replicas: 1,2,3.");
    }
}
