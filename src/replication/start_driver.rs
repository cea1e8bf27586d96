//! Starting with what is on the disks: folders are found, logs opened on several threads, and what
//! the metadata log does not put here is set aside, never deleted. Moves between directories that
//! were under way go on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::cleaner_driver::Cleaner;
use super::data_dir_driver::{CheckpointKind, Checkpoints, DataDir};
use super::driver::{ReplicaListener, ReplicaManager, Shared, now, random_bytes};
use super::fetch_session::Sessions;
use super::hosted::{Hosted, HostedPartition};
use super::metadata_driver::{TopicConfigs, all_local};
use super::moves_driver::ensure_threads;
use super::settings::ReplicaSettings;
use super::{cleaner_driver, flush_driver, housekeeping_driver, scrub_driver, stall_driver};
use crate::metadata::Assignment;
use crate::metadata::image::MetadataImage;
use crate::model::{DirectoryId, TopicId, TopicIdPartition, TopicPartition};
use crate::storage::clean_shutdown::{self, CleanShutdown};
use crate::storage::error::StorageError;
use crate::storage::log::{Log, Opening};
use crate::storage::log_config::LogConfig;
use crate::storage::log_dir::{LogDir, LogDirs};
use crate::storage::partition_folder::{self, FolderMark, PartitionFolder};
use crate::telemetry::Metrics;

/// The folder of the metadata log, which is not a replica of this kind.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// The replicas could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system gives no more threads.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// What the rest of the broker needs to know after the start.
#[derive(Debug)]
pub struct Started {
    /// The replicas.
    pub manager: ReplicaManager,
    /// The broker epoch of the last stop, if all directories were closed in order then: the
    /// registration tells it (KIP-966).
    pub previous_broker_epoch: Option<i64>,
    /// What the controller does not know yet.
    pub assignments: Vec<Assignment>,
}

impl std::fmt::Debug for ReplicaManager {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ReplicaManager")
            .finish_non_exhaustive()
    }
}

impl ReplicaManager {
    /// Opens the logs in `dirs` and gives each its role by `image`; what happens to them is counted
    /// in `metrics`. Blocks until all are open, which
    /// after a crash includes reading what was not synced.
    ///
    /// # Errors
    /// See [`StartError`]. A disk that fails only costs its directory.
    pub fn start(
        settings: ReplicaSettings,
        dirs: &LogDirs,
        image: &Arc<MetadataImage>,
        listener: Box<dyn ReplicaListener>,
        metrics: Arc<Metrics>,
    ) -> Result<Started, StartError> {
        let failed_count = i64::try_from(dirs.failed.len()).unwrap_or(i64::MAX);
        metrics.offline_log_dirs.set(failed_count);
        let shared = Arc::new(Shared {
            dirs: dirs.online.iter().map(open_dir).collect(),
            failed_at_start: dirs.failed.iter().map(|(path, _)| path.clone()).collect(),
            hosted: Hosted::counted_by(
                metrics.partitions.clone(),
                metrics.offline_partitions.clone(),
            ),
            image: ArcSwap::from(Arc::clone(image)),
            sessions: Sessions::new(settings.max_fetch_sessions),
            listener,
            metrics,
            applying: Mutex::default(),
            deleting: Mutex::default(),
            slow_dirs: AtomicUsize::new(0),
            moves: Arc::default(),
            cleaner: Cleaner::default(),
            alarm: Arc::default(),
            threads: Mutex::default(),
            is_closed: AtomicBool::new(false),
            settings: ArcSwap::from_pointee(settings),
        });
        shared.remember_metadata(image.provenance().offset);
        let (marks, copies) = shared.load_all(image);
        let manager = Self {
            shared: Arc::clone(&shared),
        };
        // A partition that is made now must not find the offsets of one that is gone.
        shared.write_checkpoints(&CheckpointKind::ALL);
        let settings = shared.settings.load_full();
        let local = all_local(image, settings.node_id);
        let configs = TopicConfigs::new(image, &settings);
        let replicas: Vec<_> = local.iter().collect();
        let assignments = shared.take_roles(&replicas, &configs);
        shared.resume_moves(copies).map_err(StartError::Thread)?;
        let mut threads = Vec::new();
        for dir in &shared.dirs {
            threads.extend(flush_driver::start(&shared, dir).map_err(StartError::Thread)?);
        }
        threads.push(housekeeping_driver::start(&shared).map_err(StartError::Thread)?);
        threads.push(scrub_driver::start(&shared).map_err(StartError::Thread)?);
        threads.push(stall_driver::start(&shared).map_err(StartError::Thread)?);
        cleaner_driver::restart(&shared).map_err(StartError::Thread)?;
        *shared.threads.lock() = threads;
        Ok(Started {
            manager,
            previous_broker_epoch: common_epoch(&marks),
            assignments,
        })
    }
}

