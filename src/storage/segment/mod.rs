//! One segment of a log: a file of batches, its two indexes and its aborted transactions.
//!
//! A segment is shared by the log, which alone changes it, and by readers outside the partition's lock.
//! Readers never look beyond the size that they were given under that lock, so they see whole batches only,
//! unless the log is cut beneath them.

mod aborts;
mod lookup;
mod rebuild;
mod stage;
mod time_lookup;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::disk::{self, Borrower, DiskFile, OpenMode};
use super::error::StorageError;
use super::folder::{FileKind, Folder, Stage};
use super::index_file::IndexFault;
use super::leftovers::SegmentFiles;
use super::log_config::LogConfig;
use super::offset_index::{OffsetEntry, OffsetIndex};
use super::producer_snapshot::{self, Expiry};
use super::producer_state::ProducerState;
use super::time_index::{TimeEntry, TimeIndex};
use super::transaction_index::TransactionIndex;
use crate::model::{Offset, Timestamp};
use crate::protocol::payload::Payload;
use crate::records::BatchHeader;

pub(super) use lookup::Border;
pub use time_lookup::TimedOffset;

use lookup::Cursors;

/// A timestamp and the last offset of the first batch that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimestampOffset {
    pub(super) timestamp: Timestamp,
    pub(super) offset: Offset,
}

/// A segment, named by its base offset: no offset in it is lower.
#[derive(Debug)]
pub(super) struct Segment {
    base_offset: Offset,
    folder: Arc<Folder>,
    log: Arc<dyn DiskFile>,
    size: AtomicU64,
    /// Bytes between index entries, in case the indexes must be made again.
    index_interval: u32,
    deleted: AtomicBool,
    /// Whether its files must not be opened any more, because their names may be another segment's.
    detached: AtomicBool,
    /// The stage of its files, as a number of [`Stage`]. It changes under the locks of the indexes and of
    /// the aborted transactions.
    stage: AtomicU8,
    /// The largest timestamp of the first batch, or [`UNKNOWN`].
    first_timestamp: AtomicI64,
    indexes: Mutex<Indexes>,
    transactions: Mutex<TransactionIndex>,
    /// Whether the aborted transactions were compared with the batches: their file has no checksum.
    aborts_checked: AtomicBool,
    cursors: Mutex<Cursors>,
}

/// The value of a first timestamp that was not read yet.
const UNKNOWN: i64 = i64::MIN;

/// The indexes, as far as they were needed yet.
#[derive(Debug, Default)]
struct Indexes {
    offsets: Option<OffsetIndex>,
    times: Option<TimeIndex>,
    /// The largest timestamp in the segment, once it is known.
    largest: Option<TimestampOffset>,
}

impl Segment {
    /// Makes an empty segment. Existing files of its names are overwritten.
    pub(super) fn create(
        folder: &Arc<Folder>,
        base_offset: Offset,
        config: &LogConfig,
    ) -> io::Result<Self> {
        let create = || {
            let segment = Self::create_staged(folder, base_offset, Stage::Live, config)?;
            if config.preallocate {
                segment.log.set_len(config.segment_bytes.into())?;
            }
            Ok(segment)
        };
        create().inspect_err(|_| {
            // Once the log has gone on elsewhere, an index without its log would look as if that were lost.
            for kind in FileKind::SEGMENT {
                // A disk that fails here, too, takes the log offline; its next start clears this up.
                let _ = folder.disk().remove(&folder.file(base_offset, kind));
            }
        })
    }

    /// Makes an empty segment whose files have the names of `stage`.
    pub(super) fn create_staged(
        folder: &Arc<Folder>,
        base_offset: Offset,
        stage: Stage,
        config: &LogConfig,
    ) -> io::Result<Self> {
        let open = |kind| {
            let path = folder.staged(base_offset, kind, stage);
            folder.disk().open(&path, OpenMode::Truncate)
        };
        let indexes = Indexes {
            offsets: Some(OffsetIndex::empty(open(FileKind::OffsetIndex)?)),
            times: Some(TimeIndex::empty(open(FileKind::TimeIndex)?)),
            largest: Some(TimestampOffset {
                timestamp: Timestamp::NONE,
                offset: base_offset,
            }),
        };
        let log = open(FileKind::Log)?;
        Ok(Self {
            indexes: Mutex::new(indexes),
            stage: AtomicU8::new(stage as u8),
            ..Self::on(folder, base_offset, log, config.index_interval_bytes)
        })
    }

