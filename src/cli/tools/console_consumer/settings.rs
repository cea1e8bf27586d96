//! What the arguments of the console consumer say of what is read, and how.

use std::time::Duration;

use regex::Regex;

use super::ConsumerArguments;
use crate::cli::tools::ending::Ending;
use crate::cli::tools::options::Properties;
use crate::client::{
    Assignor, ClusterOptions, ConsumerSettings, GroupSettings, Start, Subscription,
};
use crate::protocol::Str;

/// Kafka's defaults, in ms and bytes.
const MAX_WAIT_MS: u64 = 500;
const MAX_BYTES: u64 = 52_428_800;
const PARTITION_MAX_BYTES: u64 = 1_048_576;
const SESSION_TIMEOUT_MS: u64 = 45_000;
const HEARTBEAT_INTERVAL_MS: u64 = 3_000;
const MAX_POLL_INTERVAL_MS: u64 = 300_000;
const COMMIT_INTERVAL_MS: u64 = 5_000;
const METADATA_AGE_MS: u64 = 300_000;

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) cluster: ClusterOptions,
    pub(super) consumer: ConsumerSettings,
    pub(super) what: What,
    /// How many records to read; all that come without.
    pub(super) most: Option<u64>,
    /// How long to wait for a record; without an end if not said.
    pub(super) patience: Option<Duration>,
    pub(super) skips_errors: bool,
    /// How soon new topics and partitions are seen.
    pub(super) metadata_age: Duration,
}

/// What is read.
#[derive(Debug)]
pub(super) enum What {
    /// One partition.
    Partition(Str, i32, Start),
    /// All partitions of topics, by this member alone.
    All(Subscription),
    /// A member's share.
    Share(GroupSettings),
}

impl Plan {
    /// The plan that the arguments and the settings make.
    ///
    /// # Errors
    /// A value is none, or two contradict each other.
    pub(super) fn of(arguments: &ConsumerArguments) -> Result<Self, Ending> {
        let files = [&arguments.command_config, &arguments.consumer_config];
        let from_file = match files.into_iter().flatten().next() {
            Some(file) => Properties::of_file(file)?,
            None => Properties::default(),
        };
        let mut given = Properties::default();
        given.add(&arguments.consumer_property);
        given.add(&arguments.command_property);
        let group = group(arguments, &from_file, &given)?;
        let mut properties = from_file;
        properties.add(&arguments.consumer_property);
        properties.add(&arguments.command_property);

        let servers = arguments.bootstrap_server.as_deref().unwrap_or_default();
        let most = arguments.max_messages.filter(|count| *count >= 0);
        let patience = arguments.timeout_ms.filter(|ms| *ms >= 0);
        Ok(Self {
            cluster: properties.cluster(servers, "console-consumer")?,
            consumer: consumer(arguments, &properties)?,
            what: what(arguments, &properties, group)?,
            most: most.map(i64::unsigned_abs),
            patience: patience.map(|ms| Duration::from_millis(ms.unsigned_abs())),
            skips_errors: arguments.skip_message_on_error,
            metadata_age: milliseconds(&properties, "metadata.max.age.ms", METADATA_AGE_MS)?,
        })
    }
}

/// The group, which is the same wherever it is said.
fn group(
    arguments: &ConsumerArguments,
    from_file: &Properties,
    given: &Properties,
) -> Result<Option<String>, Ending> {
    let said = [
        arguments.group.as_deref(),
        from_file.get("group.id"),
        given.get("group.id"),
    ];
    let mut groups: Vec<&str> = said.into_iter().flatten().collect();
    groups.sort_unstable();
    groups.dedup();
    if groups.len() > 1 {
        let all: Vec<String> = groups.iter().map(|group| format!("'{group}'")).collect();
        return Err(Ending::Usage(format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or \
             via '--consumer.config') do not match. Detected group ids: {}",
            all.join(", ")
        )));
    }
    if !groups.is_empty() && arguments.partition.is_some() {
        let reason = "Options group and partition cannot be specified together.";
        return Err(Ending::Usage(reason.to_owned()));
    }
    Ok(groups.first().map(|group| (*group).to_owned()))
}

