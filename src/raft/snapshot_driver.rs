//! The snapshots in the directory of the metadata log. Each is written under another name, synced, then
//! renamed, so that a file with a snapshot's name is always whole.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::log_state::OffsetAndEpoch;
use super::retention::SnapshotInfo;
use super::snapshot::{self, Snapshot, SnapshotEncoder, SnapshotError, SnapshotFile};
use crate::model::{Offset, Timestamp};
use crate::storage::disk::{self, Disk, DiskFile, OpenMode};

/// The bootstrap snapshot's name up to Kafka 4.3, in the log directory itself.
const BOOTSTRAP_FILE: &str = "bootstrap.checkpoint";
/// The suffix of a snapshot's name until it is whole.
const PART_SUFFIX: &str = ".part";
/// The suffix of a snapshot's name while it is being removed.
const DELETED_SUFFIX: &str = ".deleted";

/// Why a snapshot can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFileError {
    /// The disk failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The path of the file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The content is not a whole snapshot.
    #[error("the snapshot {} is damaged: {source}. {}", path.display(), REPAIR)]
    Damaged {
        /// The file's path.
        path: PathBuf,
        /// What is wrong with the content.
        source: SnapshotError,
    },
}

/// How much is read of a snapshot for its header, whose batch is well within this size.
const HEAD_BYTES: usize = 4096;
const REPAIR: &str = "Restore it from a backup of the metadata directory, or, if other voters are \
                      alive, remove this node's metadata directory, so that it is fetched again";

/// The snapshots of one metadata log.
#[derive(Clone, Debug)]
pub struct SnapshotStore {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl SnapshotStore {
    /// The store in `dir`, the folder of the metadata log.
    pub fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        let dir = dir.to_owned();
        Self { disk, dir }
    }

    /// Removes what a crash left over and what lies below the log's start, and returns the snapshots,
    /// ascending.
    pub fn recover(
        &self,
        log_start_offset: Offset,
    ) -> Result<Vec<OffsetAndEpoch>, SnapshotFileError> {
        let entries = self
            .disk
            .list(&self.dir)
            .map_err(self.io("list", &self.dir))?;
        let mut kept = Vec::new();
        for entry in entries {
            match SnapshotFile::of_name(&entry.name) {
                Some(SnapshotFile::Whole(id)) if id.offset >= log_start_offset => kept.push(id),
                Some(_) => self.remove(&self.dir.join(&entry.name))?,
                None => {}
            }
        }
        kept.sort_unstable();
        Ok(kept)
    }

    /// Begins a snapshot, in place of an unfinished one of the same name.
    pub fn begin(&self, id: OffsetAndEpoch) -> Result<SnapshotWriter, SnapshotFileError> {
        SnapshotWriter::create(&self.disk, self.path(id))
    }

    /// Writes a whole snapshot; `now` becomes the timestamp of its records.
    pub fn write(
        &self,
        id: OffsetAndEpoch,
        last_contained_log_timestamp: Timestamp,
        batches: impl Iterator<Item = Vec<Bytes>>,
        now: Timestamp,
    ) -> Result<(), SnapshotFileError> {
        let encoder = SnapshotEncoder::new(id, now);
        let writer = self.begin(id)?;
        let part = writer.part.clone();
        let written = write_batches(writer, encoder, last_contained_log_timestamp, batches);
        if written.is_err() {
            // The disk may be full: nothing of it may hold room. If it stays, the next start has it.
            let _ = self.disk.remove(&part);
        }
        written
    }

    /// Reads and checks a snapshot.
    pub fn read(&self, id: OffsetAndEpoch) -> Result<Snapshot, SnapshotFileError> {
        let path = self.path(id);
        let missing = || self.io("read", &path)(io::ErrorKind::NotFound.into());
        read(&*self.disk, &path)?.ok_or_else(missing)
    }

