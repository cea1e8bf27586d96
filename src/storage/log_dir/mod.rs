//! The log directories of a broker: locked, checked to belong to it, and online or not.
//!
//! Opening takes the lock, so that no second process can write. Then all directories are checked against
//! each other and the config, before any of them is changed. A directory that fails goes offline until a
//! restart: nothing is retried on it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::applied_metadata::{self, APPLIED_METADATA_FILE};
use super::checkpoint::StateFileError;
use super::disk::{Disk, DiskLock};
use super::meta_properties::{META_PROPERTIES_FILE, MetaProperties};
use super::partition_folder::PartitionFolder;
use super::reserve::Reserve;
use crate::model::{BrokerId, DirectoryId};

/// The file whose lock says that a broker uses the directory.
pub const LOCK_FILE: &str = ".lock";

/// A directory that holds partition folders.
#[derive(Debug)]
pub struct LogDir {
    path: PathBuf,
    id: DirectoryId,
    disk: Arc<dyn Disk>,
    failure: OnceLock<String>,
    is_slow: AtomicBool,
    /// The reserve of the directory's volume; unset if none is kept.
    reserve: OnceLock<Arc<Reserve>>,
    /// What the lists of segments in it carry; unset: none are kept.
    generation: OnceLock<u64>,
    older_generation: OnceLock<u64>,
    /// The lock, held as long as the directory is in use.
    lock: Box<dyn DiskLock>,
}

/// Who the broker is, by its config.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `node.id`.
    pub node_id: BrokerId,
    /// `cluster.id`; `None`: the directories decide.
    pub cluster_id: Option<String>,
}

/// The directories of a broker after they were opened.
#[derive(Debug)]
pub struct LogDirs {
    /// The directories that can be used, in the order of the config.
    pub online: Vec<Arc<LogDir>>,
    /// The directories that have failed, and why.
    pub failed: Vec<(PathBuf, StateFileError)>,
    /// The id of the cluster that they belong to.
    pub cluster_id: String,
}

/// Why the broker may not start on these directories. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LogDirError {
    /// Another process uses the directory.
    #[error(
        "{} is locked: another broker is running on this log directory. Stop it, or give this one \
         another directory in log.dirs (`fuser -v` on the file shows the process)",
        path.display()
    )]
    Locked {
        /// The path of the locked file.
        path: PathBuf,
    },
    /// The directory has data of another cluster.
    #[error(
        "{} belongs to cluster {found}, but cluster.id is {expected}. Set cluster.id to {found}, \
         or give the broker another directory in log.dirs",
        path.display()
    )]
    ForeignCluster {
        /// The path of the `meta.properties`.
        path: PathBuf,
        /// The cluster id in it.
        found: String,
        /// The cluster of the config, or of the other directories.
        expected: String,
    },
    /// The directory has data of another broker.
    #[error(
        "{} belongs to node {found}, but node.id is {expected}. Set node.id to {found} if the data \
         was moved here; for a new node use an empty directory",
        path.display()
    )]
    ForeignNode {
        /// The path of the `meta.properties`.
        path: PathBuf,
        /// The node id in it.
        found: BrokerId,
        /// `node.id`.
        expected: BrokerId,
    },
    /// Two directories have the same id: one is a copy of the other.
    #[error(
        "{} and {} have the same directory.id, {id}: one is a copy. Remove the copy from log.dirs",
        first.display(), second.display()
    )]
    DuplicateDirectoryId {
        /// One of the directories.
        first: PathBuf,
        /// The other directory.
        second: PathBuf,
        /// The id of both.
        id: DirectoryId,
    },
    /// The directory's id is one of those that stand for "unassigned" and the like.
    #[error(
        "directory.id {id} of {} is reserved. Remove the line: another id will be made",
        path.display()
    )]
    ReservedDirectoryId {
        /// The path of the `meta.properties`.
        path: PathBuf,
        /// The id in it.
        id: DirectoryId,
    },
    /// The directory was last used for another cluster than its `meta.properties` says.
    #[error(
        "{} says cluster {found}, but what the directory was last used for is cluster {remembered}, by \
         its {APPLIED_METADATA_FILE}. If meta.properties is damaged, write cluster.id={remembered} into \
         it; if the directory was meant to change clusters, remove {APPLIED_METADATA_FILE}",
        path.display()
    )]
    AnotherCluster {
        /// The `meta.properties`.
        path: PathBuf,
        /// The cluster it names.
        found: String,
        /// The cluster whose metadata was acted on.
        remembered: String,
    },
    /// A directory has partition folders but no `meta.properties`: formatting it would hide whose they are.
    #[error(
        "{} has partition folders (such as {folder}) but no meta.properties. Restore that file, or \
         move the folders away",
        path.display()
    )]
    NotEmpty {
        /// The path of the directory.
        path: PathBuf,
        /// The name of one of the folders.
        folder: String,
    },
    /// Nothing says which cluster the broker belongs to.
    #[error(
        "no cluster.id is configured and no log directory has one. Set cluster.id, the same on all nodes: \
         22 characters as `kafka-storage random-uuid` prints them"
    )]
    NoClusterId,
    /// None of the directories can be used.
    #[error("no log directory can be used: {0}")]
    AllFailed(StateFileError),
}