    /// A segment that exists. Nothing of it is read yet.
    pub(super) fn open(
        folder: &Arc<Folder>,
        found: &SegmentFiles,
        config: &LogConfig,
    ) -> io::Result<Self> {
        let base_offset = found.base_offset;
        let log = folder.open(base_offset, FileKind::Log, OpenMode::Existing)?;
        Ok(Self {
            size: AtomicU64::new(found.size),
            ..Self::on(folder, base_offset, log, config.index_interval_bytes)
        })
    }

    fn on(
        folder: &Arc<Folder>,
        base_offset: Offset,
        log: Arc<dyn DiskFile>,
        index_interval: u32,
    ) -> Self {
        Self {
            base_offset,
            folder: Arc::clone(folder),
            log,
            size: AtomicU64::new(0),
            index_interval,
            deleted: AtomicBool::new(false),
            detached: AtomicBool::new(false),
            stage: AtomicU8::new(Stage::Live as u8),
            first_timestamp: AtomicI64::new(UNKNOWN),
            indexes: Mutex::default(),
            transactions: Mutex::default(),
            aborts_checked: AtomicBool::new(true),
            cursors: Mutex::default(),
        }
    }

    pub(super) fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// The file of batches.
    pub(super) fn log(&self) -> &Arc<dyn DiskFile> {
        &self.log
    }

    pub(super) fn log_path(&self) -> PathBuf {
        self.path(FileKind::Log)
    }

    /// The size of the segment's batches in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// When the segment's file was last written.
    pub(super) fn modified(&self) -> Result<Timestamp, StorageError> {
        let stat = self.folder.disk().stat(&self.log_path());
        let stat = stat.map_err(self.io("read"))?;
        stat.map(|stat| stat.modified)
            .ok_or(StorageError::SegmentDeleted)
    }

    /// Sets how far the file is filled, and so shows readers what was written.
    pub(super) fn set_size(&self, size: u64) {
        self.size.store(size, Ordering::Release);
    }

    /// `offset` as the indexes store it; `None` if it is too far from the base for a segment.
    pub(super) fn relative(&self, offset: Offset) -> Option<u32> {
        let relative = offset.0.checked_sub(self.base_offset.0)?;
        i32::try_from(relative).ok()?.try_into().ok()
    }

    fn absolute(&self, relative: u32) -> Offset {
        self.base_offset + i64::from(relative)
    }

    /// Whether one of the indexes has as many entries as `segment.index.bytes` allows. The last place of
    /// the time index is kept for the entry that is made when the segment is closed.
    pub(super) fn index_is_full(&self, index_bytes: u32) -> bool {
        let indexes = self.indexes.lock();
        let index_bytes = index_bytes as usize;
        let offsets = indexes.offsets.as_ref().map_or(0, OffsetIndex::len);
        let times = indexes.times.as_ref().map_or(0, TimeIndex::len);
        offsets >= index_bytes / 8 || times + 1 >= index_bytes / 12
    }

    /// Notes a batch that was written at `position`, and shows it to readers. With `indexed` the batch gets
    /// an index entry.
    pub(super) fn note_batch(
        &self,
        header: &BatchHeader,
        position: u64,
        indexed: bool,
    ) -> Result<(), StorageError> {
        let mut indexes = self.indexes.lock();
        // Under the lock, so that indexes which are made again meanwhile either have the batch or do not.
        self.set_size(position + header.size() as u64);
        self.add_entries(&mut indexes, header, position, indexed)
    }

