//! The offsets that a reset leads to.

use std::fs;
use std::io::{self, Write as _};

use super::failure::{Failure, tell_error};
use super::offsets::{EARLIEST, LATEST, Offsets, committed, offsets_of, siblings};
use super::{GroupsArguments, Numbers, csv, time};
use crate::cli::tools::partitions_file::shown;
use crate::client::{Cluster, PartitionKey};
use crate::clock::wall_clock;
use crate::protocol::Str;

/// What is to be reset.
pub(super) struct Wanted<'a> {
    pub(super) arguments: &'a GroupsArguments,
    pub(super) numbers: &'a Numbers,
    pub(super) group: &'a str,
    pub(super) keys: Vec<PartitionKey>,
}

/// The new offsets, by what the arguments say.
pub(super) async fn plan(wanted: &Wanted<'_>, cluster: &mut Cluster) -> Result<Offsets, Failure> {
    check(cluster, &wanted.keys).await?;
    let (arguments, numbers) = (wanted.arguments, wanted.numbers);
    let keys = wanted.keys.iter().cloned();
    if let Some(offset) = numbers.to_offset {
        let requested = keys.map(|key| (key, offset)).collect();
        return in_range(cluster, requested).await;
    }
    if arguments.to_earliest || arguments.to_latest {
        let timestamp = if arguments.to_earliest {
            EARLIEST
        } else {
            LATEST
        };
        return at(cluster, keys, timestamp).await;
    }
    if let Some(count) = numbers.shift_by {
        return shifted(wanted, cluster, count).await;
    }
    if let Some(text) = &arguments.to_datetime {
        let timestamp = time::timestamp(text).map_err(Failure::Failed)?;
        return since(cluster, &wanted.keys, timestamp).await;
    }
    if let Some(text) = &arguments.by_duration {
        let duration = time::duration(text).map_err(Failure::Failed)?;
        return since(cluster, &wanted.keys, before_now(duration)).await;
    }
    if let Some(path) = &arguments.from_file {
        return from_file(wanted, cluster, path).await;
    }
    if arguments.to_current {
        return current(wanted, cluster).await;
    }
    Err(Failure::Usage(
        "Option '[reset-offsets]' requires one of the following scenarios: [[to-offset], [shift-by], [to-datetime], \
         [by-duration], [to-earliest], [to-latest], [to-current], [from-file]]"
            .to_owned(),
    ))
}

/// The partitions of `topic:0,1,2`.
///
/// # Errors
/// It is nothing of that kind.
pub(super) fn specified(argument: &str) -> Result<Vec<PartitionKey>, Failure> {
    let parts: Vec<&str> = argument.trim_end_matches(':').split(':').collect();
    let [topic, partitions] = parts.as_slice() else {
        return Err(Failure::Usage(format!(
            "Invalid topic arg '{argument}', expected topic name and partitions"
        )));
    };
    let listed = partitions.trim_end_matches(',');
    let numbers = listed.split(',').filter(|_| !listed.is_empty());
    let keys = numbers.map(|text| {
        let number = text.parse().map_err(|_| {
            // The second quote at the end is Kafka's.
            Failure::Usage(format!(
                "Invalid partition '{text}' specified in topic arg '{argument}''"
            ))
        });
        Ok((Str::copy_from(topic), number?))
    });
    keys.collect()
}

/// Checks that partitions are there and have leaders.
async fn check(cluster: &mut Cluster, keys: &[PartitionKey]) -> Result<(), Failure> {
    let siblings = siblings(cluster, keys.iter()).await;
    let siblings = siblings.map_err(|error| Failure::of_wrapped_call(&error))?;
    let those = |leader: Option<&bool>| {
        let keys = keys.iter().filter(|key| siblings.get(*key) == leader);
        keys.map(shown).collect::<Vec<String>>().join(",")
    };
    let (missing, leaderless) = (those(None), those(Some(&false)));
    if !missing.is_empty() {
        return Err(Failure::Failed(format!(
            "The partitions \"{missing}\" do not exist"
        )));
    }
    if !leaderless.is_empty() {
        return Err(Failure::Failed(format!(
            "The partitions \"{leaderless}\" have no leader"
        )));
    }
    Ok(())
}

async fn at(
    cluster: &mut Cluster,
    keys: impl Iterator<Item = PartitionKey>,
    timestamp: i64,
) -> Result<Offsets, Failure> {
    let offsets = offsets_of(cluster, keys, timestamp).await;
    offsets.map_err(|error| Failure::of_wrapped_call(&error))
}