    /// Size of a snapshot in bytes; `None` when it is gone.
    pub fn size(&self, id: OffsetAndEpoch) -> Result<Option<u64>, SnapshotFileError> {
        let path = self.path(id);
        let stat = self.disk.stat(&path).map_err(self.io("look at", &path))?;
        Ok(stat.map(|stat| stat.size))
    }

    /// A part of a snapshot, from `position` on; `None` when it is gone.
    pub fn read_part(
        &self,
        id: OffsetAndEpoch,
        position: u64,
        max_bytes: u32,
    ) -> Result<Option<SnapshotPart>, SnapshotFileError> {
        let Some(size) = self.size(id)? else {
            return Ok(None);
        };
        let path = self.path(id);
        let file = self
            .disk
            .open(&path, OpenMode::Existing)
            .map_err(self.io("open", &path))?;
        let left = size.saturating_sub(position).min(u64::from(max_bytes));
        let mut bytes = vec![0; usize::try_from(left).unwrap_or(0)];
        let read = file
            .read_at(&mut bytes, position)
            .map_err(self.io("read", &path))?;
        bytes.truncate(read);
        let bytes = Bytes::from(bytes);
        Ok(Some(SnapshotPart { size, bytes }))
    }

    /// Size and age of a snapshot.
    pub fn info(&self, id: OffsetAndEpoch) -> Result<SnapshotInfo, SnapshotFileError> {
        let path = self.path(id);
        let file = self
            .disk
            .open(&path, OpenMode::Existing)
            .map_err(self.io("open", &path))?;
        let mut head = vec![0; HEAD_BYTES];
        let read = file.read_at(&mut head, 0).map_err(self.io("read", &path))?;
        let timestamp = snapshot::header_timestamp(&head[..read]);
        Ok(SnapshotInfo {
            id,
            size: file.size().map_err(self.io("look at", &path))?,
            last_contained_log_timestamp: timestamp.map_err(damaged(&path))?,
        })
    }

    /// Removes a snapshot, if it is not gone already. It is renamed first, so that no reader finds half of it.
    pub fn delete(&self, id: OffsetAndEpoch) -> Result<(), SnapshotFileError> {
        if self.size(id)?.is_none() {
            return Ok(());
        }
        let path = self.path(id);
        let deleted = with_suffix(&path, DELETED_SUFFIX);
        self.disk
            .rename(&path, &deleted)
            .map_err(self.io("rename", &path))?;
        self.remove(&deleted)
    }

    fn path(&self, id: OffsetAndEpoch) -> PathBuf {
        self.dir.join(snapshot::file_name(id))
    }

    fn remove(&self, path: &Path) -> Result<(), SnapshotFileError> {
        self.disk.remove(path).map_err(self.io("remove", path))
    }

    fn io(
        &self,
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> SnapshotFileError + use<> {
        io_error(action, path)
    }
}

/// A part of a snapshot that was read for another replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPart {
    /// The size of the whole snapshot in bytes.
    pub size: u64,
    /// The bytes of the part.
    pub bytes: Bytes,
}

/// A snapshot that is being written. Dropped before [`Self::finish`], it leaves a file that the next start
/// removes.
#[derive(Debug)]
pub struct SnapshotWriter {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    part: PathBuf,
    path: PathBuf,
    size: u64,
}

impl SnapshotWriter {
    fn create(disk: &Arc<dyn Disk>, path: PathBuf) -> Result<Self, SnapshotFileError> {
        let part = with_suffix(&path, PART_SUFFIX);
        let file = disk
            .open(&part, OpenMode::Truncate)
            .map_err(io_error("make", &part))?;
        Ok(Self {
            disk: Arc::clone(disk),
            file,
            part,
            path,
            size: 0,
        })
    }