impl LogDirs {
    /// Locks and opens `paths`, and formats the empty ones. `new_id` draws random ids.
    ///
    /// A directory whose disk fails is left out. One that is locked, or belongs to another broker, is an
    /// error, because the config is wrong then.
    pub fn open(
        disk: &Arc<dyn Disk>,
        paths: &[PathBuf],
        identity: &Identity,
        mut new_id: impl FnMut() -> DirectoryId,
    ) -> Result<Self, LogDirError> {
        let mut locked = Vec::new();
        let mut failed = Vec::new();
        for path in paths {
            match Candidate::lock(&**disk, path)? {
                Ok(candidate) => locked.push(candidate),
                Err(error) => failed.push((path.clone(), error)),
            }
        }
        // All are checked before the first is formatted: a start with a wrong config changes no directory.
        let cluster_id = agreed_cluster_id(&locked, identity)?;
        for candidate in &locked {
            candidate.check(identity, &cluster_id)?;
        }
        check_unique_ids(&locked)?;
        let mut online = Vec::new();
        for candidate in locked {
            let path = candidate.path.clone();
            match candidate.format(disk, identity.node_id, &cluster_id, &mut new_id) {
                Ok(log_dir) => online.push(Arc::new(log_dir)),
                Err(error) => failed.push((path, error)),
            }
        }
        match (online.is_empty(), failed.pop()) {
            (true, Some((_, error))) => Err(LogDirError::AllFailed(error)),
            (_, last) => {
                failed.extend(last);
                Ok(Self {
                    online,
                    failed,
                    cluster_id,
                })
            }
        }
    }
}

/// A directory that is locked, but not yet known to belong to this broker.
struct Candidate {
    path: PathBuf,
    lock: Box<dyn DiskLock>,
    properties: Option<MetaProperties>,
    /// The cluster whose metadata was acted on here.
    served: Option<String>,
    /// A partition folder in a directory without properties.
    unexpected: Option<String>,
}

impl Candidate {
    /// Locks a directory and reads its properties. The outer error stops the broker, the inner one costs
    /// the directory.
    fn lock(disk: &dyn Disk, path: &Path) -> Result<Result<Self, StateFileError>, LogDirError> {
        let lock_path = path.join(LOCK_FILE);
        let created = disk.create_dir(path).and_then(|()| disk.lock(&lock_path));
        let lock = match created {
            Ok(Some(lock)) => lock,
            Ok(None) => return Err(LogDirError::Locked { path: lock_path }),
            Err(error) => return Ok(Err(StateFileError::io(&lock_path)(error))),
        };
        Ok(Self::read(disk, path, lock))
    }

