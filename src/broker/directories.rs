//! The log directories of a node: opened, locked and, where empty, formatted.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

use super::descriptors;
use super::reserves::Reserves;
use crate::config::BrokerConfig;
use crate::metadata::controller::bootstrap_records;
use crate::model::{DirectoryId, Offset, Timestamp, Uuid};
use crate::protocol::messages::metadata_records::MetadataRecord;
use crate::raft::driver::METADATA_FOLDER;
use crate::raft::{RaftConfig, Retention, Timeouts, read_bootstrap, write_bootstrap};
use crate::storage::applied_metadata;
use crate::storage::disk::{Disk, FileDisk};
use crate::storage::log_dir::{Identity, LogDir, LogDirError, LogDirs};

/// The open directories.
pub(super) struct Directories {
    disk: Arc<dyn Disk>,
    logs: Arc<LogDirs>,
    /// The directory of the metadata log; it may be one of `logs`.
    metadata: Arc<LogDir>,
    /// The records with which an empty metadata log begins.
    bootstrap: Vec<MetadataRecord>,
    reserves: Reserves,
}

impl Directories {
    /// Opens and locks the directories, and formats the empty ones.
    pub(super) fn open(config: &BrokerConfig) -> anyhow::Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(descriptors::for_files(&config.storage)));
        let mut paths = config.storage.log_dirs.clone();
        let metadata_path = &config.metadata_log.metadata_log_dir;
        let is_apart = !paths.contains(metadata_path);
        if is_apart {
            paths.push(metadata_path.clone());
        }
        let mut logs = open(&disk, &paths, config)?;
        for (path, error) in &logs.failed {
            tracing::error!(dir = %path.display(), %error, "log directory is offline");
        }
        let is_metadata = |dir: &Arc<LogDir>| dir.path() == metadata_path;
        let metadata = logs.online.iter().find(|dir| is_metadata(dir)).cloned();
        let metadata = metadata.with_context(|| {
            format!(
                "the directory of the metadata log, {}, cannot be used",
                metadata_path.display()
            )
        })?;
        if is_apart {
            logs.online.retain(|dir| !is_metadata(dir));
        }
        // The reserves of an earlier run are given back before anything is written: the disk may be full.
        let dirs = std::iter::once(&metadata).chain(&logs.online);
        let bytes = u64::try_from(config.storage.disk_reserve_bytes).unwrap_or(0);
        let reserves = Reserves::of(&disk, dirs, bytes);
        let bootstrap = bootstrap(&disk, &metadata)?;
        Ok(Self {
            reserves,
            disk,
            logs: Arc::new(logs),
            metadata,
            bootstrap,
        })
    }

    /// The disk that the directories are on.
    pub(super) fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk)
    }

    /// The log directories that hold partitions.
    pub(super) fn logs(&self) -> &Arc<LogDirs> {
        &self.logs
    }

    /// The reserves of the disks, for when these are full.
    pub(super) fn reserves(&self) -> &Reserves {
        &self.reserves
    }

    /// The id of the cluster that the directories belong to.
    pub(super) fn cluster_id(&self) -> &str {
        &self.logs.cluster_id
    }

    /// The records with which an empty metadata log begins.
    pub(super) fn bootstrap(&self) -> &[MetadataRecord] {
        &self.bootstrap
    }

    /// The newest offset of the metadata log on which the replicas in the directories have acted.
    pub(super) fn acted_on(&self) -> anyhow::Result<Option<Offset>> {
        let mut newest = None;
        for dir in &self.logs.online {
            let remembered = applied_metadata::read(&*self.disk, dir.path());
            let remembered = remembered.with_context(|| format!("{}", dir.path().display()))?;
            newest = newest.max(remembered.map(|it| it.offset));
        }
        Ok(newest)
    }

    /// The settings of the quorum on these directories.
    pub(super) fn quorum(&self, config: &BrokerConfig) -> RaftConfig {
        let log = &config.metadata_log;
        RaftConfig {
            node_id: config.node.node_id,
            directory_id: self.metadata.id(),
            voters: config.node.controller_quorum_voters.clone(),
            must_vote: config.node.process_roles.is_controller(),
            log_dir: self.metadata.path().to_owned(),
            segment_bytes: u32::try_from(log.metadata_log_segment_bytes).unwrap_or(u32::MAX),
            segment_ms: log.metadata_log_segment_ms,
            retention: Retention {
                max_bytes: log.metadata_max_retention_bytes,
                max_age_ms: log.metadata_max_retention_ms,
            },
            timeouts: timeouts(config),
            reserve: self.metadata.reserve().cloned(),
            seed: u64::from_be_bytes(random_bytes()),
        }
    }
}

/// Opens the directories as those of the configured cluster, or of the cluster that they name. Empty
/// directories without either begin a new cluster, as a single node can by itself.
fn open(
    disk: &Arc<dyn Disk>,
    paths: &[PathBuf],
    config: &BrokerConfig,
) -> Result<LogDirs, LogDirError> {
    let open = |cluster_id: Option<Uuid>| {
        let cluster_id = cluster_id.map(|id| id.to_string());
        let identity = Identity {
            node_id: config.node.node_id,
            cluster_id,
        };
        LogDirs::open(disk, paths, &identity, random_id)
    };
    match open(config.node.cluster_id) {
        // The id that it would draw would be that of another cluster.
        Err(error @ LogDirError::NoClusterId) if !config.node.is_alone() => Err(error),
        Err(LogDirError::NoClusterId) => {
            let id = random_id();
            tracing::info!(cluster_id = %id, "formatting the log directories for a new cluster");
            open(Some(id))
        }
        opened => opened,
    }
}

fn timeouts(config: &BrokerConfig) -> Timeouts {
    let quorum = &config.quorum;
    let millis = super::identity::milliseconds;
    Timeouts {
        election: millis(quorum.controller_quorum_election_timeout_ms),
        election_backoff_max: millis(quorum.controller_quorum_election_backoff_max_ms),
        fetch: millis(quorum.controller_quorum_fetch_timeout_ms),
        request: millis(quorum.controller_quorum_request_timeout_ms),
        retry_backoff: millis(quorum.controller_quorum_retry_backoff_ms),
    }
}

/// The bootstrap records of a formatted directory; if Kafka's format step did not write them, this does.
fn bootstrap(disk: &Arc<dyn Disk>, metadata: &LogDir) -> anyhow::Result<Vec<MetadataRecord>> {
    let folder = metadata.path().join(METADATA_FOLDER);
    let found = read_bootstrap(&**disk, metadata.path(), &folder).context(
        "the bootstrap records of the cluster cannot be read. A metadata log that has begun does \
         without: if bootstrap.checkpoint is damaged, it may be removed then",
    )?;
    if let Some(records) = found {
        let decoded = records
            .into_iter()
            .map(MetadataRecord::decode)
            .collect::<Result<_, _>>();
        return decoded.context("the bootstrap records of the cluster cannot be read");
    }
    let records = bootstrap_records();
    let version = crate::metadata::image::MetadataVersion::LATEST;
    let encoded = records
        .iter()
        .map(|record| record.encode(version.record_version(record)));
    write_bootstrap(disk, metadata.path(), encoded.collect(), Timestamp(0))
        .context("the bootstrap records of the cluster cannot be written")?;
    Ok(records)
}

/// A new random id.
pub(super) fn random_id() -> DirectoryId {
    loop {
        if let Some(id) = Uuid::from_random(random_bytes()) {
            return id;
        }
    }
}

fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}
