//! A log directory in use: the count of its partitions, the checkpoint entries of logs that could not be
//! opened, its queue of syncs, and the folders that are about to be removed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::late::LateWork;
use super::slow_lane::SlowLane;
use super::sync_queue::SyncQueue;
use crate::model::{Offset, TopicId, TopicPartition};
use crate::replication::partition::Partition;
use crate::storage::checkpoint::{
    self, CLEANER_FILE, HIGH_WATERMARK_FILE, LOG_START_FILE, Offsets, RECOVERY_POINT_FILE,
    StateFileError,
};
use crate::storage::error::is_out_of_room;
use crate::storage::last_use::{self, LAST_USE_FILE};
use crate::storage::log_dir::LogDir;
use crate::storage::partition_folder::{self, FolderMark};
use crate::telemetry::LogGate;

/// A topic may have thousands of partitions.
static REMOVED: LogGate = LogGate::of_many(100);

/// After so many synced bytes the recovery points are written early: a crash would have all of these bytes
/// checked again.
const SYNCED_WORTH_A_CHECKPOINT: u64 = 64 << 20;

/// A log directory, with what the broker remembers about it.
#[derive(Debug)]
pub struct DataDir {
    pub log_dir: Arc<LogDir>,
    pub syncs: SyncQueue,
    pub slow_lane: Arc<SlowLane>,
    /// What waits for a disk that hangs.
    pub late: LateWork,
    /// Whether it gets no new replicas.
    is_cordoned: AtomicBool,
    partition_count: AtomicUsize,
    /// Checkpoint entries of logs that could not be opened: without its recovery point a damaged log would
    /// be cut at the next start.
    unopened: Mutex<Checkpoints>,
    removals: Mutex<Vec<Removal>>,
    /// The folders that were set aside; `None` as long as nobody has looked for them.
    pub set_aside_folders: Mutex<Option<Vec<SetAside>>>,
    /// How many looks in a row have found the same append under way, see [`super::stall`].
    pub stuck_looks: AtomicUsize,
    /// The checksum of what was last written to each checkpoint.
    written: Mutex<BTreeMap<CheckpointKind, u64>>,
    /// Held while offsets are gathered and written to a checkpoint. Has a digest of what the high watermarks
    /// were when they were last written.
    pub checkpointing: Mutex<Option<u64>>,
    /// Bytes that were synced since that count last led to writing the recovery points.
    synced: AtomicU64,
}

/// The checkpoints of a log directory.
#[derive(Clone, Debug, Default)]
pub struct Checkpoints {
    pub recovery_points: Offsets,
    pub high_watermarks: Offsets,
    pub log_starts: Offsets,
    pub cleaned: Offsets,
}

/// One of the files of [`Checkpoints`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckpointKind {
    RecoveryPoint,
    HighWatermark,
    LogStart,
    Cleaned,
}

impl CheckpointKind {
    pub const ALL: [Self; 4] = [
        Self::RecoveryPoint,
        Self::HighWatermark,
        Self::LogStart,
        Self::Cleaned,
    ];

    fn file(self) -> &'static str {
        match self {
            Self::RecoveryPoint => RECOVERY_POINT_FILE,
            Self::HighWatermark => HIGH_WATERMARK_FILE,
            Self::LogStart => LOG_START_FILE,
            Self::Cleaned => CLEANER_FILE,
        }
    }

    /// The checkpoint's entry for a partition; `None` if it has none.
    pub fn offset_of(self, partition: &Partition) -> Option<Offset> {
        match self {
            Self::RecoveryPoint => Some(partition.recovery_point()),
            Self::HighWatermark => Some(partition.high_watermark()),
            Self::LogStart => {
                let start = partition.log_start_to_checkpoint();
                Some(start).filter(|&start| start > Offset::ZERO)
            }
            Self::Cleaned => partition.cleaned_offset(),
        }
    }
}

impl Checkpoints {
    fn of_mut(&mut self, kind: CheckpointKind) -> &mut Offsets {
        match kind {
            CheckpointKind::RecoveryPoint => &mut self.recovery_points,
            CheckpointKind::HighWatermark => &mut self.high_watermarks,
            CheckpointKind::LogStart => &mut self.log_starts,
            CheckpointKind::Cleaned => &mut self.cleaned,
        }
    }
}

/// A folder that was set aside.
#[derive(Debug)]
pub struct SetAside {
    /// Its name.
    pub folder: String,
    /// The partition, of whose topic the folder's name may have the beginning only.
    pub partition: TopicPartition,
    /// Whether all that is in it is on another broker.
    pub may_go: bool,
}

