//! Opens a log: with few system calls after a clean stop, by recovery after any other.

use std::path::Path;
use std::sync::Arc;

use super::Log;
use super::flush::state_file_error;
use super::inventory::Recorded;
use super::recover::Bounds;
use super::roll::Tail;
use super::segment_list::SegmentList;
use crate::model::{LeaderEpoch, Offset, Timestamp};
use crate::records::BatchHeader;
use crate::storage::checkpoint::StateFileError;
use crate::storage::disk::Disk;
use crate::storage::error::StorageError;
use crate::storage::folder::Folder;
use crate::storage::leader_epochs::{EpochStart, LeaderEpochs};
use crate::storage::leftovers::{self, Known, SegmentFiles};
use crate::storage::log_config::LogConfig;
use crate::storage::producer_snapshot::ProducerSnapshots;
use crate::storage::producer_state::ProducerState;
use crate::storage::segment::Segment;

/// What the log directory knows of a log that it opens.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The entry of the recovery-point checkpoint: everything below was on stable storage.
    pub recovery_point: Offset,
    /// The entry of the log-start checkpoint; 0 if there is none.
    pub log_start_offset: Offset,
    /// Whether the log directory was closed in order.
    pub clean: bool,
    /// Tells the lists of segments that hold from those that were written before somebody else used the
    /// log directory ([`crate::storage::last_use`]); 0: no list is kept.
    pub generation: u64,
    /// The generation that a power cut has ended: its lists may be older than the files, and nobody else has used
    /// the log directory since; 0: there is none.
    pub older_generation: u64,
    /// The time now.
    pub now: Timestamp,
}

impl Opening {
    /// The opening of a log that is new, or of which nothing is known.
    pub fn unknown(now: Timestamp) -> Self {
        Self {
            recovery_point: Offset::ZERO,
            log_start_offset: Offset::ZERO,
            clean: false,
            generation: 0,
            older_generation: 0,
            now,
        }
    }
}

impl Log {
    /// Opens the log in the folder `path`, which must exist. An empty folder becomes a new log.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] if what is below the recovery point, or anything after a clean
    /// stop, is damaged: then nothing was cut.
    pub fn open(
        disk: Arc<dyn Disk>,
        path: &Path,
        config: Arc<LogConfig>,
        opening: &Opening,
    ) -> Result<Self, StorageError> {
        let folder = Arc::new(Folder::new(disk, path));
        let known = Known {
            clean: opening.clean,
            generation: opening.generation,
            older_generation: opening.older_generation,
            log_start: opening.log_start_offset,
            recovery_point: opening.recovery_point,
            compacted: config.compact,
        };
        let files = leftovers::clear(&folder, known)?;
        let epochs = LeaderEpochs::load(folder.disk(), path);
        let (epochs, epochs_lost) = match epochs {
            Ok(epochs) => (epochs, false),
            // The batches carry their epochs, so the file is only a shortcut.
            Err(StateFileError::Damaged { found, .. }) => {
                tracing::warn!(log = %path.display(), found, "reading the leader epochs from the log");
                (LeaderEpochs::default(), true)
            }
            Err(error) => return Err(state_file_error(error)),
        };
        let mut log = Self {
            segments: Arc::default(),
            log_start_offset: opening.log_start_offset,
            end_offset: opening.log_start_offset,
            flushed_offset: opening.log_start_offset,
            written: 0,
            flushed: 0,
            names: 0,
            synced_names: 0,
            folder_is_new: files.segments.is_empty(),
            last_flush: opening.now,
            offline: false,
            is_changing: false,
            tail: Tail::new(opening.now),
            epochs,
            producers: ProducerState::default(),
            snapshots: ProducerSnapshots::at(files.snapshots),
            deletions: Vec::new(),
            recorded: Recorded::found(opening.generation, files.has_inventory, files.inventory),
            pending_swap: None,
            cleaned_offset: None,
            folder,
            config,
        };
        let rescan = log.add_segments(&files.segments)?;
        if log.segments.is_empty() {
            // An empty folder becomes a new log, unless something was durable here.
            if opening.recovery_point > opening.log_start_offset {
                return Err(log.lost(opening.recovery_point));
            }
            log.begin_empty(opening.log_start_offset, opening.now)?;
            log.begin_inventory()?;
            return Ok(log);
        }
        log.load(opening, rescan, files.lost_from, &files.segments)?;
        // The file has no checksum: where it is lost, or contradicts the batches, these tell.
        if epochs_lost || !log.epochs_hold()? {
            log.read_epochs()?;
        }
        log.begin_inventory()?;
        Ok(log)
    }

