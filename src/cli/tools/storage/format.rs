//! Makes log directories those of a node of a cluster: the records that the cluster begins with, then whose the
//! directory is. Which of the directories is formatted is told by the latter alone, so what a crash has left in
//! between is written again.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::{ConfigArguments, directories, features, random_id};
use crate::cli::tools::ending::Ending;
use crate::clock::wall_clock;
use crate::config::Loaded;
use crate::metadata::image::{METADATA_VERSION, MetadataVersion};
use crate::model::{BrokerId, DirectoryId};
use crate::protocol::Str;
use crate::protocol::messages::metadata_records::{FeatureLevelRecord, MetadataRecord};
use crate::raft::write_bootstrap;
use crate::storage::disk::{Disk, FileDisk};
use crate::storage::log_dir::{Identity, LogDirs};
use crate::storage::meta_properties::{META_PROPERTIES_FILE, MetaProperties};

#[derive(Debug, Args)]
pub(super) struct FormatArguments {
    #[command(flatten)]
    config: ConfigArguments,

    /// The id of the cluster
    #[arg(short = 't', long, value_name = "ID")]
    cluster_id: String,

    /// Leave directories that are formatted as they are, and format the others
    #[arg(short = 'g', long)]
    ignore_formatted: bool,

    /// The release whose levels of features the cluster begins with, as far as they are served; the newest without
    #[arg(short, long, value_name = "RELEASE")]
    release_version: Option<String>,

    /// A feature and the level that the cluster begins with; may be given many times
    #[arg(short, long, value_name = "NAME=LEVEL")]
    feature: Vec<String>,

    /// Passwords of users (not served)
    #[arg(short = 'S', long, value_name = "CREDENTIAL")]
    add_scram: Vec<String>,

    /// A quorum of this node whose voters can be changed later (not served)
    #[arg(short, long, conflicts_with_all = ["no_initial_controllers", "initial_controllers"])]
    standalone: bool,

    /// No voters: they are those of controller.quorum.voters
    #[arg(short = 'N', long, conflicts_with = "initial_controllers")]
    no_initial_controllers: bool,

    /// A quorum of these voters, ID@HOST:PORT:DIRECTORY, which can be changed later (not served)
    #[arg(short = 'I', long, value_name = "VOTERS")]
    initial_controllers: Option<String>,
}

/// Formats the directories of a node.
///
/// # Errors
/// What is asked for is not served or makes no sense, or a directory is formatted already, belongs to another node,
/// or can't be written.
pub(super) fn format(arguments: &FormatArguments) -> Result<(), Ending> {
    let loaded = arguments.config.load()?;
    let has_static_voters = loaded
        .settings
        .get("controller.quorum.voters")
        .is_some_and(|voters| !voters.trim().is_empty());
    let levels = features::levels(
        arguments.release_version.as_deref(),
        &arguments.feature,
        has_static_voters,
    )?;
    arguments.check_voters(has_static_voters)?;
    arguments.check_cluster_id(&loaded)?;
    if !arguments.add_scram.is_empty() {
        let reason = "--add-scram is not served: this broker does not know SASL yet";
        return Err(Ending::Failed(reason.to_owned()));
    }
    let records: Vec<MetadataRecord> = levels
        .iter()
        .map(|(name, level)| {
            let record = FeatureLevelRecord {
                name: Str::from_static(name),
                feature_level: *level,
            };
            record.into()
        })
        .collect();
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(8));
    let node_id = loaded.config.node.node_id;
    let found = Found::look(&*disk, &loaded, &arguments.cluster_id)?;
    let Some(empty) = found.to_be_formatted(arguments.ignore_formatted)? else {
        return Ok(());
    };
    let version = MetadataVersion(levels[0].1);
    let mut output = io::stdout().lock();
    writeln!(output, "Bootstrap metadata: {}", shown(&levels))?;
    for directory in empty {
        let is_metadata = *directory == loaded.config.metadata_log.metadata_log_dir;
        let kind = if is_metadata { "metadata" } else { "data" };
        let path = directory.display();
        writeln!(
            output,
            "Formatting {kind} directory {path} with {METADATA_VERSION} {version}."
        )?;
        disk.create_dir(directory)?;
        if is_metadata {
            let encoded = records
                .iter()
                .map(|record| record.encode(version.record_version(record)));
            write_bootstrap(&disk, directory, encoded.collect(), wall_clock())
                .map_err(|error| Ending::Failed(error.to_string()))?;
        }
        // This locks the directory, and writes whose it is.
        let identity = Identity {
            node_id,
            cluster_id: Some(arguments.cluster_id.clone()),
        };
        let opened = LogDirs::open(&disk, std::slice::from_ref(directory), &identity, random_id);
        opened.map_err(|error| {
            let file = directory.join(META_PROPERTIES_FILE);
            let file = file.display();
            Ending::Failed(format!(
                "Error while writing meta.properties file {file}: {error}"
            ))
        })?;
    }
    Ok(())
}

