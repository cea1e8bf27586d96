//! `kafka-leader-election.sh`: lets partitions be led by their first replicas again, or, where nobody can lead,
//! by one that may lack records.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use super::admin::{exception, not_controller, timeout_ms};
use super::ending::{self, Ending, exclude};
use super::java_order::repeated;
use super::options::Properties;
use super::partitions_file::{PartitionsFile, joined, shown};
use super::session;
use crate::client::{Cluster, ClusterError, PartitionKey, To};
use crate::protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, TopicPartitions,
};
use crate::protocol::{ErrorCode, Str};

const NAME: &str = "kafka-leader-election.sh";

/// Elect leaders of partitions.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct ElectionArguments {
    /// The nodes to ask first, HOST:PORT and separated by commas
    #[arg(long, value_name = "SERVERS")]
    bootstrap_server: Option<String>,

    /// Read settings of the client from this file of properties
    #[arg(long, value_name = "FILE")]
    command_config: Option<PathBuf>,

    /// The same, by its old name
    #[arg(long = "admin.config", value_name = "FILE")]
    admin_config: Option<PathBuf>,

    /// preferred: the first replica leads, if it is in sync; unclean: where nobody leads, a replica does that
    /// may lack records
    #[arg(long, value_name = "TYPE")]
    election_type: Option<String>,

    /// A file that names partitions: {"partitions": [{"topic": "foo", "partition": 1}, ...]}
    #[arg(long, value_name = "FILE")]
    path_to_json_file: Option<String>,

    /// The topic of one partition
    #[arg(long)]
    topic: Option<String>,

    /// The number of one partition
    #[arg(long, value_name = "ID")]
    partition: Option<String>,

    /// All partitions for which there is something to be done
    #[arg(long)]
    all_topic_partitions: bool,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    ending::run(NAME, arguments, ElectionArguments::act)
}

/// How the leaders are chosen.
#[derive(Clone, Copy, Debug)]
enum ElectionType {
    Preferred,
    Unclean,
}

impl ElectionType {
    fn of(text: &str) -> Result<Self, Ending> {
        match text.to_ascii_lowercase().as_str() {
            "preferred" => Ok(Self::Preferred),
            "unclean" => Ok(Self::Unclean),
            _ => Err(unreadable(text, "election-type")),
        }
    }

    /// Its number in requests.
    fn code(self) -> i8 {
        match self {
            Self::Preferred => 0,
            Self::Unclean => 1,
        }
    }

    fn shown(self) -> &'static str {
        match self {
            Self::Preferred => "PREFERRED",
            Self::Unclean => "UNCLEAN",
        }
    }
}

fn unreadable(text: &str, option: &str) -> Ending {
    Ending::Failed(format!("Cannot parse argument '{text}' of option {option}"))
}

fn missing(options: &[&str]) -> Ending {
    Ending::Failed(format!(
        "Missing required option(s): {}",
        options.join(", ")
    ))
}

impl ElectionArguments {
    fn act(&self) -> Result<(), Ending> {
        let partition = self.partition.as_deref().map(|text| {
            let number = text.parse::<i32>();
            number.map_err(|_| unreadable(text, "partition"))
        });
        let partition = partition.transpose()?;
        self.check()?;
        let election = ElectionType::of(self.election_type.as_deref().unwrap_or_default())?;
        let partitions = match (&self.path_to_json_file, &self.topic, partition) {
            (Some(path), _, _) => Some(of_file(path)?),
            (None, Some(topic), Some(partition)) => Some(vec![(Str::copy_from(topic), partition)]),
            _ => None,
        };
        if self.admin_config.is_some() {
            writeln!(
                io::stdout(),
                "Option --admin.config has been deprecated and will be removed in a future version. Use \
                 --command-config instead."
            )?;
        }
        let file = self
            .command_config
            .as_deref()
            .or(self.admin_config.as_deref());
        let mut properties = file.map_or_else(|| Ok(Properties::default()), Properties::of_file)?;
        properties.add_missing("default.api.timeout.ms", "30000");
        properties.add_missing("request.timeout.ms", "15000");
        let servers = self.bootstrap_server.as_deref().unwrap_or_default();
        let mut cluster = Cluster::new(properties.cluster(servers, "admin-client")?);
        session::run(async {
            let answer = elect(&mut cluster, election, partitions).await?;
            tell(answer, election)
        })
    }