fn what(
    arguments: &ConsumerArguments,
    properties: &Properties,
    group: Option<String>,
) -> Result<What, Ending> {
    let topic = arguments.topic.as_deref().map(Str::copy_from);
    if let (Some(topic), Some(partition)) = (&topic, arguments.partition) {
        return Ok(What::Partition(topic.clone(), partition, start(arguments)?));
    }
    let subscription = match topic {
        Some(topic) => Subscription::Topics(vec![topic]),
        None => {
            let expression = arguments.include.as_deref().unwrap_or_default();
            let pattern = Regex::new(&format!("^(?:{expression})$"));
            let invalid = |_| Ending::Failed(format!("{expression} is an invalid regex."));
            Subscription::Pattern(pattern.map_err(invalid)?)
        }
    };
    let Some(group) = group else {
        return Ok(What::All(subscription));
    };
    let time = |key, usual| milliseconds(properties, key, usual);
    let commits = properties.is_true("enable.auto.commit").unwrap_or(true);
    let interval = time("auto.commit.interval.ms", COMMIT_INTERVAL_MS)?;
    Ok(What::Share(GroupSettings {
        group,
        instance: properties.get("group.instance.id").map(str::to_owned),
        session_timeout: time("session.timeout.ms", SESSION_TIMEOUT_MS)?,
        rebalance_timeout: time("max.poll.interval.ms", MAX_POLL_INTERVAL_MS)?,
        heartbeat_interval: time("heartbeat.interval.ms", HEARTBEAT_INTERVAL_MS)?,
        commit_interval: commits.then_some(interval),
        metadata_age: time("metadata.max.age.ms", METADATA_AGE_MS)?,
        assignors: assignors(properties)?,
        subscription,
    }))
}

fn assignors(properties: &Properties) -> Result<Vec<Assignor>, Ending> {
    let usual = "range,cooperative-sticky";
    let names = properties
        .get("partition.assignment.strategy")
        .unwrap_or(usual);
    let assignor = |name: &str| {
        let unknown = || {
            Ending::Failed(format!(
                "{name} is an assignor that this tool does not know"
            ))
        };
        Assignor::of(name).ok_or_else(unknown)
    };
    names.split(',').map(assignor).collect()
}

fn consumer(
    arguments: &ConsumerArguments,
    properties: &Properties,
) -> Result<ConsumerSettings, Ending> {
    let number = |key, usual| -> Result<i32, Ending> {
        let number = properties.number(key)?.unwrap_or(usual);
        Ok(i32::try_from(number).unwrap_or(i32::MAX))
    };
    let level = arguments.isolation_level.as_deref();
    let level = level.or(properties.get("isolation.level"));
    let is_committed_only = match level
        .unwrap_or("read_uncommitted")
        .to_ascii_lowercase()
        .as_str()
    {
        "read_uncommitted" => false,
        "read_committed" => true,
        other => {
            return Err(Ending::Failed(format!(
                "Invalid value {other} for configuration isolation.level: String must be one of: read_committed, \
                 read_uncommitted"
            )));
        }
    };
    Ok(ConsumerSettings {
        is_committed_only,
        reset: reset(arguments, properties)?,
        max_wait: milliseconds(properties, "fetch.max.wait.ms", MAX_WAIT_MS)?,
        min_bytes: number("fetch.min.bytes", 1)?,
        max_bytes: number("fetch.max.bytes", MAX_BYTES)?,
        partition_max_bytes: number("max.partition.fetch.bytes", PARTITION_MAX_BYTES)?,
    })
}

/// Where to begin without a position.
fn reset(arguments: &ConsumerArguments, properties: &Properties) -> Result<Option<Start>, Ending> {
    let begins = arguments.from_beginning;
    match properties.get("auto.offset.reset") {
        Some("earliest") => Ok(Some(Start::Earliest)),
        Some(other) if begins => Err(Ending::Failed(format!(
            "Can't simultaneously specify --from-beginning and 'auto.offset.reset={other}', please remove one option"
        ))),
        None if begins => Ok(Some(Start::Earliest)),
        None | Some("latest") => Ok(Some(Start::Latest)),
        Some("none") => Ok(None),
        Some(other) => Err(Ending::Failed(format!(
            "Invalid value {other} for configuration auto.offset.reset: it is one of earliest, latest and none"
        ))),
    }
}

/// Where to begin in the one partition.
fn start(arguments: &ConsumerArguments) -> Result<Start, Ending> {
    let Some(text) = arguments.offset.as_deref() else {
        let begins = arguments.from_beginning;
        return Ok(if begins {
            Start::Earliest
        } else {
            Start::Latest
        });
    };
    match text.to_ascii_lowercase().as_str() {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        number => {
            let offset = number.parse().ok().filter(|offset| *offset >= 0);
            offset.map(Start::At).ok_or_else(|| {
                Ending::Usage(format!(
                    "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a \
                     non-negative long."
                ))
            })
        }
    }
}

fn milliseconds(properties: &Properties, key: &str, usual: u64) -> Result<Duration, Ending> {
    Ok(Duration::from_millis(
        properties.number(key)?.unwrap_or(usual),
    ))
}
