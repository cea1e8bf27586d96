//! `kafka-delete-records.sh`: moves the beginning of partitions, so that the records before it are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use super::admin::{exception, timeout_ms};
use super::ending::{self, Ending, require};
use super::java_order::repeated;
use super::options::ConnectionArguments;
use super::partitions_file::{PartitionsFile, joined, shown};
use super::session;
use crate::client::{Attempts, Cluster, ClusterError, ErrorClass, PartitionKey};
use crate::protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use crate::protocol::{ErrorCode, Str};

const NAME: &str = "kafka-delete-records.sh";

/// Delete the records of partitions that are before an offset.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct DeleteRecordsArguments {
    #[command(flatten)]
    connection: ConnectionArguments,

    /// A file that says up to where: {"partitions": [{"topic": "foo", "partition": 1, "offset": 1}], "version": 1};
    /// offset -1 for all records
    #[arg(long, value_name = "FILE")]
    offset_json_file: Option<String>,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    ending::run(NAME, arguments, DeleteRecordsArguments::act)
}

impl DeleteRecordsArguments {
    fn act(&self) -> Result<(), Ending> {
        self.connection.require()?;
        require("offset-json-file", self.offset_json_file.is_some())?;
        let path = self.offset_json_file.as_deref().unwrap_or_default();
        let wanted = wanted(path)?;
        let mut cluster = Cluster::new(self.connection.cluster("admin-client")?);
        session::run(async {
            writeln!(io::stdout(), "Executing records delete operation")?;
            let outcomes = delete(&mut cluster, wanted).await?;
            writeln!(io::stdout(), "Records delete operation completed:")?;
            for (key, outcome) in outcomes {
                let key = shown(&key);
                match outcome {
                    Ok(start) => {
                        writeln!(io::stdout(), "partition: {key}\tlow_watermark: {start}")?;
                    }
                    Err(code) => {
                        let (class, message) = (exception(code), code.message());
                        writeln!(io::stdout(), "partition: {key}\terror: {class}: {message}")?;
                    }
                }
            }
            Ok(())
        })
    }
}

/// The offsets in the file.
fn wanted(path: &str) -> Result<BTreeMap<PartitionKey, i64>, Ending> {
    let file = PartitionsFile::read(path, "The input string is not a valid JSON")?;
    let version = file.version()?;
    if version != 1 {
        return Err(Ending::Failed(format!(
            "Not supported version field value {version}"
        )));
    }
    let entries = file.entries("Missing partitions field")?;
    let offset =
        |entry: &super::partitions_file::Entry<'_>| -> Result<(PartitionKey, i64), Ending> {
            Ok((entry.key()?, entry.long("offset")?))
        };
    let offsets: Vec<(PartitionKey, i64)> = entries.iter().map(offset).collect::<Result<_, _>>()?;
    let repeated = repeated(offsets.iter().map(|(key, _)| key));
    if !repeated.is_empty() {
        return Err(Ending::Failed(format!(
            "Offset json file contains duplicate topic partitions: {}",
            joined(repeated, ",")
        )));
    }
    Ok(offsets.into_iter().collect())
}

/// The first offset of each partition after the deletion, or why it was refused.
type Outcomes = BTreeMap<PartitionKey, Result<i64, ErrorCode>>;

/// Asks the leaders, and again where an error may pass, until the time of a call is over.
async fn delete(
    cluster: &mut Cluster,
    mut wanted: BTreeMap<PartitionKey, i64>,
) -> Result<Outcomes, ClusterError> {
    let mut attempts = Attempts::until(cluster.deadline());
    let mut outcomes = Outcomes::new();
    let mut last = BTreeMap::new();
    loop {
        let topics: BTreeSet<Str> = wanted.keys().map(|key| key.0.clone()).collect();
        let topics: Vec<Str> = topics.into_iter().collect();
        cluster.refresh(Some(&topics), false).await?;
        let leaderless = wanted
            .keys()
            .filter(|key| cluster.leader(&key.0, key.1).is_none());
        last.extend(leaderless.map(|key| (key.clone(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)));
        for (leader, keys) in cluster.by_leader(wanted.keys()) {
            let request = request(&keys, &wanted, timeout_ms(cluster));
            let Some(answer) = cluster.ask_leader(leader, &request).await? else {
                let unanswered = keys.into_iter();
                last.extend(unanswered.map(|key| (key, ErrorCode::NETWORK_EXCEPTION)));
                continue;
            };
            for (key, outcome) in results(answer) {
                let may_pass = |code: ErrorCode| ErrorClass::of(code) != ErrorClass::Fatal;
                if let Some(code) = outcome.err().filter(|code| may_pass(*code)) {
                    last.insert(key, code);
                } else {
                    wanted.remove(&key);
                    outcomes.insert(key, outcome);
                }
            }
        }
        let pause = attempts.pause(Instant::now());
        let Some(pause) = pause.filter(|_| !wanted.is_empty()) else {
            let given_up = wanted.into_keys().map(|key| {
                let code = last.get(&key).copied();
                (key, Err(code.unwrap_or(ErrorCode::REQUEST_TIMED_OUT)))
            });
            outcomes.extend(given_up);
            return Ok(outcomes);
        };
        tokio::time::sleep(pause).await;
    }
}

fn request(
    keys: &[PartitionKey],
    wanted: &BTreeMap<PartitionKey, i64>,
    timeout_ms: i32,
) -> DeleteRecordsRequest {
    let mut topics: BTreeMap<Str, Vec<DeleteRecordsPartition>> = BTreeMap::new();
    for key in keys {
        let partition = DeleteRecordsPartition {
            partition_index: key.1,
            offset: wanted[key],
        };
        topics.entry(key.0.clone()).or_default().push(partition);
    }
    let topic = |(name, partitions)| DeleteRecordsTopic { name, partitions };
    DeleteRecordsRequest {
        topics: topics.into_iter().map(topic).collect(),
        timeout_ms,
    }
}

fn results(
    answer: DeleteRecordsResponse,
) -> impl Iterator<Item = (PartitionKey, Result<i64, ErrorCode>)> {
    answer.topics.into_iter().flat_map(|topic| {
        topic.partitions.into_iter().map(move |it| {
            let outcome = match it.error_code {
                ErrorCode::NONE => Ok(it.low_watermark),
                code => Err(code),
            };
            ((topic.name.clone(), it.partition_index), outcome)
        })
    })
}
