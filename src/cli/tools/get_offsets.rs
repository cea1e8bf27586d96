//! `kafka-get-offsets.sh`: the offset of each partition at its end, its beginning, or at a time, as
//! `topic:partition:offset`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use super::ending::{self, Ending, require};
use super::options::Properties;
use super::session;
use super::topic_filter::{TopicFilter, is_internal};
use crate::client::{Cluster, ClusterError, PartitionKey, offsets_at};
use crate::protocol::{ErrorCode, Str};

const NAME: &str = "kafka-get-offsets.sh";

/// Tell the first or last offsets of partitions, or those of a time.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct OffsetsArguments {
    /// The nodes to ask first, HOST:PORT and separated by commas. (--broker-list is the same.)
    #[arg(long, value_name = "SERVERS", alias = "broker-list")]
    bootstrap_server: Option<String>,

    /// Topics, as a regular expression, each with partitions: topic, topic:1, topic:0-3 (without 3),
    /// topic:5-, topic:-3; commas between them
    #[arg(long, value_name = "LIST")]
    topic_partitions: Option<String>,

    /// The topics, as a regular expression; all without
    #[arg(long)]
    topic: Option<String>,

    /// The partitions, with commas between them; all without
    #[arg(long, value_name = "LIST")]
    partitions: Option<String>,

    /// latest, earliest, max-timestamp, earliest-local, latest-tiered, earliest-pending-upload, or a time in ms
    #[arg(long, default_value = "latest", allow_hyphen_values = true)]
    time: String,

    /// Read settings of the client from this file of properties
    #[arg(long, value_name = "FILE")]
    command_config: Option<PathBuf>,

    /// Leave out Kafka's own topics
    #[arg(long)]
    exclude_internal_topics: bool,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments: OffsetsArguments = match ending::parse(arguments) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    if let Err(error) = require("bootstrap-server", arguments.bootstrap_server.is_some()) {
        return error.tell(NAME);
    }
    match session::run(tell(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => Ending::Failed(format!("Error occurred: {error}")).tell(NAME),
    }
}

/// Some partitions of some topics.
#[derive(Debug)]
struct Rule {
    topics: TopicFilter,
    /// `None` for those in the list.
    partitions: Option<Range<i32>>,
    /// Empty for all.
    listed: Vec<i32>,
}

impl Rule {
    fn matches(&self, topic: &str, partition: i32) -> bool {
        let is_meant = match &self.partitions {
            Some(range) => range.contains(&partition),
            None => self.listed.is_empty() || self.listed.contains(&partition),
        };
        is_meant && self.topics.matches(topic)
    }

    /// Reads `topic`, `topic:1`, `topic:0-3`, `topic:5-` or `topic:-3`.
    fn parse(text: &str) -> Result<Self, Ending> {
        let invalid = || Ending::Failed(format!("Invalid rule specification: {text}"));
        let (topic, partitions) = text.split_once(':').unwrap_or((text, ""));
        let number = |text: &str, usual| match text {
            "" => Ok(usual),
            text => text.parse::<u16>().map(i32::from).map_err(|_| invalid()),
        };
        let range = match partitions.split_once('-') {
            Some((first, end)) => number(first, 0)?..number(end, i32::MAX)?,
            None if partitions.is_empty() => 0..i32::MAX,
            None => {
                let one = number(partitions, 0)?;
                one..one + 1
            }
        };
        let expression = if topic.is_empty() { ".*" } else { topic };
        Ok(Self {
            topics: TopicFilter::parse(expression)?,
            partitions: Some(range),
            listed: Vec::new(),
        })
    }
}

