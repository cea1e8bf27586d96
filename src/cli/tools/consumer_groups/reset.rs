//! `--reset-offsets`: other offsets are committed for groups that have no members, or only told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};

use super::columns::{line, width};
use super::csv;
use super::failure::{Failure, tell_error};
use super::group;
use super::names::State;
use super::offsets::{Offsets, commit, committed, topics};
use super::plan::{Wanted, plan, specified};
use super::{GroupsArguments, Numbers};
use crate::client::{Cluster, PartitionKey};
use crate::protocol::{ErrorCode, Str};

const WIDTH: usize = 15;
const NUMBER_WIDTH: usize = 10;

/// The new offsets of each group.
type Plans = BTreeMap<String, Offsets>;

/// Resets what groups have committed.
pub(super) async fn reset(
    arguments: &GroupsArguments,
    numbers: &Numbers,
    cluster: &mut Cluster,
) -> Result<(), Failure> {
    let mut plans = Plans::new();
    for id in arguments.group_ids(cluster).await? {
        let state = match group::describe(cluster, &id).await {
            Ok(description) => description.state,
            Err(error) if error.code == Some(ErrorCode::GROUP_ID_NOT_FOUND) => State::Dead,
            Err(error) => return Err(Failure::of_wrapped_call(&error)),
        };
        let offsets = match state {
            State::Empty | State::Dead => reset_group(arguments, numbers, cluster, &id).await?,
            _ => {
                tell_error(&format!(
                    "Assignments can only be reset if the group '{id}' is inactive, but the current state is {}.",
                    state.name()
                ))?;
                Offsets::new()
            }
        };
        plans.insert(id, offsets);
    }
    let text = if arguments.export {
        exported(&plans, arguments.group.len() == 1)
    } else {
        table(&plans)
    };
    writeln!(io::stdout(), "{text}")?;
    Ok(())
}

async fn reset_group(
    arguments: &GroupsArguments,
    numbers: &Numbers,
    cluster: &mut Cluster,
    group: &str,
) -> Result<Offsets, Failure> {
    let wanted = Wanted {
        arguments,
        numbers,
        group,
        keys: scope(arguments, cluster, group).await?,
    };
    let offsets = plan(&wanted, cluster).await?;
    if arguments.execute {
        let done = commit(cluster, group, &offsets).await;
        done.map_err(Failure::of_message)?;
    }
    Ok(offsets)
}

/// The partitions that are meant, in the order in which they are named.
async fn scope(
    arguments: &GroupsArguments,
    cluster: &mut Cluster,
    group: &str,
) -> Result<Vec<PartitionKey>, Failure> {
    if arguments.all_topics {
        let committed = committed(cluster, group).await;
        let committed = committed.map_err(|error| Failure::of_wrapped_call(&error))?;
        return Ok(committed.into_keys().collect());
    }
    if arguments.topic.is_empty() && arguments.from_file.is_none() {
        let reason = "One of the reset scopes should be defined: --all-topics, --topic.";
        return Err(Failure::Usage(reason.to_owned()));
    }
    let mut keys = Vec::new();
    let mut names = BTreeSet::new();
    for argument in &arguments.topic {
        if argument.contains(':') {
            keys.extend(specified(argument)?);
        } else {
            names.insert(Str::copy_from(argument));
        }
    }
    let found = topics(cluster, &names).await;
    for (topic, partitions) in found.map_err(Failure::of_message)? {
        let partitions = partitions.map_err(Failure::of_message)?.into_keys();
        keys.extend(partitions.map(|partition| (topic.clone(), partition)));
    }
    Ok(keys)
}

/// A line for each partition, each after a line feed.
fn table(plans: &Plans) -> String {
    let topics = plans.values().flat_map(Offsets::keys);
    let widths = [
        width(WIDTH, plans.keys().map(String::as_str)),
        width(WIDTH, topics.map(|(topic, _)| topic.as_str())),
        NUMBER_WIDTH,
    ];
    let mut text = String::new();
    if !plans.is_empty() {
        let heads = ["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"];
        text = format!("\n{}", line(&widths, &heads));
    }
    for (group, offsets) in plans {
        for ((topic, partition), offset) in offsets {
            let (partition, offset) = (partition.to_string(), offset.to_string());
            text.push('\n');
            text.push_str(&line(&widths, &[group, topic, &partition, &offset]));
        }
    }
    text
}

/// A record of CSV for each partition, without the group if there can be only one.
fn exported(plans: &Plans, is_one: bool) -> String {
    let mut text = String::new();
    for (group, offsets) in plans {
        let group = Some(group.as_str()).filter(|_| !is_one);
        for (key, offset) in offsets {
            text.push_str(&csv::record(group, key, *offset));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_told_as_table_or_as_csv() {
        let offsets = Offsets::from([((Str::from_static("t"), 1), 7)]);
        let plans = Plans::from([("g".to_owned(), offsets)]);

        assert_eq!(exported(&plans, true), "t,1,7\n");
        assert_eq!(exported(&plans, false), "g,t,1,7\n");
        let text = table(&plans);
        let last = text.lines().last().unwrap_or_default();
        assert_eq!(
            last.split_whitespace().collect::<Vec<_>>(),
            ["g", "t", "1", "7"]
        );
        assert_eq!(table(&Plans::new()), "");
    }
}
