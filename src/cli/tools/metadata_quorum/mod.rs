//! `kafka-metadata-quorum.sh`: describes the quorum of controllers, and adds and removes its voters.
//!
//! - this file: its arguments, and what is done with them.
//! - `quorum`: what the cluster tells of its quorum.
//! - `status`, `replication`: what is printed of that.
//! - `controller`: what the config of a controller says, which is to be added.
//! - `voters`: voters come and go.

mod controller;
mod quorum;
mod replication;
mod status;
mod voters;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::ending::{self, Ending};
use super::exception::Exception;
use super::options::{EntryArguments, Properties};
use super::session;
use crate::client::Cluster;

const NAME: &str = "kafka-metadata-quorum.sh";

/// Describe the quorum of controllers, or change its voters.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct QuorumArguments {
    #[command(flatten)]
    entry: EntryArguments,

    #[command(subcommand)]
    command: Command,
}

/// What the tool does.
#[derive(Debug, Subcommand)]
enum Command {
    /// Tell about the quorum
    Describe(DescribeArguments),
    /// Make a controller a voter: the one whose config is given as --command-config
    AddController {
        /// Only tell what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Take a controller out of the voters
    RemoveController(RemoveArguments),
}

#[derive(Debug, Args)]
struct DescribeArguments {
    /// Tell who leads, and how far the others are behind
    #[arg(long)]
    status: bool,

    /// Tell how far each voter and observer is
    #[arg(long)]
    replication: bool,

    /// With --replication: tell how long ago things happened
    #[arg(long)]
    human_readable: bool,
}

#[derive(Debug, Args)]
struct RemoveArguments {
    /// The id of the controller
    #[arg(short = 'i', long, value_name = "ID", allow_hyphen_values = true)]
    controller_id: i32,

    /// The id of its directory
    #[arg(
        short = 'd',
        long,
        value_name = "DIRECTORY_ID",
        allow_hyphen_values = true
    )]
    controller_directory_id: String,

    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    ending::run(NAME, arguments, QuorumArguments::act)
}

impl QuorumArguments {
    fn act(&self) -> Result<(), Ending> {
        self.entry.entry()?;
        if let Some(file) = &self.entry.command_config
            && !file.exists()
        {
            return failed(format!(
                "Properties file {} does not exists!",
                file.display()
            ));
        }
        let options = self.entry.cluster("admin-client").map_err(|error| {
            // Kafka's tool prints the reason in a stack trace behind this.
            Ending::Failed(format!("Failed to create new KafkaAdminClient\n{error}"))
        })?;
        let mut cluster = Cluster::new(options);
        match &self.command {
            Command::Describe(arguments) => arguments.act(&mut cluster),
            Command::AddController { dry_run } => self.add(&mut cluster, *dry_run),
            Command::RemoveController(arguments) => arguments.act(&mut cluster),
        }
    }

    fn add(&self, cluster: &mut Cluster, is_dry: bool) -> Result<(), Ending> {
        let Some(file) = &self.entry.command_config else {
            return failed(
                "You must supply the configuration file of the controller you are adding when using add-controller."
                    .to_owned(),
            );
        };
        let controller = controller::Controller::of(&Properties::of_file(file)?)?;
        if !is_dry {
            session::run(voters::add(cluster, &controller))?;
        }
        let what = if is_dry { "DRY RUN of adding" } else { "Added" };
        writeln!(io::stdout(), "{what} controller {controller}")?;
        Ok(())
    }
}

impl DescribeArguments {
    fn act(&self, cluster: &mut Cluster) -> Result<(), Ending> {
        let wrong = |reason: &str| failed(reason.to_owned());
        match (self.status, self.replication) {
            (true, true) => wrong(
                "Only one of --status or --replication should be specified with describe sub-command",
            ),
            (false, false) => wrong(
                "One of --status or --replication must be specified with describe sub-command",
            ),
            (false, true) => {
                let quorum = session::run(quorum::describe(cluster))?;
                let text = replication::text(&quorum, self.human_readable)?;
                io::stdout().write_all(text.as_bytes())?;
                Ok(())
            }
            (true, false) if self.human_readable => {
                wrong("The option --human-readable is only supported along with --replication")
            }
            (true, false) => {
                let (id, quorum) = session::run(async {
                    let id = quorum::cluster_id(cluster).await?;
                    Ok((id, quorum::describe(cluster).await?))
                })?;
                io::stdout().write_all(status::text(&id, &quorum)?.as_bytes())?;
                Ok(())
            }
        }
    }
}

impl RemoveArguments {
    fn act(&self, cluster: &mut Cluster) -> Result<(), Ending> {
        let id = self.controller_id;
        if id < 0 {
            return failed(format!("Invalid negative --controller-id: {id}"));
        }
        let directory = super::java_uuid::parse(&self.controller_directory_id);
        let directory = directory.map_err(|reason| {
            Ending::Failed(format!(
                "Failed to parse --controller-directory-id: {reason}"
            ))
        })?;
        if !self.dry_run {
            session::run(voters::remove(cluster, id, directory))?;
        }
        let what = if self.dry_run {
            "DRY RUN of removing"
        } else {
            "Removed"
        };
        // Both blanks are Kafka's.
        writeln!(
            io::stdout(),
            "{what}  KRaft controller {id} with directory id {directory}"
        )?;
        Ok(())
    }
}

fn failed<T>(reason: String) -> Result<T, Ending> {
    Err(Ending::Failed(reason))
}

/// The ending for a call of the client that has failed.
fn of_call(error: impl Into<Exception>) -> Ending {
    Ending::Failed(error.into().to_string())
}