    fn read(disk: &dyn Disk, path: &Path, lock: Box<dyn DiskLock>) -> Result<Self, StateFileError> {
        let properties = MetaProperties::load(disk, path)?;
        let unexpected = if properties.is_none() {
            let entries = disk.list(path).map_err(StateFileError::io(path))?;
            let is_partition = |name: &String| PartitionFolder::parse(name).is_some();
            entries
                .into_iter()
                .map(|entry| entry.name)
                .find(is_partition)
        } else {
            None
        };
        let applied = applied_metadata::read(disk, path);
        let applied = applied.map_err(StateFileError::io(&path.join(APPLIED_METADATA_FILE)))?;
        Ok(Self {
            path: path.to_owned(),
            lock,
            served: applied.and_then(|it| it.cluster_id),
            properties,
            unexpected,
        })
    }

    fn check(&self, identity: &Identity, cluster_id: &str) -> Result<(), LogDirError> {
        if let Some(folder) = &self.unexpected {
            return Err(LogDirError::NotEmpty {
                path: self.path.clone(),
                folder: folder.clone(),
            });
        }
        let Some(properties) = &self.properties else {
            return Ok(());
        };
        let path = self.path.join(META_PROPERTIES_FILE);
        if let (Some(found), Some(remembered)) = (&properties.cluster_id, &self.served)
            && found != remembered
        {
            return Err(LogDirError::AnotherCluster {
                path,
                found: found.clone(),
                remembered: remembered.clone(),
            });
        }
        if let Some(found) = properties
            .cluster_id
            .as_deref()
            .filter(|&id| id != cluster_id)
        {
            return Err(LogDirError::ForeignCluster {
                path,
                found: found.to_owned(),
                expected: cluster_id.to_owned(),
            });
        }
        if let Some(found) = properties.node_id.filter(|&id| id != identity.node_id) {
            return Err(LogDirError::ForeignNode {
                path,
                found,
                expected: identity.node_id,
            });
        }
        match properties.directory_id {
            Some(id) if is_reserved(id) => Err(LogDirError::ReservedDirectoryId { path, id }),
            _ => Ok(()),
        }
    }

    /// Writes what is missing in `meta.properties`.
    fn format(
        self,
        disk: &Arc<dyn Disk>,
        node_id: BrokerId,
        cluster_id: &str,
        new_id: &mut impl FnMut() -> DirectoryId,
    ) -> Result<LogDir, StateFileError> {
        let known = self
            .properties
            .as_ref()
            .and_then(|properties| properties.directory_id);
        let id = known.unwrap_or_else(new_id);
        let wanted = MetaProperties {
            version: 1,
            cluster_id: Some(cluster_id.to_owned()),
            node_id: Some(node_id),
            directory_id: Some(id),
        };
        if self.properties.as_ref() != Some(&wanted) {
            wanted.save(&**disk, &self.path)?;
            // The directory's own name may be as new as the file.
            sync_parent(&**disk, &self.path).map_err(StateFileError::io(&self.path))?;
        }
        Ok(LogDir {
            path: self.path,
            id,
            disk: Arc::clone(disk),
            failure: OnceLock::new(),
            is_slow: AtomicBool::new(false),
            reserve: OnceLock::new(),
            generation: OnceLock::new(),
            older_generation: OnceLock::new(),
            lock: self.lock,
        })
    }
}

