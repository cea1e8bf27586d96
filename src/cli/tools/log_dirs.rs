//! `kafka-log-dirs.sh`: the log directories of brokers, and what each of them holds, as one line of JSON.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use super::admin::{accepted, exception};
use super::ending::{self, Ending, require};
use super::options::ConnectionArguments;
use super::partitions_file::shown;
use super::session;
use crate::client::{Cluster, To};
use crate::protocol::messages::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResult};

const NAME: &str = "kafka-log-dirs.sh";

/// Tell what the log directories of brokers hold.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct LogDirsArguments {
    #[command(flatten)]
    connection: ConnectionArguments,

    /// Tell of the directories
    #[arg(long)]
    describe: bool,

    /// The topics, with commas between them; all without
    #[arg(long, value_name = "LIST", default_value = "")]
    topic_list: String,

    /// The ids of the brokers, with commas between them; all without
    #[arg(long, value_name = "LIST", default_value = "")]
    broker_list: String,
}

// The order of the fields is that of Kafka's tool.

#[derive(Debug, Serialize)]
struct Told {
    brokers: Vec<ToldBroker>,
    version: i32,
}

#[derive(Debug, Serialize)]
struct ToldBroker {
    broker: i32,
    #[serde(rename = "logDirs")]
    log_dirs: Vec<ToldDirectory>,
}

#[derive(Debug, Serialize)]
struct ToldDirectory {
    partitions: Vec<ToldPartition>,
    error: Option<String>,
    #[serde(rename = "logDir")]
    log_dir: String,
}

#[derive(Debug, Serialize)]
struct ToldPartition {
    partition: String,
    size: i64,
    #[serde(rename = "offsetLag")]
    offset_lag: i64,
    #[serde(rename = "isFuture")]
    is_future: bool,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    ending::run(NAME, arguments, LogDirsArguments::act)
}

impl LogDirsArguments {
    fn act(&self) -> Result<(), Ending> {
        self.connection.require()?;
        require("describe", self.describe)?;
        let topics: BTreeSet<&str> = parts(&self.topic_list).collect();
        let wanted: BTreeSet<i32> = parts(&self.broker_list)
            .map(|text| {
                let number = text.parse();
                number.map_err(|_| Ending::Failed(format!("For input string: \"{text}\"")))
            })
            .collect::<Result<_, _>>()?;
        let mut cluster = Cluster::new(self.connection.cluster("log-dirs-tool")?);
        session::run(async {
            cluster.refresh(Some(&[]), false).await?;
            let there: BTreeSet<i32> = cluster.node_ids().collect();
            let missing: BTreeSet<i32> = wanted.difference(&there).copied().collect();
            if !missing.is_empty() {
                return Err(Ending::Failed(format!(
                    "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
                    listed(&missing),
                    listed(&there)
                )));
            }
            let asked = if wanted.is_empty() { there } else { wanted };
            writeln!(
                io::stdout(),
                "Querying brokers for log directories information"
            )?;
            let mut brokers = Vec::new();
            for broker in &asked {
                let all = DescribeLogDirsRequest { topics: None };
                let answer = cluster.ask(To::Node(*broker), &all).await?;
                accepted(answer.error_code, None)?;
                let directory = |found| told_directory(found, &topics);
                brokers.push(ToldBroker {
                    broker: *broker,
                    log_dirs: answer.results.iter().map(directory).collect(),
                });
            }
            let brokers_asked = listed(&asked);
            writeln!(
                io::stdout(),
                "Received log directory information from brokers {brokers_asked}"
            )?;
            let told = Told {
                brokers,
                version: 1,
            };
            let text = serde_json::to_string(&told);
            let text = text.map_err(|error| Ending::Failed(error.to_string()))?;
            writeln!(io::stdout(), "{text}")?;
            Ok(())
        })
    }
}

fn told_directory(found: &DescribeLogDirsResult, topics: &BTreeSet<&str>) -> ToldDirectory {
    let is_meant = |name: &str| topics.is_empty() || topics.contains(name);
    let mut partitions = Vec::new();
    for topic in found.topics.iter().filter(|it| is_meant(&it.name)) {
        partitions.extend(topic.partitions.iter().map(|it| ToldPartition {
            partition: shown(&(topic.name.clone(), it.partition_index)),
            size: it.partition_size,
            offset_lag: it.offset_lag,
            is_future: it.is_future_key,
        }));
    }
    let code = found.error_code;
    ToldDirectory {
        partitions,
        error: code.is_error().then(|| exception(code)),
        log_dir: found.log_dir.to_string(),
    }
}

fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|part| !part.is_empty())
}

fn listed(ids: &BTreeSet<i32>) -> String {
    let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
    ids.join(",")
}
