//! What the arguments of the console consumer say of what is read, and how.

use std::time::Duration;

use super::ConsumerArguments;
use crate::cli::tools::client_settings;
use crate::cli::tools::ending::Ending;
use crate::cli::tools::options::Properties;
use crate::client::{ClusterOptions, ConsumerSettings, GroupSettings, Start, Subscription};
use crate::protocol::Str;

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
            consumer: client_settings::consumer(
                &properties,
                arguments.isolation_level.as_deref(),
                reset(arguments, &properties)?,
            )?,
            what: what(arguments, &properties, group)?,
            most: most.map(i64::unsigned_abs),
            patience: patience.map(|ms| Duration::from_millis(ms.unsigned_abs())),
            skips_errors: arguments.skip_message_on_error,
            metadata_age: client_settings::milliseconds(
                &properties,
                "metadata.max.age.ms",
                client_settings::METADATA_AGE_MS,
            )?,
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
    if let (Some(topic), Some(partition)) = (&arguments.topic, arguments.partition) {
        let topic = Str::copy_from(topic);
        return Ok(What::Partition(topic, partition, start(arguments)?));
    }
    let subscription =
        client_settings::subscription(arguments.topic.as_deref(), arguments.include.as_deref())?;
    let Some(group) = group else {
        return Ok(What::All(subscription));
    };
    let settings = client_settings::group(properties, group, subscription)?;
    Ok(What::Share(settings))
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