fn open_dir(log_dir: &Arc<LogDir>) -> Arc<DataDir> {
    Arc::new(DataDir::new(Arc::clone(log_dir)))
}

/// The epoch that all directories were closed in.
fn common_epoch(marks: &[Option<CleanShutdown>]) -> Option<i64> {
    let mut epochs = marks
        .iter()
        .map(|mark| mark.and_then(|mark| mark.broker_epoch));
    let first = epochs.next()??;
    epochs.all(|epoch| epoch == Some(first)).then_some(first)
}

/// A folder whose log is to be opened.
struct Found {
    id: TopicIdPartition,
    name: TopicPartition,
    folder: PathBuf,
    config: Arc<super::partition::PartitionConfig>,
    /// It was a copy: nothing that a checkpoint or the clean-stop mark says is about it.
    was_copy: bool,
}

/// A copy that was to take a log's place when the last process ended.
struct FoundCopy {
    dir: Arc<DataDir>,
    folder: PathBuf,
    partition: TopicPartition,
    topic_id: TopicId,
}

/// What a directory holds.
#[derive(Default)]
struct Content {
    logs: Vec<Found>,
    copies: Vec<FoundCopy>,
}

impl Shared {
    /// Opens the logs of all directories at once. What the clean-stop marks said, and the copies.
    fn load_all(&self, image: &MetadataImage) -> (Vec<Option<CleanShutdown>>, Vec<FoundCopy>) {
        let loaded: Vec<_> = thread::scope(|scope| {
            let loading: Vec<_> = self
                .dirs
                .iter()
                .map(|dir| scope.spawn(|| self.load_dir(dir, image)))
                .collect();
            let joined = loading.into_iter().map(thread::ScopedJoinHandle::join);
            joined
                .map(|done| done.expect("loading does not panic"))
                .collect()
        });
        let (marks, copies): (_, Vec<_>) = loaded.into_iter().unzip();
        (marks, copies.into_iter().flatten().collect())
    }

    fn load_dir(
        &self,
        dir: &Arc<DataDir>,
        image: &MetadataImage,
    ) -> (Option<CleanShutdown>, Vec<FoundCopy>) {
        let started = now().instant;
        // First of all: a crash from here on must not look like a clean stop.
        let disk = &**dir.log_dir.disk();
        let mark = clean_shutdown::take(disk, dir.path()).map_err(|error| error.to_string());
        let prepared = mark.and_then(|mark| {
            let checkpoints = dir.read_checkpoints().map_err(|error| error.to_string())?;
            let found = self.find(dir, image).map_err(|error| error.to_string())?;
            Ok((mark, checkpoints, found))
        });
        let (mark, checkpoints, found) = match prepared {
            Ok(prepared) => prepared,
            Err(reason) => {
                self.fail_dir(dir, &reason);
                return (None, Vec::new());
            }
        };
        self.open_logs(dir, &checkpoints, mark.is_some(), &found.logs);
        tracing::info!(
            dir = %dir.path().display(),
            logs = found.logs.len(),
            clean = mark.is_some(),
            took_ms = started.elapsed().as_millis(),
            "opened the logs of a directory"
        );
        (mark, found.copies)
    }

    /// Looks at the folders of a directory: which logs are to be opened. Others are set aside.
    fn find(&self, dir: &Arc<DataDir>, image: &MetadataImage) -> std::io::Result<Content> {
        let folders = dir.log_dir.folders()?;
        for name in &folders.unknown {
            tracing::warn!(dir = %dir.path().display(), name, "not a partition folder");
        }
        let settings = self.settings.load();
        let configs = TopicConfigs::new(image, &settings);
        let mut found = Content::default();
        for (folder, PartitionFolder { partition, mark }) in folders.partitions {
            match mark {
                None if &*partition.topic == METADATA_TOPIC => {}
                None => {
                    let one = self.find_one(dir, image, &folder, &partition, &configs)?;
                    found.logs.extend(one);
                }
                Some(FolderMark::Delete) => {
                    let path = dir.path().join(folder);
                    dir.remove_later(path, now().instant, std::time::Duration::ZERO);
                }
                Some(FolderMark::Future) => {
                    let copy = find_copy(dir, &folder, partition);
                    let Some(copy) = copy else { continue };
                    if self.is_abandoned(&copy, image) {
                        let name = adopt_copy(&copy)?;
                        let partition = &copy.partition;
                        let one = self.find_one(dir, image, &name, partition, &configs)?;
                        found.logs.extend(one.map(|one| Found {
                            was_copy: true,
                            ..one
                        }));
                    } else {
                        found.copies.push(copy);
                    }
                }
                Some(FolderMark::Stray) => self.tell_of_stray(dir, &folder, &partition),
            }
        }
        Ok(found)
    }