    /// How many bytes are written.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds bytes at the end.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), SnapshotFileError> {
        self.file
            .write_at(&[IoSlice::new(bytes)], self.size)
            .map_err(io_error("write", &self.part))?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Syncs what was written and gives it its name, durably.
    pub fn finish(self) -> Result<(), SnapshotFileError> {
        self.file.sync().map_err(io_error("sync", &self.part))?;
        self.disk
            .rename(&self.part, &self.path)
            .map_err(io_error("rename", &self.part))?;
        self.file.relocate(&self.path);
        let dir = self.path.parent().unwrap_or(Path::new(""));
        self.disk.sync_dir(dir).map_err(io_error("sync", dir))
    }
}

/// The bootstrap records of a formatted log directory, from where Kafka up to 4.3 keeps them or
/// where 4.4 does; `None` if it has none. `metadata_dir` is the folder of the metadata log.
pub fn read_bootstrap(
    disk: &dyn Disk,
    log_dir: &Path,
    metadata_dir: &Path,
) -> Result<Option<Vec<Bytes>>, SnapshotFileError> {
    let places = [
        log_dir.join(BOOTSTRAP_FILE),
        metadata_dir.join(snapshot::file_name(OffsetAndEpoch::BOOTSTRAP)),
    ];
    for path in places {
        if let Some(snapshot) = read(disk, &path)? {
            return Ok(Some(snapshot.batches.concat()));
        }
    }
    Ok(None)
}

/// Writes the bootstrap records as the format command of Kafka up to 4.3 does.
pub fn write_bootstrap(
    disk: &Arc<dyn Disk>,
    log_dir: &Path,
    records: Vec<Bytes>,
    now: Timestamp,
) -> Result<(), SnapshotFileError> {
    let encoder = SnapshotEncoder::new(OffsetAndEpoch::BOOTSTRAP, now);
    let writer = SnapshotWriter::create(disk, log_dir.join(BOOTSTRAP_FILE))?;
    write_batches(writer, encoder, Timestamp(0), std::iter::once(records))
}