    fn add_entries(
        &self,
        indexes: &mut Indexes,
        header: &BatchHeader,
        position: u64,
        indexed: bool,
    ) -> Result<(), StorageError> {
        let largest = indexes
            .largest
            .as_mut()
            .expect("a segment is appended to after its largest timestamp is known");
        if header.max_timestamp() > largest.timestamp {
            *largest = TimestampOffset {
                timestamp: header.max_timestamp(),
                offset: header.last_offset(),
            };
        }
        if !indexed {
            return Ok(());
        }
        let largest = *largest;
        let relative_offset = self
            .relative(header.last_offset())
            .expect("a batch is appended to a segment that can index it");
        let entry = OffsetEntry {
            relative_offset,
            position: u32::try_from(position).expect("a segment is smaller than 4 GiB"),
        };
        self.push_time(indexes, largest)?;
        let offsets = self.loaded_offsets(indexes)?;
        offsets.push(entry).map_err(self.io("write"))
    }

    /// Adds the largest timestamp to the time index, if it has grown since the last entry.
    fn push_time(
        &self,
        indexes: &mut Indexes,
        largest: TimestampOffset,
    ) -> Result<(), StorageError> {
        let relative_offset = self
            .relative(largest.offset)
            .expect("an offset in the segment is near its base");
        let entry = TimeEntry {
            timestamp: largest.timestamp,
            relative_offset,
        };
        let times = self.loaded_times(indexes)?;
        let before = times.last().map_or(Timestamp::NONE, |last| last.timestamp);
        if entry.timestamp > before {
            times.push(entry).map_err(self.io("write"))?;
        }
        Ok(())
    }

    /// Completes the indexes, as nothing will be appended for a while, or ever. The last entry of the time
    /// index has the largest timestamp then.
    pub(super) fn seal(&self) -> Result<(), StorageError> {
        let mut indexes = self.indexes.lock();
        if let Some(largest) = indexes.largest {
            self.push_time(&mut indexes, largest)?;
        }
        Self::write_out(&mut indexes).map_err(self.io("write"))
    }

    /// Writes the waiting entries of both indexes to their files.
    fn write_out(indexes: &mut Indexes) -> io::Result<()> {
        if let Some(times) = &mut indexes.times {
            times.write_out()?;
            times.shrink();
        }
        if let Some(offsets) = &mut indexes.offsets {
            offsets.write_out()?;
            offsets.shrink();
        }
        Ok(())
    }

    /// Cuts off the part of the file that was preallocated and not used.
    pub(super) fn trim(&self) -> Result<(), StorageError> {
        self.log.set_len(self.size()).map_err(self.io("cut"))
    }

    /// Cuts off the batches from `position` on, the position of the first batch that reaches `offset`.
    pub(super) fn truncate(&self, position: u64, offset: Offset) -> Result<(), StorageError> {
        *self.cursors.lock() = Cursors::default();
        let indexes = self.indexes.lock();
        self.first_timestamp.store(UNKNOWN, Ordering::Relaxed);
        self.set_size(position);
        self.log.set_len(position).map_err(self.io("cut"))?;
        drop(indexes);
        self.truncate_indexes(offset)?;
        self.clear_aborted(offset)
    }

    /// Drops the index entries of batches that reach `offset`.
    fn truncate_indexes(&self, offset: Offset) -> Result<(), StorageError> {
        let mut indexes = self.indexes.lock();
        let keep = self.relative(offset).unwrap_or(u32::MAX);
        let offsets = self.loaded_offsets(&mut indexes)?;
        offsets
            .truncate(|entry| entry.relative_offset < keep)
            .map_err(self.io("cut"))?;
        let times = self.loaded_times(&mut indexes)?;
        times
            .truncate(|entry| entry.relative_offset < keep)
            .map_err(self.io("cut"))?;
        indexes.largest = None;
        Ok(())
    }

    /// The producers as of the segment's base offset; `None` if there is no snapshot there.
    pub(super) fn producers_at_base(&self) -> Result<Option<ProducerState>, StorageError> {
        let path = self
            .folder
            .file(self.base_offset, FileKind::ProducerSnapshot);
        let content = disk::read_file(self.folder.disk(), &path);
        let content = content.map_err(|error| StorageError::io("read", &path, error))?;
        Ok(content
            .and_then(|bytes| producer_snapshot::decode(&bytes, self.base_offset, Expiry::NEVER)))
    }