    fn find_one(
        &self,
        dir: &DataDir,
        image: &MetadataImage,
        folder: &str,
        partition: &TopicPartition,
        configs: &TopicConfigs<'_>,
    ) -> std::io::Result<Option<Found>> {
        let path = dir.path().join(folder);
        let topic_id = partition_folder::read_topic_id(&**dir.log_dir.disk(), &path);
        // Without an id next to nothing was written: the id is synced right after the creation.
        let topic_id = topic_id.unwrap_or_else(|error| {
            tracing::warn!(%error, "the topic of a partition folder is not known");
            None
        });
        let node_id = self.settings.load().node_id;
        let state = topic_id.and_then(|id| image.topics().partition(&id, partition.partition));
        let is_here = state.filter(|state| state.replicas.contains(&node_id));
        let assigned = is_here.and_then(|state| state.directory_of(node_id));
        let (Some(topic_id), Some(assigned)) = (topic_id, assigned) else {
            self.set_aside_stray(dir, folder, partition, "not assigned to this broker")?;
            return Ok(None);
        };
        if self.is_in_another(dir, assigned, folder, topic_id) {
            self.set_aside_stray(dir, folder, partition, "it is in another directory")?;
            return Ok(None);
        }
        let id = TopicIdPartition {
            topic_id,
            partition: partition.partition,
        };
        Ok(Some(Found {
            id,
            name: partition.clone(),
            folder: path,
            config: configs.of(&partition.topic),
            was_copy: false,
        }))
    }

    /// Gives the folder of a log that does not belong here another name; nothing in it is touched.
    fn set_aside_stray(
        &self,
        dir: &DataDir,
        folder: &str,
        partition: &TopicPartition,
        why: &str,
    ) -> std::io::Result<()> {
        tracing::warn!(dir = %dir.path().display(), folder, why, "setting a stray folder aside");
        let unique = random_bytes();
        dir.set_aside(folder, partition, FolderMark::Stray, unique)?;
        let name = partition_folder::marked_folder_name(partition, FolderMark::Stray, unique);
        self.tell_of_stray(dir, &name, partition);
        Ok(())
    }

    /// Says where records lie that nobody is served, and how they are given back.
    fn tell_of_stray(&self, dir: &DataDir, folder: &str, partition: &TopicPartition) {
        let path = dir.path().join(folder);
        let holds_records = partition_folder::holds_records(&**dir.log_dir.disk(), &path);
        // What cannot be read may hold some.
        if !holds_records.unwrap_or(true) {
            tracing::warn!(folder = %path.display(), "leaving an empty stray folder alone");
            return;
        }
        self.metrics.stray_partitions.inc();
        tracing::error!(
            folder = %path.display(),
            "a stray folder holds records that are not served: remove it if they are not needed; to \
             give them back to the topic that they were written to, stop the broker, put the folder in \
             the place of {partition}, and start again"
        );
    }

    /// Whether the directory that the controller has on record holds the partition as well.
    fn is_in_another(
        &self,
        dir: &DataDir,
        assigned: DirectoryId,
        folder: &str,
        topic_id: TopicId,
    ) -> bool {
        let others = self
            .dirs
            .iter()
            .filter(|other| other.log_dir.id() != dir.log_dir.id());
        others
            .filter(|other| other.log_dir.id() == assigned)
            .any(|other| {
                let disk = &**other.log_dir.disk();
                let found = partition_folder::read_topic_id(disk, &other.path().join(folder));
                matches!(found, Ok(Some(found)) if found == topic_id)
            })
    }

    /// Whether a copy is all that there is of a log: the controller knows that the replica is here,
    /// and the directory that it was to come from is gone.
    fn is_abandoned(&self, copy: &FoundCopy, image: &MetadataImage) -> bool {
        let state = image
            .topics()
            .partition(&copy.topic_id, copy.partition.partition);
        let assigned = state.and_then(|state| state.directory_of(self.settings.load().node_id));
        let folder = partition_folder::folder_name(&copy.partition);
        let has_log = |dir: &Arc<DataDir>| {
            let disk = &**dir.log_dir.disk();
            let found = partition_folder::read_topic_id(disk, &dir.path().join(&folder));
            !matches!(found, Ok(None))
        };
        assigned == Some(copy.dir.log_dir.id()) && !self.dirs.iter().any(has_log)
    }

