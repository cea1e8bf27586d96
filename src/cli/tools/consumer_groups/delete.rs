//! `--delete` and `--delete-offsets`: groups go, or some of what they have committed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};

use super::GroupsArguments;
use super::columns::{line, or_dash, width};
use super::failure::{Failure, tell_error};
use super::offsets::{ask_group, topics};
use super::plan::specified;
use crate::cli::tools::exception::Exception;
use crate::client::{Cluster, PartitionKey};
use crate::protocol::messages::delete_groups::DeleteGroupsRequest;
use crate::protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use crate::protocol::{ErrorCode, Str};

const TOPIC_WIDTH: usize = 15;
const NUMBER_WIDTH: usize = 10;
const STATUS_WIDTH: usize = 15;

/// What became of partitions' offsets. Partition -1 stands for a topic that is not there.
type Outcomes = BTreeMap<PartitionKey, Result<(), Exception>>;

/// Deletes groups.
pub(super) async fn delete_groups(
    arguments: &GroupsArguments,
    cluster: &mut Cluster,
) -> Result<(), Failure> {
    let mut deleted = Vec::new();
    let mut failed = Vec::new();
    for id in arguments.group_ids(cluster).await? {
        match delete_group(cluster, &id).await {
            Ok(()) => deleted.push(format!("'{id}'")),
            Err(error) => failed.push((id, error)),
        }
    }
    let deleted = deleted.join(", ");
    if failed.is_empty() {
        writeln!(
            io::stdout(),
            "Deletion of requested consumer groups ({deleted}) was successful."
        )?;
        return Ok(());
    }
    tell_error("Deletion of some consumer groups failed:")?;
    for (id, error) in failed {
        writeln!(
            io::stdout(),
            "* Group '{id}' could not be deleted due to: {error}"
        )?;
    }
    if !deleted.is_empty() {
        writeln!(
            io::stdout(),
            "\nThese consumer groups were deleted successfully: {deleted}"
        )?;
    }
    Ok(())
}

async fn delete_group(cluster: &mut Cluster, id: &str) -> Result<(), Exception> {
    let request = DeleteGroupsRequest {
        groups_names: vec![Str::copy_from(id)],
    };
    let answer = ask_group(cluster, id, &request, i16::MAX, |answer| {
        answer.results.iter().map(|it| it.error_code).collect()
    })
    .await?;
    let mut codes = answer.results.into_iter().map(|it| it.error_code);
    match codes.find(|code| code.is_error()) {
        None => Ok(()),
        Some(code) => Err(Exception::refused(code, None)),
    }
}

/// Deletes what a group has committed of some partitions.
pub(super) async fn delete_offsets(
    arguments: &GroupsArguments,
    cluster: &mut Cluster,
) -> Result<(), Failure> {
    let [group] = arguments.group.as_slice() else {
        let reason = "Found multiple arguments for option group, but you asked for only one";
        return Err(Failure::Failed(reason.to_owned()));
    };
    let (keys, mut outcomes) = wanted(cluster, &arguments.topic).await?;
    let deleted = delete_of_group(cluster, group, &keys).await;
    let mut worst = None;
    for key in keys {
        let outcome = match &deleted {
            Err(error) => Err(error.clone()),
            Ok(answered) => answered.get(&key).map_or_else(
                || Err(not_included(&key)),
                |code| {
                    if code.is_error() {
                        return Err(Exception::refused(*code, None));
                    }
                    Ok(())
                },
            ),
        };
        if let Err(error) = &outcome {
            worst.get_or_insert_with(|| error.clone());
        }
        outcomes.insert(key, outcome);
    }
    tell_outcome(group, worst.or(deleted.err()))?;
    writeln!(io::stdout(), "{}", table(&outcomes))?;
    Ok(())
}