    /// Adds the segments that were found. Returns the offset from which the log must be scanned to make
    /// transaction indexes again, if one is damaged or lost.
    fn add_segments(&mut self, files: &[SegmentFiles]) -> Result<Option<Offset>, StorageError> {
        let mut rescan = None;
        let mut segments = Vec::with_capacity(files.len());
        for found in files {
            let opened = Segment::open(&self.folder, found, &self.config);
            let segment = opened.map_err(|error| self.folder_error("read", error))?;
            let is_whole = !found.has_aborts || segment.load_aborted()?;
            let list = self.recorded.list();
            let had = list.map_or(0, |list| list.aborts_bytes(found.base_offset));
            if !is_whole || segment.aborts_bytes() < had {
                rescan = rescan.or(Some(found.base_offset));
            }
            segments.push(Arc::new(segment));
        }
        self.segments = Arc::new(SegmentList::new(segments));
        Ok(rescan)
    }

    fn load(
        &mut self,
        opening: &Opening,
        rescan: Option<Offset>,
        lost_from: Option<Offset>,
        files: &[SegmentFiles],
    ) -> Result<(), StorageError> {
        let start = self.believed_start(files[0].base_offset, opening.log_start_offset);
        self.log_start_offset = start;
        let bases: Vec<_> = files.iter().map(|found| found.base_offset).collect();
        let path = self.folder.path();
        let cleared = self
            .snapshots
            .delete_strays(self.folder.disk(), &path, &bases);
        cleared.map_err(|error| self.folder_error("delete", error))?;
        if opening.clean && rescan.is_none() {
            self.rebuild_missing(files)?;
            self.load_end()?;
            self.check_durable(opening.recovery_point)?;
            self.flushed_offset = self.end_offset;
            self.load_producers(opening.now)?;
        } else {
            // After a clean stop the whole log was durable.
            let durable = if opening.clean {
                Offset(i64::MAX)
            } else {
                opening.recovery_point
            };
            let scan_from = rescan.unwrap_or(durable).min(durable);
            let first = self.segment_of(scan_from);
            self.rebuild_missing(&files[..first])?;
            let bounds = Bounds {
                scan_from,
                durable,
                lost_from,
            };
            self.recover(first, bounds, opening.now)?;
            self.flushed_offset = durable.min(self.end_offset);
        }
        if self.end_offset < start {
            return Err(self.starts_behind_its_end(start));
        }
        self.epochs.truncate_from_end(self.end_offset);
        self.epochs.truncate_from_start(start);
        self.producers.on_log_start(start);
        Ok(())
    }

    /// Where the log starts. The checkpoint has no checksum, and a start that is too high would hide
    /// records and have them deleted. So it is not believed above where the first leader epoch begins, or
    /// above the start in the list of segments, which were saved before it ([`Self::settle_start`]).
    fn believed_start(&self, first_base: Offset, told: Offset) -> Offset {
        let first_epoch = self.epochs.earliest().map(|it| it.start_offset);
        let known = first_epoch.into_iter().chain(self.listed_start());
        let known = known.min().unwrap_or(told);
        if told <= first_base || told <= known {
            return told.max(first_base);
        }
        let start = known.max(first_base);
        let log = self.path();
        tracing::warn!(log = %log.display(), %told, %start, "log-start-offset-checkpoint is too high");
        start
    }