    /// Goes on with the moves that were under way. A copy of a log that is not here any more, or is
    /// where the copy is, is removed.
    fn resume_moves(self: &Arc<Self>, copies: Vec<FoundCopy>) -> std::io::Result<()> {
        for copy in copies {
            let id = TopicIdPartition {
                topic_id: copy.topic_id,
                partition: copy.partition.partition,
            };
            match self.hosted.get(&id) {
                Some(HostedPartition::Online(partition))
                    if !partition.is_in(&copy.dir.log_dir) && self.moves.of(&id).is_none() =>
                {
                    self.resume_move(&partition, &copy.dir, &copy.folder);
                    ensure_threads(self)?;
                }
                Some(HostedPartition::Offline) => {
                    let folder = copy.folder.display();
                    tracing::warn!(%folder, "leaving the copy of a log that is offline");
                }
                _ => {
                    let delay = std::time::Duration::ZERO;
                    copy.dir.remove_later(copy.folder, now().instant, delay);
                }
            }
        }
        Ok(())
    }

    fn open_logs(
        &self,
        dir: &Arc<DataDir>,
        checkpoints: &Checkpoints,
        clean: bool,
        found: &[Found],
    ) {
        let threads = self
            .settings
            .load()
            .storage
            .num_recovery_threads_per_data_dir;
        let threads = usize::try_from(threads)
            .unwrap_or(1)
            .clamp(1, found.len().max(1));
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(found) = found.get(next.fetch_add(1, Ordering::Relaxed)) {
                        self.open_one(dir, checkpoints, clean, found);
                    }
                });
            }
        });
    }

    fn open_one(&self, dir: &Arc<DataDir>, checkpoints: &Checkpoints, clean: bool, found: &Found) {
        let offset_in = |offsets| DataDir::offset_in(offsets, &found.name);
        let opening = match found.was_copy {
            true => Opening::unknown(now().wall),
            false => Opening {
                recovery_point: offset_in(&checkpoints.recovery_points),
                log_start_offset: offset_in(&checkpoints.log_starts),
                clean,
                now: now().wall,
            },
        };
        let opened = if dir.log_dir.is_offline() {
            Err(StorageError::Offline)
        } else {
            open_log(dir, found, &found.config.log, &opening)
        };
        match opened {
            Ok(mut log) => {
                let cleaned = checkpoints.cleaned.get(&found.name);
                log.set_cleaned_offset(cleaned.copied().filter(|_| !found.was_copy));
                let high_watermark = offset_in(&checkpoints.high_watermarks);
                self.adopt(
                    dir,
                    found.id,
                    &found.name,
                    log,
                    high_watermark,
                    &found.config,
                );
            }
            Err(error) => {
                tracing::error!(partition = %found.name, %error, "cannot open the log");
                self.count_damage(&error);
                dir.keep_entries(&found.name, checkpoints);
                self.hosted.insert(found.id, HostedPartition::Offline);
                if error.is_disk_failure() {
                    self.fail_dir(dir, &error.to_string());
                }
            }
        }
    }
}

/// A copy, as its folder says; one without a topic id was not begun, and is removed.
fn find_copy(dir: &Arc<DataDir>, folder: &str, partition: TopicPartition) -> Option<FoundCopy> {
    let path = dir.path().join(folder);
    match partition_folder::read_topic_id(&**dir.log_dir.disk(), &path) {
        Ok(Some(topic_id)) => Some(FoundCopy {
            dir: Arc::clone(dir),
            folder: path,
            partition,
            topic_id,
        }),
        Ok(None) | Err(_) => {
            dir.remove_later(path, now().instant, std::time::Duration::ZERO);
            None
        }
    }
}

/// Makes a copy the log: the name of its folder then.
fn adopt_copy(copy: &FoundCopy) -> std::io::Result<String> {
    let name = partition_folder::folder_name(&copy.partition);
    tracing::warn!(
        folder = %copy.folder.display(),
        "a copy takes the place of a log whose directory is gone"
    );
    let disk = copy.dir.log_dir.disk();
    disk.rename(&copy.folder, &copy.dir.path().join(&name))?;
    disk.sync_dir(copy.dir.path())?;
    Ok(name)
}

fn open_log(
    dir: &DataDir,
    found: &Found,
    config: &Arc<LogConfig>,
    opening: &Opening,
) -> Result<Log, StorageError> {
    let disk = Arc::clone(dir.log_dir.disk());
    Log::open(disk, &found.folder, Arc::clone(config), opening)
}