#[derive(Debug)]
struct Removal {
    folder: PathBuf,
    due: Instant,
}

impl DataDir {
    pub fn new(log_dir: Arc<LogDir>) -> Self {
        Self {
            log_dir,
            syncs: SyncQueue::default(),
            slow_lane: Arc::default(),
            late: LateWork::default(),
            is_cordoned: AtomicBool::new(false),
            partition_count: AtomicUsize::new(0),
            unopened: Mutex::default(),
            removals: Mutex::default(),
            set_aside_folders: Mutex::default(),
            stuck_looks: AtomicUsize::new(0),
            written: Mutex::default(),
            checkpointing: Mutex::default(),
            synced: AtomicU64::new(0),
        }
    }

    /// Notes that so many bytes were synced. Returns whether the recovery points should be written now.
    pub fn is_checkpoint_due(&self, bytes: u64) -> bool {
        let before = self.synced.fetch_add(bytes, Ordering::Relaxed);
        let is_due = before + bytes >= SYNCED_WORTH_A_CHECKPOINT;
        // If several threads find it due, each may write: that is right, only needless.
        if is_due {
            self.synced.store(0, Ordering::Relaxed);
        }
        is_due
    }

    pub fn path(&self) -> &Path {
        self.log_dir.path()
    }

    /// How many partitions the directory has: new ones go where the fewest are.
    pub fn partition_count(&self) -> usize {
        self.partition_count.load(Ordering::Relaxed)
    }

    /// Whether the directory gets no new replicas (`cordoned.log.dirs`).
    pub fn is_cordoned(&self) -> bool {
        self.is_cordoned.load(Ordering::Relaxed)
    }

    pub fn set_cordoned(&self, is_cordoned: bool) {
        self.is_cordoned.store(is_cordoned, Ordering::Relaxed);
    }

    pub fn partition_added(&self) {
        self.partition_count.fetch_add(1, Ordering::Relaxed);
    }