fn sync_parent(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match path.parent().map_or(Ok(()), |parent| disk.sync_dir(parent)) {
        // A directory that somebody made for this process may lie in one that it may not read.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// Whether an id is among the first 100, which have meanings such as "unassigned" and "lost" (KIP-858).
fn is_reserved(id: DirectoryId) -> bool {
    u128::from_be_bytes(*id.as_bytes()) < 100
}

fn agreed_cluster_id(found: &[Candidate], identity: &Identity) -> Result<String, LogDirError> {
    let cluster_id = |candidate: &Candidate| candidate.properties.as_ref()?.cluster_id.clone();
    let configured = identity.cluster_id.clone();
    configured
        .or_else(|| found.iter().find_map(cluster_id))
        .ok_or(LogDirError::NoClusterId)
}

fn check_unique_ids(found: &[Candidate]) -> Result<(), LogDirError> {
    let mut seen: BTreeMap<DirectoryId, &Path> = BTreeMap::new();
    for candidate in found {
        let id = candidate.properties.as_ref().and_then(|it| it.directory_id);
        let Some(id) = id else { continue };
        if let Some(first) = seen.insert(id, &candidate.path) {
            return Err(LogDirError::DuplicateDirectoryId {
                first: first.to_owned(),
                second: candidate.path.clone(),
                id,
            });
        }
    }
    Ok(())
}

impl LogDir {
    /// The directory's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory's id.
    pub fn id(&self) -> DirectoryId {
        self.id
    }

    /// The disk that the directory is on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Makes everything that was written here durable at once: at a clean stop, syncing each file would
    /// take long.
    pub fn sync_volume(&self) -> io::Result<()> {
        self.lock.sync_volume()
    }

    /// Whether nothing may be read or written here any more.
    pub fn is_offline(&self) -> bool {
        self.failure.get().is_some()
    }

    /// Why the directory is offline.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Takes the directory offline. Returns true to the first caller, who tells the rest of the broker.
    pub fn take_offline(&self, reason: String) -> bool {
        self.failure.set(reason).is_ok()
    }

    /// Lets writes that must succeed use this reserve when the disk is full. Only the first call counts.
    pub fn keep_reserve(&self, reserve: Arc<Reserve>) {
        self.reserve.get_or_init(|| reserve);
    }

    /// Has lists of segments kept in it, of this generation: see [`super::last_use`]. `older` is the one that a
    /// power cut has ended, if one has. The first call counts.
    pub fn keep_lists(&self, generation: u64, older: Option<u64>) {
        self.generation.get_or_init(|| generation);
        self.older_generation.get_or_init(|| older.unwrap_or(0));
    }

    /// The generation of the lists of segments in it; 0: none are kept.
    pub fn generation(&self) -> u64 {
        self.generation.get().copied().unwrap_or(0)
    }

    /// The generation of the lists that a power cut may have made older than the files; 0: there is none.
    pub fn older_generation(&self) -> u64 {
        self.older_generation.get().copied().unwrap_or(0)
    }

    /// The reserve of the directory's volume, if one is kept.
    pub fn reserve(&self) -> Option<&Arc<Reserve>> {
        self.reserve.get()
    }

    /// Whether the disk is full, and the reserve given back: writes that can be refused are refused.
    pub fn is_full(&self) -> bool {
        self.reserve().is_some_and(|reserve| reserve.is_lent())
    }

    /// Writes a small file that must be written on a full disk, too.
    pub fn write_state<T>(
        &self,
        mut write: impl FnMut() -> Result<T, StateFileError>,
    ) -> Result<T, StateFileError> {
        match self.reserve() {
            Some(reserve) => reserve.spend(StateFileError::is_full_disk, write),
            None => write(),
        }
    }

    /// Whether the disk stalls: a write may take long, and so may everything that waits for one.
    pub fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    /// Notes whether the disk stalls. Returns whether that is news.
    pub fn set_slow(&self, is_slow: bool) -> bool {
        self.is_slow.swap(is_slow, Ordering::AcqRel) != is_slow
    }

    /// The folders in the directory: partition folders, and the names of those that are none.
    pub fn folders(&self) -> io::Result<Folders> {
        let mut folders = Folders::default();
        for entry in self
            .disk
            .list(&self.path)?
            .into_iter()
            .filter(|entry| entry.is_dir)
        {
            match PartitionFolder::parse(&entry.name) {
                Some(folder) => folders.partitions.push((entry.name, folder)),
                None => folders.unknown.push(entry.name),
            }
        }
        folders
            .partitions
            .sort_by(|left, right| left.0.cmp(&right.0));
        folders.unknown.sort();
        Ok(folders)
    }
}

/// The folders in a log directory.
#[derive(Debug, Default)]
pub struct Folders {
    /// Partition folders with their names, sorted. The metadata log is one of them.
    pub partitions: Vec<(String, PartitionFolder)>,
    /// Names of folders that are no partition folders, sorted.
    pub unknown: Vec<String>,
}

#[cfg(test)]
mod tests;