    /// Makes the segment durable: its batches, its aborted transactions, and with `sealed` its indexes.
    /// Those of the active segment are not worth a sync, because recovery checks them.
    pub(super) fn sync(&self, sealed: bool) -> Result<(), StorageError> {
        let mut files = [Some(Arc::clone(&self.log)), None, None, None];
        files[1] = self.transactions.lock().file().cloned();
        if sealed {
            let mut indexes = self.indexes.lock();
            let Indexes { offsets, times, .. } = &mut *indexes;
            files[2] = offsets.as_mut().and_then(OffsetIndex::take_unsynced);
            files[3] = times.as_mut().and_then(TimeIndex::take_unsynced);
        }
        for file in files.into_iter().flatten() {
            match file.sync() {
                Ok(()) => {}
                Err(_) if self.deleted.load(Ordering::Acquire) => return Ok(()),
                // The cause makes no difference, a full disk included: what was written may be lost.
                Err(source) => {
                    return Err(StorageError::Io {
                        action: "sync",
                        path: self.log_path(),
                        source,
                    });
                }
            }
        }
        Ok(())
    }

    /// A part of the batches, to be sent to a socket.
    pub(super) fn region(&self, position: u64, length: u32) -> Result<Payload, StorageError> {
        self.log.region(position, length).map_err(self.io("read"))
    }

    /// Whether an answer may have a part of the batches now.
    pub(super) fn may_lend(&self, to: Borrower) -> bool {
        self.log.may_lend(to)
    }

    /// Says that the files may be gone: a reader that does not find them gets `SegmentDeleted`.
    pub(super) fn expect_gone(&self, expected: bool) {
        self.deleted.store(expected, Ordering::Release);
    }

    /// The offset index, which is read if it was not yet.
    fn loaded_offsets<'i>(
        &self,
        indexes: &'i mut Indexes,
    ) -> Result<&'i mut OffsetIndex, StorageError> {
        if indexes.offsets.is_none() {
            let opened = self.open_file(FileKind::OffsetIndex, OpenMode::Existing);
            match opened.map_err(IndexFault::from).and_then(OffsetIndex::load) {
                Ok(index) => indexes.offsets = Some(index),
                Err(fault) => self.remake(indexes, fault)?,
            }
        }
        Ok(indexes.offsets.as_mut().expect("it was loaded or made"))
    }

    /// The time index, which is read if it was not yet.
    fn loaded_times<'i>(
        &self,
        indexes: &'i mut Indexes,
    ) -> Result<&'i mut TimeIndex, StorageError> {
        if indexes.times.is_none() {
            let opened = self.open_file(FileKind::TimeIndex, OpenMode::Existing);
            match opened.map_err(IndexFault::from).and_then(TimeIndex::load) {
                Ok(index) => indexes.times = Some(index),
                Err(fault) => self.remake(indexes, fault)?,
            }
        }
        Ok(indexes.times.as_mut().expect("it was loaded or made"))
    }

    fn remake(&self, indexes: &mut Indexes, fault: IndexFault) -> Result<(), StorageError> {
        match fault {
            IndexFault::Disk(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.io("read")(error))
            }
            IndexFault::Disk(_) | IndexFault::Damaged => self.rebuild_indexes(indexes),
        }
    }

    fn lock_indexes(&self) -> MutexGuard<'_, Indexes> {
        self.indexes.lock()
    }

    /// Makes an error of the log of one of the segment's files.
    fn io(&self, action: &'static str) -> impl Fn(io::Error) -> StorageError {
        move |error| {
            let is_gone = error.kind() == io::ErrorKind::NotFound;
            if is_gone && self.deleted.load(Ordering::Acquire) {
                return StorageError::SegmentDeleted;
            }
            StorageError::io(action, &self.log_path(), error)
        }
    }
}