async fn tell(arguments: &OffsetsArguments) -> Result<(), Ending> {
    let rules = rules(arguments)?;
    let timestamp = timestamp(&arguments.time)?;
    let file = arguments.command_config.as_deref();
    let properties = file.map_or_else(|| Ok(Properties::default()), Properties::of_file)?;
    let servers = arguments.bootstrap_server.as_deref().unwrap_or_default();
    let mut cluster = Cluster::new(properties.cluster(servers, "GetOffsetShell")?);

    let partitions = partitions(arguments, &rules, &mut cluster).await?;
    if partitions.is_empty() {
        let reason = "Could not match any topic-partitions with the specified filters";
        return Err(Ending::Failed(reason.to_owned()));
    }
    let wanted: BTreeMap<PartitionKey, i64> =
        partitions.into_iter().map(|key| (key, timestamp)).collect();
    let offsets = offsets_at(&mut cluster, wanted, false).await?;
    for ((topic, partition), code) in offsets.refused {
        let error = ClusterError::of(code);
        writeln!(
            io::stderr(),
            "Skip getting offsets for topic-partition {topic}-{partition} due to error: {error}"
        )?;
    }
    let mut lines: Vec<(String, String)> = offsets
        .found
        .into_iter()
        .map(|((topic, partition), offset)| {
            let name = format!("{topic}-{partition}");
            (name, format!("{topic}:{partition}:{offset}\n"))
        })
        .collect();
    // Kafka's order is that of the names, in which partition 10 comes before 2.
    lines.sort();
    let text: String = lines.into_iter().map(|(_, line)| line).collect();
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn rules(arguments: &OffsetsArguments) -> Result<Vec<Rule>, Ending> {
    if let Some(list) = arguments.topic_partitions.as_deref() {
        if arguments.topic.is_some() || arguments.partitions.is_some() {
            let reason = "--topic-partitions cannot be used with --topic or --partitions";
            return Err(Ending::Failed(reason.to_owned()));
        }
        return list.split(',').map(Rule::parse).collect();
    }
    let listed = arguments.partitions.as_deref().unwrap_or_default();
    let ids = listed.split(',').filter(|_| !listed.is_empty());
    let ids: Result<Vec<i32>, _> = ids.map(str::parse).collect();
    let ids = ids.map_err(|_| {
        Ending::Failed(format!(
            "--partitions expects a comma separated list of numeric partition ids, but received: {listed}"
        ))
    })?;
    Ok(vec![Rule {
        topics: TopicFilter::parse(arguments.topic.as_deref().unwrap_or(".*"))?,
        partitions: None,
        listed: ids,
    }])
}

fn timestamp(text: &str) -> Result<i64, Ending> {
    match text {
        "latest" => Ok(-1),
        "earliest" => Ok(-2),
        "max-timestamp" => Ok(-3),
        "earliest-local" => Ok(-4),
        "latest-tiered" => Ok(-5),
        "earliest-pending-upload" => Ok(-6),
        number => number.parse().map_err(|_| {
            Ending::Failed(format!(
                "Malformed time argument {text}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or \
                 earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format timestamp"
            ))
        }),
    }
}

/// The partitions that are meant, of topics that are there.
async fn partitions(
    arguments: &OffsetsArguments,
    rules: &[Rule],
    cluster: &mut Cluster,
) -> Result<Vec<PartitionKey>, Ending> {
    let literal = |rule: &Rule| rule.topics.literal().map(Str::copy_from);
    let names: Option<Vec<Str>> = rules.iter().map(literal).collect();
    let topics = cluster.refresh(names.as_deref(), false).await?.topics;
    let mut found = Vec::new();
    for topic in topics {
        let name = topic.name.unwrap_or_default();
        let is_left_out = arguments.exclude_internal_topics && is_internal(&name);
        if topic.error_code != ErrorCode::NONE || is_left_out {
            continue;
        }
        for partition in topic.partitions {
            let index = partition.partition_index;
            if rules.iter().any(|rule| rule.matches(&name, index)) {
                found.push((name.clone(), index));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_topics_and_a_range_of_partitions() {
        let matches = |text, partition| Rule::parse(text).expect("a rule").matches("t1", partition);

        assert!(matches("t.", 7) && matches("t1:2", 2) && !matches("t1:2", 3));
        assert!(
            matches("t1:0-3", 2) && !matches("t1:0-3", 3),
            "without the last"
        );
        assert!(matches(":5-", 5) && !matches(":5-", 4) && matches("t1:-3", 2));
        assert!(!matches("t:0", 0) && Rule::parse("t:x").is_err());
    }
}