impl FormatArguments {
    /// Checks what is said of the voters of the quorum.
    fn check_voters(&self, has_static_voters: bool) -> Result<(), Ending> {
        let asks_for_quorum = self.standalone || self.initial_controllers.is_some();
        let refused = |reason: &str| Err(Ending::Failed(reason.to_owned()));
        if has_static_voters && asks_for_quorum {
            return refused(
                "You cannot specify controller.quorum.voters and format the node with --initial-controllers or \
                 --standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and specify \
                 controller.quorum.bootstrap.servers instead.",
            );
        }
        if asks_for_quorum || self.no_initial_controllers && !has_static_voters {
            return refused(
                "Quorums whose voters can be changed (--standalone, --initial-controllers, --no-initial-controllers) \
                 are not served by this broker: name the voters in controller.quorum.voters. A single node needs not \
                 even that.",
            );
        }
        Ok(())
    }

    /// A node that the config says is of another cluster would not start.
    fn check_cluster_id(&self, loaded: &Loaded) -> Result<(), Ending> {
        let configured = loaded.config.node.cluster_id.map(|id| id.to_string());
        match configured {
            Some(configured) if configured != self.cluster_id => Err(Ending::Failed(format!(
                "The cluster.id of the config is {configured}, and --cluster-id is {}",
                self.cluster_id
            ))),
            _ => Ok(()),
        }
    }
}

/// The directories of a node, by what is in them.
struct Found {
    empty: Vec<PathBuf>,
    formatted: Vec<PathBuf>,
    unreadable: Vec<PathBuf>,
}

impl Found {
    /// # Errors
    /// A directory belongs to another node or cluster, or two of them have one id.
    fn look(disk: &dyn Disk, loaded: &Loaded, cluster_id: &str) -> Result<Self, Ending> {
        let mut found = Self {
            empty: Vec::new(),
            formatted: Vec::new(),
            unreadable: Vec::new(),
        };
        let mut seen: Vec<(DirectoryId, PathBuf)> = Vec::new();
        for directory in directories(&loaded.config) {
            match MetaProperties::load(disk, &directory) {
                Ok(None) => found.empty.push(directory),
                Ok(Some(properties)) => {
                    check(
                        &properties,
                        &directory,
                        cluster_id,
                        loaded.config.node.node_id,
                    )?;
                    if let Some(id) = properties.directory_id {
                        let twin = seen.iter().find(|(other, _)| *other == id);
                        if let Some((_, twin)) = twin {
                            return Err(Ending::Failed(format!(
                                "Duplicate directory ID {id} found. It was the ID of {}, but also of {}",
                                twin.display(),
                                directory.display()
                            )));
                        }
                        seen.push((id, directory.clone()));
                    }
                    found.formatted.push(directory);
                }
                Err(_) => found.unreadable.push(directory),
            }
        }
        Ok(found)
    }

    /// The directories that are to be formatted; `None` if there is nothing to be done, which was told.
    ///
    /// # Errors
    /// There are formatted ones, which are not to be ignored, or only such as can't be read.
    fn to_be_formatted(&self, ignores_formatted: bool) -> Result<Option<&[PathBuf]>, Ending> {
        if let Some(first) = self.formatted.first().filter(|_| !ignores_formatted) {
            return Err(Ending::Failed(format!(
                "Log directory {} is already formatted. Use --ignore-formatted to ignore this directory and format \
                 the others.",
                first.display()
            )));
        }
        for directory in &self.unreadable {
            writeln!(
                io::stdout(),
                "I/O error trying to read log directory {}. Ignoring...",
                directory.display()
            )?;
        }
        if self.empty.is_empty() && self.formatted.is_empty() {
            let reason = "No available log directories to format.";
            return Err(Ending::Failed(reason.to_owned()));
        }
        if self.empty.is_empty() {
            writeln!(
                io::stdout(),
                "All of the log directories are already formatted."
            )?;
            return Ok(None);
        }
        Ok(Some(&self.empty))
    }
}

/// Checks that a formatted directory is that of this node.
fn check(
    properties: &MetaProperties,
    directory: &Path,
    cluster_id: &str,
    node_id: BrokerId,
) -> Result<(), Ending> {
    let file = directory.join(META_PROPERTIES_FILE);
    let path = file.display();
    if let Some(found) = properties
        .cluster_id
        .as_ref()
        .filter(|id| *id != cluster_id)
    {
        return Err(Ending::Failed(format!(
            "Invalid cluster.id in: {path}. Expected {cluster_id}, but read {found}"
        )));
    }
    if let Some(found) = properties.node_id.filter(|id| *id != node_id) {
        return Err(Ending::Failed(format!(
            "Stored node id {found} doesn't match previous node id {node_id} in {path}. If you moved your data, make \
             sure your configured node id matches. If you intend to create a new node, you should remove all data in \
             your data directories."
        )));
    }
    Ok(())
}

/// The first records, as Java writes them.
fn shown(levels: &[(&str, i16)]) -> String {
    let records = levels.iter().map(|(name, level)| {
        format!(
            "ApiMessageAndVersion(FeatureLevelRecord(name='{name}', featureLevel={level}) at version 0)"
        )
    });
    let records: Vec<String> = records.collect();
    let level = levels.first().map_or(0, |(_, level)| *level);
    format!(
        "BootstrapMetadata(records=[{}], metadataVersionLevel={level}, source=format command)",
        records.join(", ")
    )
}
