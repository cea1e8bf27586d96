//! `kafka-features.sh`: which features a cluster has at which level, and changes of these levels.
//!
//! - this file: its arguments, and what is done with them.
//! - `describe`: the levels that a node serves, and those that the cluster is at.
//! - `update`: upgrades, downgrades and disables features.

mod describe;
mod update;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::ending::{self, Ending};
use super::options::EntryArguments;
use super::{releases, session};
use crate::client::Cluster;
use update::{Action, Update};

const NAME: &str = "kafka-features.sh";

/// Tell or change the levels of the features of a cluster.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct FeaturesArguments {
    #[command(flatten)]
    connection: EntryArguments,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell which levels are served, and at which the cluster is
    Describe {
        /// Ask the node with this id
        #[arg(long, value_name = "ID", allow_negative_numbers = true)]
        node_id: Option<i32>,
    },
    /// Raise the levels of features
    Upgrade(Levels),
    /// Lower the levels of features
    Downgrade {
        #[command(flatten)]
        levels: Levels,

        /// Do it even if metadata may be lost for good
        #[arg(long)]
        r#unsafe: bool,
    },
    /// Lower the levels of features to 0
    Disable {
        /// A feature; may be given many times
        #[arg(long, value_name = "NAME")]
        feature: Vec<String>,

        /// Do it even if metadata may be lost for good
        #[arg(long)]
        r#unsafe: bool,

        /// Only tell whether it could be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Tell which levels belong to a release
    VersionMapping {
        /// The release, such as 4.0 or 4.0-IV3; the newest without
        #[arg(long, value_name = "RELEASE")]
        release_version: Option<String>,
    },
    /// Tell which other features a level of a feature needs
    FeatureDependencies {
        /// The feature and its level; may be given many times
        #[arg(long, value_name = "NAME=LEVEL", required = true)]
        feature: Vec<String>,
    },
}

/// Which features shall have which levels.
#[derive(Debug, Args)]
struct Levels {
    /// The level of metadata.version, as a release. It is the same as --feature metadata.version=LEVEL
    #[arg(long, value_name = "RELEASE")]
    metadata: Option<String>,

    /// All features at the levels of this release
    #[arg(long, value_name = "RELEASE")]
    release_version: Option<String>,

    /// A feature and its level; may be given many times
    #[arg(long, value_name = "NAME=LEVEL")]
    feature: Vec<String>,

    /// Only tell whether it could be done
    #[arg(long)]
    dry_run: bool,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    ending::run(NAME, arguments, FeaturesArguments::act)
}

impl FeaturesArguments {
    fn act(&self) -> Result<(), Ending> {
        match &self.command {
            Command::VersionMapping { release_version } => {
                return releases::tell_mapping(release_version.as_deref());
            }
            Command::FeatureDependencies { feature } => {
                return tell_dependencies(feature);
            }
            _ => {}
        }
        self.connection.entry().map_err(command_line)?;
        let mut cluster = Cluster::new(self.connection.cluster("admin-client")?);
        session::run(self.command.act_on(&mut cluster))
    }
}

impl Command {
    async fn act_on(&self, cluster: &mut Cluster) -> Result<(), Ending> {
        let update = match self {
            Self::Describe { node_id } => return describe::describe(cluster, *node_id).await,
            Self::Upgrade(levels) => Update::of_levels(Action::Upgrade, levels)?,
            Self::Downgrade { levels, r#unsafe } => {
                let is_unsafe = *r#unsafe;
                Update::of_levels(Action::Downgrade { is_unsafe }, levels)?
            }
            Self::Disable {
                feature,
                r#unsafe,
                dry_run,
            } => {
                let is_unsafe = *r#unsafe;
                Update::of_names(Action::Disable { is_unsafe }, feature, *dry_run)?
            }
            // These need no cluster.
            Self::VersionMapping { .. } | Self::FeatureDependencies { .. } => return Ok(()),
        };
        update.carry_out(cluster).await
    }
}

/// What is wrong with the arguments, as Kafka's tool tells it.
fn command_line(error: Ending) -> Ending {
    match error {
        Ending::Usage(reason) => Ending::Failed(format!(
            "Command line error: {reason}. Type --help for help."
        )),
        error => error,
    }
}

/// Tells what each of these levels, `NAME=LEVEL`, needs of other features.
fn tell_dependencies(features: &[String]) -> Result<(), Ending> {
    for text in features {
        let (name, level) = releases::name_and_level(text)?;
        let no_level = || format!("No feature:{name} with feature level {level}");
        let told = releases::dependencies(name, level, no_level)?;
        io::stdout().write_all(told.as_bytes())?;
    }
    Ok(())
}