fn write_batches(
    mut writer: SnapshotWriter,
    mut encoder: SnapshotEncoder,
    last_contained_log_timestamp: Timestamp,
    batches: impl Iterator<Item = Vec<Bytes>>,
) -> Result<(), SnapshotFileError> {
    writer.append(&encoder.header(last_contained_log_timestamp))?;
    for records in batches {
        for batch in encoder.records(&records) {
            writer.append(&batch)?;
        }
    }
    writer.append(&encoder.footer())?;
    writer.finish()
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Snapshot>, SnapshotFileError> {
    let content = disk::read_file(disk, path).map_err(io_error("read", path))?;
    let snapshot = content.map(|content| Snapshot::parse(&Bytes::from(content)));
    snapshot.transpose().map_err(damaged(path))
}

fn damaged(path: &Path) -> impl FnOnce(SnapshotError) -> SnapshotFileError + use<> {
    let path = path.to_owned();
    move |source| SnapshotFileError::Damaged { path, source }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn io_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> SnapshotFileError + use<> {
    let path = path.to_owned();
    move |source| SnapshotFileError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doubles::{CrashDisk, Fault, Tear};

    const DIR: &str = "log/__cluster_metadata-0";
    const ID: OffsetAndEpoch = OffsetAndEpoch::new(99, 2);

    fn empty_disk() -> CrashDisk {
        let disk = CrashDisk::new();
        disk.create_dir(Path::new(DIR)).unwrap();
        disk.sync_dir(Path::new("")).unwrap();
        disk.sync_dir(Path::new("log")).unwrap();
        disk
    }

    fn store(disk: &CrashDisk) -> SnapshotStore {
        SnapshotStore::new(Arc::new(disk.clone()), Path::new(DIR))
    }

    fn records() -> Vec<Vec<Bytes>> {
        vec![vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")]]
    }

    fn write(disk: &CrashDisk) -> Result<(), SnapshotFileError> {
        store(disk).write(ID, Timestamp(7), records().into_iter(), Timestamp(8))
    }

    #[test]
    fn a_snapshot_that_is_found_after_a_power_cut_is_whole() {
        for operation in 0.. {
            let disk = empty_disk();
            disk.inject(disk.operations() + operation, Fault::PowerCut);

            let written = write(&disk);

            for tear in [Tear::Lost, Tear::Kept, Tear::Torn(operation)] {
                let after = disk.after_power_cut(tear);
                let found = store(&after).recover(Offset::ZERO).unwrap();
                assert!(
                    written.is_err() || found == [ID],
                    "operation {operation}, {tear:?}"
                );
                for id in found {
                    assert_eq!(store(&after).read(id).unwrap().batches, records());
                }
                let names = after.list(Path::new(DIR)).unwrap();
                assert!(names.iter().all(|entry| !entry.name.ends_with(PART_SUFFIX)));
            }
            if written.is_ok() {
                return;
            }
        }
    }

    #[test]
    fn snapshots_below_the_log_start_are_removed_at_start() {
        let disk = empty_disk();
        write(&disk).unwrap();

        assert_eq!(store(&disk).recover(Offset(99)).unwrap(), [ID]);
        assert_eq!(store(&disk).recover(Offset(100)).unwrap(), []);
        assert_eq!(store(&disk).recover(Offset::ZERO).unwrap(), []);
    }

    #[test]
    fn a_deleted_snapshot_is_gone() {
        let disk = empty_disk();
        write(&disk).unwrap();

        for _ in 0..2 {
            store(&disk).delete(ID).unwrap();

            assert_eq!(store(&disk).size(ID).unwrap(), None);
        }
        assert_eq!(disk.list(Path::new(DIR)).unwrap(), []);
    }

    #[test]
    fn a_part_is_read_of_a_snapshot_that_is_there_and_of_no_other() {
        let disk = empty_disk();
        write(&disk).unwrap();
        let store = store(&disk);
        let whole = store.read_part(ID, 0, u32::MAX).unwrap().unwrap();
        assert_eq!(whole.bytes.len() as u64, whole.size);

        let part = store.read_part(ID, 10, 5).unwrap().unwrap();
        assert_eq!(part.bytes, whole.bytes[10..15]);
        let behind = store.read_part(ID, u64::MAX, 5).unwrap().unwrap();
        assert_eq!((behind.size, behind.bytes.len()), (whole.size, 0));
        for (offset, epoch) in [(98, 2), (99, 1), (i64::MIN, 1), (i64::MAX, i32::MAX)] {
            let other = OffsetAndEpoch::new(offset, epoch);
            assert_eq!(store.read_part(other, 0, 5).unwrap(), None);
        }
    }

    #[test]
    fn a_damaged_snapshot_says_what_to_do() {
        let disk = empty_disk();
        let path = Path::new(DIR).join(snapshot::file_name(ID));
        disk::replace_file(&disk, &path, b"rubbish").unwrap();

        let message = store(&disk).read(ID).unwrap_err().to_string();

        assert!(
            message.contains("-0000000002.checkpoint is damaged"),
            "{message}"
        );
        assert!(message.contains("Restore it from a backup"), "{message}");
    }

    #[test]
    fn bootstrap_records_are_found_in_both_places() {
        let disk = empty_disk();
        let (log_dir, metadata_dir) = (Path::new("log"), Path::new(DIR));
        let read = |disk: &CrashDisk| read_bootstrap(disk, log_dir, metadata_dir).unwrap();
        assert_eq!(read(&disk), None);

        let of_4_4 = store(&disk);
        of_4_4
            .write(
                OffsetAndEpoch::BOOTSTRAP,
                Timestamp(0),
                records().into_iter(),
                Timestamp(1),
            )
            .unwrap();
        assert_eq!(read(&disk), Some(records().concat()));

        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let older = vec![Bytes::from_static(b"three")];
        write_bootstrap(&shared, log_dir, older.clone(), Timestamp(1)).unwrap();
        assert_eq!(read(&disk), Some(older));
    }
}
