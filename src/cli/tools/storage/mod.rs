//! `kafka-storage.sh`: formats the log directories of a node, and tells what is in them.
//!
//! - this file: its arguments, and what is done with them.
//! - `format`: makes directories a node's.
//! - `features`: the levels of features that a cluster begins with.
//! - `info`: tells whose directories are.

mod features;
mod format;
mod info;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::ending::{self, Ending};
use super::releases;
use crate::cli::environment;
use crate::config::{self, BrokerConfig, Loaded};
use crate::model::Uuid;
use format::FormatArguments;

const NAME: &str = "kafka-storage.sh";

/// Format the log directories of a node, or tell what is in them.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version)]
pub(super) struct StorageArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell of the log directories of this node
    Info(ConfigArguments),
    /// Format the log directories of this node
    Format(FormatArguments),
    /// Tell which levels of features belong to a release
    VersionMapping {
        /// The release, such as 4.0 or 4.0-IV3; the newest without
        #[arg(short, long, value_name = "RELEASE")]
        release_version: Option<String>,
    },
    /// Tell which other features a level of a feature needs
    FeatureDependencies {
        /// The feature and its level; may be given many times
        #[arg(short, long, value_name = "NAME=LEVEL", required = true)]
        feature: Vec<String>,
    },
    /// Print a random id, as clusters have
    RandomUuid,
}

/// The config of the node.
#[derive(Debug, Args)]
struct ConfigArguments {
    /// The node's config: TOML, or Java's format if it is a .properties
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    ending::run(
        NAME,
        arguments,
        |arguments: &StorageArguments| match &arguments.command {
            Command::Info(arguments) => info::tell(&arguments.load()?.config),
            Command::Format(arguments) => format::format(arguments),
            Command::VersionMapping { release_version } => {
                releases::tell_mapping(release_version.as_deref())
            }
            Command::FeatureDependencies { feature } => features::tell_dependencies(feature),
            Command::RandomUuid => {
                writeln!(io::stdout(), "{}", random_id())?;
                Ok(())
            }
        },
    )
}

impl ConfigArguments {
    /// Reads the config as the node itself does.
    fn load(&self) -> Result<Loaded, Ending> {
        let loaded = config::load(Some(&self.config), environment());
        loaded.map_err(|error| Ending::Failed(error.to_string()))
    }
}

/// All directories of a node, in the order of their names.
fn directories(config: &BrokerConfig) -> BTreeSet<PathBuf> {
    let metadata = std::iter::once(&config.metadata_log.metadata_log_dir);
    let logs = config.storage.log_dirs.iter();
    logs.chain(metadata).cloned().collect()
}

/// An id that nobody else has.
fn random_id() -> Uuid {
    loop {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has random bytes");
        if let Some(id) = Uuid::from_random(bytes) {
            return id;
        }
    }
}