/// The offsets of the first records from a time on, or the end where there are none.
async fn since(
    cluster: &mut Cluster,
    keys: &[PartitionKey],
    timestamp: i64,
) -> Result<Offsets, Failure> {
    let mut offsets = at(cluster, keys.iter().cloned(), timestamp).await?;
    let rest = keys.iter().filter(|key| !offsets.contains_key(*key));
    let rest: Vec<PartitionKey> = rest.cloned().collect();
    for (topic, partition) in &rest {
        writeln!(
            io::stdout(),
            "\nWarn: Partition {partition} from topic {topic} is empty. Falling back to latest known offset."
        )?;
    }
    offsets.extend(at(cluster, rest.into_iter(), LATEST).await?);
    Ok(offsets)
}

/// Offsets, moved to where their partitions begin or end if they are outside.
async fn in_range(cluster: &mut Cluster, requested: Offsets) -> Result<Offsets, Failure> {
    let starts = at(cluster, requested.keys().cloned(), EARLIEST).await?;
    let ends = at(cluster, requested.keys().cloned(), LATEST).await?;
    let mut offsets = Offsets::new();
    for (key, offset) in requested {
        let end = ends.get(&key).copied().filter(|end| offset > *end);
        let start = starts.get(&key).copied().filter(|start| offset < *start);
        let moved = match (end, start) {
            (Some(end), _) => Some(("higher than latest", end)),
            (None, Some(start)) => Some(("lower than earliest", start)),
            (None, None) => None,
        };
        if let Some((how, to)) = moved {
            writeln!(
                io::stderr(),
                "WARN New offset ({offset}) is {how} offset for topic partition {}. Value will be set to {to}.",
                shown(&key)
            )?;
        }
        offsets.insert(key, moved.map_or(offset, |(_, to)| to));
    }
    Ok(offsets)
}

async fn shifted(
    wanted: &Wanted<'_>,
    cluster: &mut Cluster,
    count: i64,
) -> Result<Offsets, Failure> {
    let committed = committed(cluster, wanted.group).await;
    let committed = committed.map_err(|error| Failure::of_wrapped_call(&error))?;
    let requested = wanted.keys.iter().map(|key| match committed.get(key) {
        Some(from) => Ok((key.clone(), from.offset.wrapping_add(count))),
        None => Err(Failure::Usage(format!(
            "Cannot shift offset for partition {} since there is no current committed offset",
            shown(key)
        ))),
    });
    let requested = requested.collect::<Result<Offsets, Failure>>()?;
    in_range(cluster, requested).await
}

async fn current(wanted: &Wanted<'_>, cluster: &mut Cluster) -> Result<Offsets, Failure> {
    let committed = committed(cluster, wanted.group).await;
    let committed = committed.map_err(|error| Failure::of_wrapped_call(&error))?;
    let rest = wanted
        .keys
        .iter()
        .filter(|key| !committed.contains_key(*key));
    let mut offsets = at(cluster, rest.cloned(), LATEST).await?;
    let keys = wanted.keys.iter();
    offsets.extend(keys.filter_map(|key| Some((key.clone(), committed.get(key)?.offset))));
    Ok(offsets)
}

async fn from_file(
    wanted: &Wanted<'_>,
    cluster: &mut Cluster,
    path: &str,
) -> Result<Offsets, Failure> {
    let bytes = fs::read(path)
        .map_err(|_| Failure::Failed(format!("java.io.IOException: Unable to read file {path}")))?;
    let text = String::from_utf8_lossy(&bytes);
    let only = match wanted.arguments.group.as_slice() {
        [group] => Some(group.as_str()),
        _ => None,
    };
    let mut plans = csv::plans(&text, only).map_err(Failure::Failed)?;
    match plans.remove(wanted.group) {
        Some(requested) => in_range(cluster, requested).await,
        None => {
            tell_error(&format!("No reset plan for group {} found", wanted.group))?;
            Ok(Offsets::new())
        }
    }
}

/// The moment that is so many nanoseconds before now, in ms since 1970.
fn before_now(duration: i128) -> i64 {
    const NANOS_OF_MS: i128 = 1_000_000;
    let moment = i128::from(wall_clock().0) * NANOS_OF_MS - duration;
    let ms = moment.div_euclid(NANOS_OF_MS);
    i64::try_from(ms).unwrap_or(if ms < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_of_a_topic_are_numbers_with_commas() {
        let numbers = |argument| {
            let keys = specified(argument).ok()?.into_iter();
            Some(keys.map(|(_, partition)| partition).collect::<Vec<i32>>())
        };

        assert_eq!(numbers("t:0,2,"), Some(vec![0, 2]));
        assert_eq!(numbers("t:,"), Some(Vec::new()));
        assert_eq!(numbers("t:x"), None);
        assert_eq!(numbers("t:"), None);
        assert_eq!(numbers("a:b:1"), None);
    }
}