    pub fn partition_removed(&self) {
        self.partition_count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Reads the checkpoints. A damaged one counts as empty, so that the logs are read instead.
    pub fn read_checkpoints(&self) -> Result<Checkpoints, StateFileError> {
        let mut checkpoints = Checkpoints::default();
        for kind in CheckpointKind::ALL {
            let path = self.path().join(kind.file());
            *checkpoints.of_mut(kind) = match checkpoint::read_offsets(
                &**self.log_dir.disk(),
                &path,
            ) {
                Err(StateFileError::Damaged { path, found }) => {
                    tracing::warn!(file = %path.display(), found, "ignoring a damaged checkpoint");
                    Offsets::new()
                }
                read => read?,
            };
        }
        Ok(checkpoints)
    }

    /// A checksum of the entries of logs that could not be opened.
    pub fn unopened_checksum(&self, kind: CheckpointKind) -> u64 {
        checksum(self.unopened.lock().of_mut(kind))
    }

    /// Writes a checkpoint with these entries, and those of the logs that could not be opened.
    pub fn write_checkpoint(
        &self,
        kind: CheckpointKind,
        mut entries: Offsets,
    ) -> Result<(), StateFileError> {
        for (partition, offset) in self.unopened.lock().of_mut(kind).iter() {
            entries.entry(partition.clone()).or_insert(*offset);
        }
        let checksum = checksum(&entries);
        if self.written.lock().get(&kind) == Some(&checksum) {
            // Nothing has moved since: an idle disk may sleep.
            return Ok(());
        }
        let path = self.path().join(kind.file());
        let disk = &**self.log_dir.disk();
        self.log_dir
            .write_state(|| checkpoint::write_offsets(disk, &path, &entries))?;
        self.written.lock().insert(kind, checksum);
        self.note_use(|generation| last_use::note_running(disk, self.path(), generation))
    }

    /// Notes how the directory is left, so that the next start knows if anybody else has used it since.
    pub fn note_use(&self, note: impl FnOnce(u64) -> io::Result<()>) -> Result<(), StateFileError> {
        match note(self.log_dir.generation()) {
            // Without it the next start trusts no list of segments, which is all that is lost.
            Err(source) if is_out_of_room(&source) => Ok(()),
            Err(source) => Err(StateFileError::Io {
                path: self.path().join(LAST_USE_FILE),
                source,
            }),
            Ok(()) => Ok(()),
        }
    }

    /// Keeps the entries of a log that could not be opened.
    pub fn keep_entries(&self, partition: &TopicPartition, checkpoints: &Checkpoints) {
        let mut unopened = self.unopened.lock();
        for kind in CheckpointKind::ALL {
            let entry = checkpoints.clone().of_mut(kind).remove(partition);
            if let Some(offset) = entry {
                unopened.of_mut(kind).insert(partition.clone(), offset);
            }
        }
    }

    /// Keeps the checkpoint entries of a log that goes offline alone.
    pub fn keep_entries_of(&self, partition: &Partition) {
        let mut unopened = self.unopened.lock();
        for kind in CheckpointKind::ALL {
            if let Some(offset) = kind.offset_of(partition) {
                let name = partition.name().clone();
                unopened.of_mut(kind).insert(name, offset);
            }
        }
    }

    /// Keeps the entries that will hold for a copy of a partition's log when it takes the log's place here.
    /// The copy is durable below `flushed_offset`; with `is_clean` it is compacted as far as the log.
    pub fn keep_entries_of_copy(
        &self,
        partition: &Partition,
        flushed_offset: Offset,
        is_clean: bool,
    ) {
        self.keep_entries_of(partition);
        let mut unopened = self.unopened.lock();
        let recovery_points = unopened.of_mut(CheckpointKind::RecoveryPoint);
        recovery_points.insert(partition.name().clone(), flushed_offset);
        if !is_clean {
            unopened
                .of_mut(CheckpointKind::Cleaned)
                .remove(partition.name());
        }
    }

    /// Forgets the entries that were kept for a partition, because its folder is gone or in use.
    pub fn drop_entries(&self, partition: &TopicPartition) {
        let mut unopened = self.unopened.lock();
        for kind in CheckpointKind::ALL {
            unopened.of_mut(kind).remove(partition);
        }
    }

    /// Makes a partition's folder, with the topic's id in it. With `sync` the id is durable at once;
    /// otherwise the sync thread makes it so.
    pub fn create_folder(
        &self,
        partition: &TopicPartition,
        topic_id: TopicId,
        sync: bool,
    ) -> io::Result<PathBuf> {
        let disk = &**self.log_dir.disk();
        let folder = self.path().join(partition_folder::folder_name(partition));
        disk.create_dir(&folder)?;
        if sync {
            partition_folder::write_topic_id(disk, &folder, topic_id)?;
        } else {
            partition_folder::write_topic_id_unsynced(disk, &folder, topic_id)?;
        }
        Ok(folder)
    }

    /// Gives a folder a name that takes it out of use.
    pub fn set_aside(
        &self,
        folder: &str,
        partition: &TopicPartition,
        mark: FolderMark,
        unique: [u8; 16],
    ) -> io::Result<()> {
        let to = partition_folder::marked_folder_name(partition, mark, unique);
        let disk = self.log_dir.disk();
        disk.rename(&self.path().join(folder), &self.path().join(to))?;
        disk.sync_dir(self.path())
    }

    /// Schedules the removal of a folder after `delay`, in which its readers have to finish.
    pub fn remove_later(&self, folder: PathBuf, now: Instant, delay: Duration) {
        let due = now.checked_add(delay).unwrap_or(now);
        self.removals.lock().push(Removal { folder, due });
    }

    /// Removes the folders whose time has come.
    pub fn remove_due(&self, now: Instant) -> io::Result<()> {
        let mut removals = self.removals.lock();
        let due: Vec<_> = removals
            .extract_if(.., |removal| removal.due <= now)
            .collect();
        drop(removals);
        for removal in due {
            if let Some(suppressed) = REMOVED.pass() {
                let folder = removal.folder.display();
                tracing::info!(%folder, suppressed, "removing a deleted partition");
            }
            self.log_dir.disk().remove(&removal.folder)?;
        }
        Ok(())
    }

    /// The checkpoint's entry for a log that is opened; 0 if it has none.
    pub fn offset_in(offsets: &Offsets, partition: &TopicPartition) -> Offset {
        offsets.get(partition).copied().unwrap_or(Offset::ZERO)
    }
}

/// A checksum by which sets of entries are told apart.
fn checksum(entries: &Offsets) -> u64 {
    let (mut names, mut offsets) = (0, 0);
    for (partition, offset) in entries {
        names = crc32c::crc32c_append(names, partition.topic.as_bytes());
        names = crc32c::crc32c_append(names, &partition.partition.to_be_bytes());
        offsets = crc32c::crc32c_append(offsets, &offset.0.to_be_bytes());
    }
    u64::from(names) << 32 | u64::from(offsets)
}
