//! `kafka-reassign-partitions.sh`: moves partitions to other brokers, and replicas to other log directories.
//!
//! - this file: its arguments, and what is done with them.
//! - `check`: which of the arguments go together.
//! - `failure`: how the tool tells that something failed.
//! - `wanted`: the file that says which replicas partitions shall have.
//! - `placed`: where replicas are.
//! - `moving`: the moves between brokers that are under way; how they begin and end. `--list`.
//! - `directories`: the moves between log directories.
//! - `throttles`: how fast moves may be.
//! - `generate`, `execute`, `verify`, `cancel`: the other actions.

mod cancel;
mod check;
mod directories;
mod execute;
mod failure;
mod generate;
mod moving;
mod placed;
mod throttles;
mod verify;
mod wanted;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;

use super::ending::{self, Ending};
use super::options::EntryArguments;
use super::session;
use crate::client::Cluster;
use check::Action;
use execute::Execution;
use failure::Failure;

const NAME: &str = "kafka-reassign-partitions.sh";
/// How long moves between directories may take to begin, unless something else is said.
const TIMEOUT_MS: i64 = 10_000;
/// The rate that is none.
const NO_LIMIT: i64 = -1;

/// Move partitions to other brokers, and replicas to other log directories.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct ReassignArguments {
    #[command(flatten)]
    entry: EntryArguments,

    /// Propose replicas for all partitions of some topics on some brokers; nothing moves
    #[arg(long)]
    generate: bool,

    /// Begin the moves that a file asks for
    #[arg(long)]
    execute: bool,

    /// Tell how far the moves are that a file asks for, and end their throttles when all are done
    #[arg(long)]
    verify: bool,

    /// Cancel the moves that a file asks for
    #[arg(long)]
    cancel: bool,

    /// List all moves that are under way
    #[arg(long)]
    list: bool,

    /// The file that says which replicas partitions shall have: {"partitions": [{"topic": "foo", "partition": 1,
    /// "replicas": [1, 2], "log_dirs": ["any", "/data/2"]}, ...], "version": 1}. Without log_dirs, or with any
    /// for a replica, it may be in any directory
    #[arg(long, value_name = "FILE")]
    reassignment_json_file: Option<String>,

    /// With --generate: the file that names the topics: {"topics": [{"topic": "foo"}, ...], "version": 1}
    #[arg(long, value_name = "FILE")]
    topics_to_move_json_file: Option<String>,

    /// With --generate: the ids of the brokers, with commas between them
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    broker_list: Option<String>,

    /// With --generate: don't look at racks
    #[arg(long)]
    disable_rack_aware: bool,

    /// With --execute: how many bytes a second brokers may replicate for moves. It holds until --verify finds all
    /// moves done. To change it, execute the same again with --additional
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    throttle: Option<String>,

    /// With --execute: how many bytes a second a broker may copy between its directories
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    replica_alter_log_dirs_throttle: Option<String>,

    /// How long moves between directories may take to begin, in ms: 10000 if this is not said
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    timeout: Option<String>,

    /// With --execute: even if other moves are under way
    #[arg(long)]
    additional: bool,

    /// With --verify or --cancel: leave throttles as they are
    #[arg(long)]
    preserve_throttles: bool,

    /// With --execute: refuse what would give a partition more or fewer replicas
    #[arg(long)]
    disallow_replication_factor_change: bool,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    if arguments.len() == 1 {
        let about = "This tool helps to move topic partitions between replicas.";
        return Ending::Usage(about.to_owned()).tell(NAME);
    }
    let words = arguments.clone();
    let arguments: ReassignArguments = match ending::parse(arguments) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let action = match arguments.check(&words) {
        Ok(action) => action,
        Err(error) => return error.tell(NAME),
    };
    match arguments.act(action) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

impl ReassignArguments {
    fn act(&self, action: Action) -> Result<(), Failure> {
        let mut cluster = self.cluster()?;
        let text = self.text()?;
        // The runtime's own failures are the only ones that come as an ending.
        session::run(async { Ok(self.act_on(&mut cluster, action, &text).await) })?
    }

    async fn act_on(
        &self,
        cluster: &mut Cluster,
        action: Action,
        text: &str,
    ) -> Result<(), Failure> {
        match action {
            Action::List => moving::print(cluster).await,
            Action::Verify => verify::verify(cluster, text, self.preserve_throttles).await,
            Action::Cancel => {
                let timeout_ms = self.timeout_ms()?;
                cancel::cancel(cluster, text, self.preserve_throttles, timeout_ms).await
            }
            Action::Generate => {
                let brokers = self.broker_list.as_deref().unwrap_or_default();
                generate::generate(cluster, text, brokers, !self.disable_rack_aware).await
            }
            Action::Execute => execute::execute(cluster, text, self.execution()?).await,
        }
    }

    fn execution(&self) -> Result<Execution, Failure> {
        let rate = number("throttle", self.throttle.as_ref())?;
        let directory_rate = self.replica_alter_log_dirs_throttle.as_ref();
        let directory_rate = number("replica-alter-log-dirs-throttle", directory_rate)?;
        Ok(Execution {
            is_additional: self.additional,
            rate: rate.unwrap_or(NO_LIMIT),
            directory_rate: directory_rate.unwrap_or(NO_LIMIT),
            timeout_ms: self.timeout_ms()?,
            allows_other_factor: !self.disallow_replication_factor_change,
        })
    }

    fn timeout_ms(&self) -> Result<i64, Failure> {
        let timeout_ms = number("timeout", self.timeout.as_ref())?;
        Ok(timeout_ms.unwrap_or(TIMEOUT_MS))
    }

    fn cluster(&self) -> Result<Cluster, Failure> {
        if let Some(file) = &self.entry.command_config
            && !file.exists()
        {
            return Err(Failure::Error(file.display().to_string()));
        }
        let options = self.entry.cluster("reassign-partitions-tool");
        let options = options.map_err(|error| {
            // The reason goes where Kafka's tool prints its stack trace. If it can't be told there, so be it.
            let _ = writeln!(io::stderr(), "{error}");
            Failure::Error("Failed to create new KafkaAdminClient".to_owned())
        })?;
        Ok(Cluster::new(options))
    }

    /// What is in the file that the action is about; nothing without one.
    fn text(&self) -> Result<String, Failure> {
        let files = [&self.reassignment_json_file, &self.topics_to_move_json_file];
        let Some(path) = files.into_iter().flatten().next() else {
            return Ok(String::new());
        };
        fs::read_to_string(path).map_err(|_| Failure::Error(format!("Unable to read file {path}")))
    }
}

/// A number among the arguments.
fn number(name: &str, text: Option<&String>) -> Result<Option<i64>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let number = text.parse().map(Some);
    number.map_err(|_| Failure::Error(format!("Cannot parse argument '{text}' of option {name}")))
}