    /// Checks which arguments go together, in Kafka's order.
    fn check(&self) -> Result<(), Ending> {
        let required = [
            ("bootstrap-server", self.bootstrap_server.is_some()),
            ("election-type", self.election_type.is_some()),
        ];
        let absent = required.iter().filter(|(_, is_there)| !is_there);
        let absent: Vec<&str> = absent.map(|(name, _)| *name).collect();
        if !absent.is_empty() {
            return Err(missing(&absent));
        }
        exclude(
            ("admin.config", self.admin_config.is_some()),
            &[("command-config", self.command_config.is_some())],
        )?;
        let ways = [
            self.topic.is_some(),
            self.all_topic_partitions,
            self.path_to_json_file.is_some(),
        ];
        if ways.iter().filter(|is_there| **is_there).count() != 1 {
            return Err(Ending::Failed(
                "One and only one of the following options is required: topic, all-topic-partitions, \
                 path-to-json-file"
                    .to_owned(),
            ));
        }
        match (&self.topic, &self.partition) {
            (Some(_), None) => Err(missing(&["partition"])),
            (None, Some(_)) => {
                let reason = "Option partition is only allowed if topic is used";
                Err(Ending::Failed(reason.to_owned()))
            }
            _ => Ok(()),
        }
    }
}

/// The partitions in the file.
fn of_file(path: &str) -> Result<Vec<PartitionKey>, Ending> {
    let file = PartitionsFile::read(path, "Replica election data is empty")?;
    let entries = file.entries("Replica election data is missing \"partitions\" field")?;
    let keys: Vec<PartitionKey> = entries
        .iter()
        .map(super::partitions_file::Entry::key)
        .collect::<Result<_, _>>()?;
    let repeated = repeated(keys.iter());
    if !repeated.is_empty() {
        return Err(Ending::Failed(format!(
            "Replica election data contains duplicate partitions: [{}]",
            joined(repeated, ", ")
        )));
    }
    Ok(keys)
}

async fn elect(
    cluster: &mut Cluster,
    election: ElectionType,
    partitions: Option<Vec<PartitionKey>>,
) -> Result<ElectLeadersResponse, Ending> {
    let topics = partitions.map(|keys| {
        let mut topics: BTreeMap<Str, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in keys {
            topics.entry(topic).or_default().push(partition);
        }
        let topic = |(topic, partitions)| TopicPartitions { topic, partitions };
        topics.into_iter().map(topic).collect()
    });
    let request = ElectLeadersRequest {
        election_type: election.code(),
        topic_partitions: topics,
        timeout_ms: timeout_ms(cluster),
    };
    let asked = cluster.ask_until(To::Controller, &request, |answer| {
        not_controller(std::iter::once(answer.error_code))
    });
    let answer = match asked.await {
        Ok(answer) => answer,
        Err(ClusterError::TimedOut { .. }) => {
            return told("Timeout waiting for election results");
        }
        Err(error) => return Err(error.into()),
    };
    match answer.error_code {
        ErrorCode::NONE => Ok(answer),
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED => {
            told("Not authorized to perform leader election")
        }
        code => {
            let (class, message) = (exception(code), code.message());
            Err(Ending::Failed(format!("{class}: {message}")))
        }
    }
}

/// Kafka's tool says this twice, once for whoever reads its output.
fn told<T>(reason: &str) -> Result<T, Ending> {
    writeln!(io::stdout(), "{reason}")?;
    Err(Ending::Failed(reason.to_owned()))
}

/// Says what became of each partition.
fn tell(answer: ElectLeadersResponse, election: ElectionType) -> Result<(), Ending> {
    let (mut elected, mut led, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for topic in answer.replica_election_results {
        for result in topic.partition_result {
            let key = shown(&(topic.topic.clone(), result.partition_id));
            match result.error_code {
                ErrorCode::NONE => elected.push(key),
                ErrorCode::ELECTION_NOT_NEEDED => led.push(key),
                code => failed.push((key, code, result.error_message)),
            }
        }
    }
    let mut output = io::stdout().lock();
    let election = election.shown();
    if !elected.is_empty() {
        let partitions = elected.join(", ");
        writeln!(
            output,
            "Successfully completed leader election ({election}) for partitions {partitions}"
        )?;
    }
    if !led.is_empty() {
        let partitions = led.join(", ");
        writeln!(
            output,
            "Valid replica already elected for partitions {partitions}"
        )?;
    }
    for (key, code, message) in &failed {
        let class = exception(*code);
        let message = message.as_deref().unwrap_or(code.message());
        writeln!(
            output,
            "Error completing leader election ({election}) for partition: {key}: {class}: {message}"
        )?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    let count = failed.len();
    Err(Ending::Failed(format!(
        "{count} replica(s) could not be elected"
    )))
}