    /// The error of a log that ends below its start: a start is only written to the checkpoint after the
    /// log is durable beyond it.
    fn starts_behind_its_end(&self, start: Offset) -> StorageError {
        StorageError::Inconsistent {
            path: self.path().to_path_buf(),
            reason: format!(
                "the log ends at {}, but log-start-offset-checkpoint says that it starts at {start}. \
                 Nothing is deleted: if the log is right, remove the line of the partition from that \
                 file in the log directory, and start again",
                self.end_offset
            ),
        }
    }

    /// Makes missing indexes again.
    fn rebuild_missing(&self, files: &[SegmentFiles]) -> Result<(), StorageError> {
        for (found, segment) in files.iter().zip(self.segments.iter()) {
            if !found.has_indexes {
                segment.rebuild()?;
            }
        }
        Ok(())
    }

    /// Finds the end of a log that was closed in order.
    fn load_end(&mut self) -> Result<(), StorageError> {
        let active = Arc::clone(self.active());
        active.trust_indexes()?;
        self.end_offset = active.base_offset();
        if let Some(last) = active.last_batch()? {
            let near = active.check_near(&last.header, last.header.base_offset());
            near.map_err(|reason| {
                active.corrupt(last.position, last.header.base_offset(), reason)
            })?;
            self.end_offset = last.header.next_offset();
        }
        active.largest()?;
        Ok(())
    }

    /// The index of the segment that holds `offset`; that of the first if none does.
    pub(super) fn segment_of(&self, offset: Offset) -> usize {
        self.segments
            .partition_point(|segment| segment.base_offset() <= offset)
            .saturating_sub(1)
    }

    /// Whether each epoch begins where the file says, and none is missing at the end. The file has no
    /// checksum, and a wrong start would make a follower cut its log at the wrong place.
    fn epochs_hold(&self) -> Result<bool, StorageError> {
        for entry in self.epochs.entries() {
            if !self.epoch_holds(entry)? {
                tracing::warn!(log = %self.path().display(), %entry, "the log has no such epoch");
                return Ok(false);
            }
        }
        if self.end_offset == self.log_start_offset {
            return Ok(true);
        }
        let last = self.batch_at(self.end_offset + -1)?;
        Ok(last.is_none_or(|batch| {
            let epoch = batch.partition_leader_epoch();
            epoch == LeaderEpoch::NONE || self.epochs.epoch_of(batch.last_offset()) == Some(epoch)
        }))
    }

    fn epoch_holds(&self, entry: &EpochStart) -> Result<bool, StorageError> {
        let offset = entry.start_offset;
        if offset >= self.end_offset {
            return Ok(true);
        }
        // A compacted log may lack the batch at the start: there is nothing to compare with then.
        let at_start = self.batch_at(offset)?.is_none_or(|batch| {
            let begins = batch.base_offset() == offset || offset == self.log_start_offset;
            batch.base_offset() > offset
                || (begins && batch.partition_leader_epoch() == entry.epoch)
        });
        if offset == self.log_start_offset {
            return Ok(at_start);
        }
        let before = self.batch_at(offset + -1)?.is_none_or(|batch| {
            batch.base_offset() >= offset || batch.partition_leader_epoch() < entry.epoch
        });
        Ok(at_start && before)
    }

    fn batch_at(&self, offset: Offset) -> Result<Option<BatchHeader>, StorageError> {
        let segment = &self.segments[self.segment_of(offset)];
        let found = segment.find(offset, segment.size())?;
        Ok(found.map(|found| found.batch.header))
    }

    /// Reads the leader epochs out of the batches.
    fn read_epochs(&mut self) -> Result<(), StorageError> {
        self.epochs.clear();
        for segment in Arc::clone(&self.segments).iter() {
            segment.each_header(segment.base_offset(), |batch| {
                let epoch = batch.header.partition_leader_epoch();
                let newer = self.epochs.latest().is_none_or(|it| it.epoch < epoch);
                if epoch > LeaderEpoch::NONE && newer {
                    self.epochs.assign(epoch, batch.header.base_offset());
                }
                Ok(true)
            })?;
        }
        self.epochs.truncate_from_start(self.log_start_offset);
        Ok(())
    }
}