/// The partitions that are meant, and those of topics that are not there.
async fn wanted(
    cluster: &mut Cluster,
    arguments: &[String],
) -> Result<(BTreeSet<PartitionKey>, Outcomes), Failure> {
    let mut keys = BTreeSet::new();
    let mut names = BTreeSet::new();
    for argument in arguments {
        if argument.contains(':') {
            keys.extend(specified(argument)?);
        } else {
            names.insert(Str::copy_from(argument));
        }
    }
    let mut outcomes = Outcomes::new();
    let found = topics(cluster, &names).await;
    for (topic, partitions) in found.map_err(|error| Failure::of_wrapped_call(&error))? {
        match partitions {
            Ok(partitions) => {
                let partitions = partitions.into_keys();
                keys.extend(partitions.map(|partition| (topic.clone(), partition)));
            }
            Err(error) => {
                outcomes.insert((topic, -1), Err(error));
            }
        }
    }
    Ok((keys, outcomes))
}

async fn delete_of_group(
    cluster: &mut Cluster,
    group: &str,
    keys: &BTreeSet<PartitionKey>,
) -> Result<BTreeMap<PartitionKey, ErrorCode>, Exception> {
    let mut topics: BTreeMap<Str, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
    for (topic, partition_index) in keys {
        let partition = OffsetDeleteRequestPartition {
            partition_index: *partition_index,
        };
        topics.entry(topic.clone()).or_default().push(partition);
    }
    let topic = |(name, partitions)| OffsetDeleteRequestTopic { name, partitions };
    let request = OffsetDeleteRequest {
        group_id: Str::copy_from(group),
        topics: topics.into_iter().map(topic).collect(),
    };
    let answer = ask_group(cluster, group, &request, i16::MAX, |answer| {
        vec![answer.error_code]
    })
    .await?;
    if answer.error_code.is_error() {
        return Err(Exception::refused(answer.error_code, None));
    }
    let topics = answer.topics.into_iter().flat_map(|topic| {
        let name = topic.name;
        let partitions = topic.partitions.into_iter();
        partitions.map(move |it| ((name.clone(), it.partition_index), it.error_code))
    });
    Ok(topics.collect())
}

fn not_included((topic, partition): &PartitionKey) -> Exception {
    Exception::new(
        "java.lang.IllegalArgumentException",
        format!(
            "Offset deletion result for partition \"{topic}-{partition}\" was not included in the response"
        ),
    )
}

/// Tells what became of the whole.
fn tell_outcome(group: &str, worst: Option<Exception>) -> io::Result<()> {
    let Some(error) = worst else {
        return writeln!(
            io::stdout(),
            "Request succeeded for deleting offsets from group {group}."
        );
    };
    match error.code {
        Some(
            ErrorCode::INVALID_GROUP_ID
            | ErrorCode::GROUP_ID_NOT_FOUND
            | ErrorCode::GROUP_AUTHORIZATION_FAILED
            | ErrorCode::NON_EMPTY_GROUP,
        ) => tell_error(&error.message),
        Some(
            ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC
            | ErrorCode::TOPIC_AUTHORIZATION_FAILED
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ) => tell_error("Encountered some partition-level error, see the follow-up details."),
        code => {
            let code = code.unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR);
            tell_error(&format!("Encountered some unknown error: {}", code.name()))
        }
    }
}

/// A line for each partition, each after a line feed, in the order of topic and number as one text.
fn table(outcomes: &Outcomes) -> String {
    let names = outcomes.keys().map(|(topic, _)| topic.as_str());
    let widths = [width(TOPIC_WIDTH, names), NUMBER_WIDTH, STATUS_WIDTH];
    let mut text = format!("\n{}", line(&widths, &["TOPIC", "PARTITION", "STATUS"]));
    let mut rows: Vec<_> = outcomes.iter().collect();
    rows.sort_by_key(|((topic, partition), _)| format!("{topic}{partition}"));
    for ((topic, partition), outcome) in rows {
        let partition = or_dash(Some(partition).filter(|partition| **partition >= 0));
        let status = match outcome {
            Ok(()) => "Successful".to_owned(),
            Err(error) => format!("Error: {error}"),
        };
        text.push('\n');
        text.push_str(&line(&widths, &[topic, &partition, &status]));
    }
    text
}
