//! The metadata log on its disk, as the quorum needs it: always synced, checked in full when it is
//! opened, never cut where it was durable once.
//!
//! Apache keeps no recovery point for this log, and cuts it at the first bad batch. This log remembers what
//! was synced, in two files of its own folder that Apache leaves alone: `synced-offset` after each sync,
//! and a checkpoint at open, at close, and now and then. Damage below the later of the two is no torn
//! write: nothing is cut, and the log is not opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::driver::{RaftConfig, RaftError};
use super::event::CommittedBatch;
use super::full_disk_driver::with_reserve;
use super::log_state::{LogState, OffsetAndEpoch};
use super::snapshot;
use super::synced_driver::SyncedMark;
use crate::model::{Offset, Timestamp, TopicPartition, Uuid};
use crate::records::{Batches, Scratch};
use crate::storage::checkpoint::{self, Offsets, RECOVERY_POINT_FILE, StateFileError};
use crate::storage::disk::{self, Disk};
use crate::storage::error::StorageError;
use crate::storage::log::{Log, Opening};
use crate::storage::log_config::LogConfig;
use crate::storage::partition_folder;
use crate::storage::reserve::Reserve;

/// How many bytes are read at once.
const READ_BYTES: u32 = 1024 * 1024;
/// The most that one compressed batch may hold. Neither this broker nor Apache compresses the log.
pub(super) const MAX_DECOMPRESSED_BYTES: usize = 256 * 1024 * 1024;

/// The metadata log of this node.
#[derive(Debug)]
pub(super) struct MetadataLog {
    disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) log: Log,
    /// Batches that wait to be written together.
    unwritten: BytesMut,
    recovery_point: Offset,
    synced: SyncedMark,
    reserve: Option<Arc<Reserve>>,
}

impl MetadataLog {
    /// Opens the log in `dir`, or makes a new one. Opening syncs it, and that is remembered once the log is
    /// verified ([`Self::remember_durable`]).
    pub(super) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        config: &RaftConfig,
        now: Timestamp,
    ) -> Result<Self, RaftError> {
        make_folder(&**disk, dir)?;
        let synced = SyncedMark::open(&**disk, dir)?;
        // The mark has a checksum and tells more; without it, a damaged checkpoint leaves nothing to go by.
        let recovery_point = match read_recovery_point(&**disk, dir) {
            Err(StateFileError::Damaged { path, found }) if synced.offset().is_some() => {
                tracing::warn!(file = %path.display(), found, "ignoring a damaged checkpoint");
                Offset::ZERO
            }
            read => read?,
        };
        let durable = durable_end(dir, synced.offset(), recovery_point);
        let opening = Opening {
            recovery_point: durable,
            ..Opening::unknown(now)
        };
        let log = Log::open(Arc::clone(disk), dir, log_config(config), &opening);
        let log = log.map_err(|error| open_error(dir, error))?;
        let mut log = Self {
            disk: Arc::clone(disk),
            dir: dir.to_owned(),
            log,
            unwritten: BytesMut::new(),
            recovery_point,
            synced,
            reserve: config.reserve.clone(),
        };
        // Recovery cuts nothing below that, so the end was missing before.
        if log.end_offset() < durable {
            let end = log.end_offset();
            let reason = format!("it ends at offset {end}, but was durable up to {durable}");
            return Err(log.damaged(reason));
        }
        log.log.flush(now)?;
        Ok(log)
    }

    /// The first offset that is kept.
    pub(super) fn start_offset(&self) -> Offset {
        self.log.log_start_offset()
    }

    /// The offset after the last record that was written.
    pub(super) fn end_offset(&self) -> Offset {
        self.log.end_offset()
    }

    /// What the state machine needs to know of the log, with these snapshots.
    pub(super) fn state(&self, snapshots: Vec<OffsetAndEpoch>) -> LogState {
        let epochs = self.log.epochs().entries();
        LogState::recovered(
            self.start_offset(),
            self.end_offset(),
            epochs.to_vec(),
            snapshots,
        )
    }

    /// Opens the log again if a full disk broke a cut off, which leaves neither the log that was nor the one
    /// that should be. The recovery point was lowered before the cut, so nothing that is gone is missed.
    pub(super) fn reopen_if_offline(&mut self, now: Timestamp) -> Result<(), RaftError> {
        if !self.log.is_offline() {
            return Ok(());
        }
        let opening = Opening {
            recovery_point: durable_end(&self.dir, self.synced.offset(), self.recovery_point),
            ..Opening::unknown(now)
        };
        let config = Arc::clone(self.log.config());
        let reserve = self.reserve.clone();
        self.log = with_reserve(reserve.as_deref(), || {
            let (disk, config) = (Arc::clone(&self.disk), Arc::clone(&config));
            let opened = Log::open(disk, &self.dir, config, &opening);
            opened.map_err(|error| open_error(&self.dir, error))
        })?;
        Ok(())
    }

    /// Whether the log has to go on from the newest snapshot: that is later than the log's end or, where
    /// snapshots are fetched (`has_peers`), of another history, as the node stopped after it had fetched the
    /// snapshot. The only voter writes each snapshot of its own log, so epochs that do not match are
    /// damage there, which [`Self::verify`] looks for.
    pub(super) fn is_behind(&self, newest: OffsetAndEpoch, has_peers: bool) -> bool {
        newest.offset > self.end_offset() || (has_peers && self.has_other_history(newest))
    }

    /// Makes the log go on from the newest snapshot, if it is behind that. Refuses a log whose beginning no
    /// snapshot covers.
    pub(super) fn align_with_snapshot(
        &mut self,
        newest: Option<OffsetAndEpoch>,
        has_peers: bool,
        now: Timestamp,
    ) -> Result<(), RaftError> {
        if let Some(id) = newest
            && self.is_behind(id, has_peers)
        {
            return self.restart_at(id.offset, now);
        }
        let start = self.start_offset();
        if start > Offset::ZERO && newest.is_none_or(|id| id.offset < start) {
            let reason =
                format!("it begins at offset {start}, but there is no snapshot up to there");
            return Err(self.damaged(reason));
        }
        Ok(())
    }

    /// Empties the log, durably, so that it goes on at this offset, up to which there is a snapshot.
    pub(super) fn restart_at(&mut self, offset: Offset, now: Timestamp) -> Result<(), RaftError> {
        assert!(
            self.unwritten.is_empty(),
            "what was fetched is flushed before a snapshot takes its place"
        );
        self.lower_recovery_point(Offset::ZERO)?;
        self.log.truncate_fully(offset, offset, now)?;
        self.flush(now)?;
        self.save_recovery_point()
    }

    /// Whether the log is not what this snapshot stands for, as far as it has records.
    fn has_other_history(&self, id: OffsetAndEpoch) -> bool {
        let has_epochs = self.log.epochs().latest().is_some();
        has_epochs && !self.state(Vec::new()).has(id)
    }

    /// The next batches from `from` on that are below `up_to`; none if the first goes beyond that.
    pub(super) fn read(
        &self,
        from: Offset,
        up_to: Offset,
    ) -> Result<Vec<CommittedBatch>, RaftError> {
        let content = self.read_bytes(from, up_to)?;
        let mut scratch = Scratch::with_limit(MAX_DECOMPRESSED_BYTES);
        let mut batches = Vec::new();
        let mut is_there = false;
        for batch in Batches::new(&content) {
            let batch = batch.map_err(|error| self.damaged_at(from, error))?;
            is_there = true;
            if batch.last_offset() >= up_to {
                break;
            }
            batch
                .check_crc()
                .map_err(|error| self.damaged_at(batch.base_offset(), error))?;
            let records = if batch.is_control() {
                Vec::new()
            } else {
                snapshot::values(&content, &batch, &mut scratch)
                    .map_err(|error| self.damaged_at(batch.base_offset(), error))?
            };
            batches.push(CommittedBatch {
                base_offset: batch.base_offset(),
                last_offset: batch.last_offset(),
                epoch: batch.partition_leader_epoch(),
                append_time: batch.max_timestamp(),
                records,
            });
        }
        if !is_there {
            return Err(self.damaged(format!("nothing can be read at offset {from}")));
        }
        Ok(batches)
    }

    /// Takes a batch that follows the end of the log; it is written with the next flush.
    pub(super) fn append(&mut self, batch: &Bytes) {
        self.unwritten.extend_from_slice(batch);
    }

    /// Writes the batches that wait, in one write if they fit one segment, and syncs them. On a full disk
    /// it uses the reserve.
    pub(super) fn flush(&mut self, now: Timestamp) -> Result<(), RaftError> {
        let reserve = self.reserve.clone();
        with_reserve(reserve.as_deref(), || self.write_out(now))
    }

    fn write_out(&mut self, now: Timestamp) -> Result<(), RaftError> {
        if !self.unwritten.is_empty() {
            self.log.append_as_follower(&self.unwritten, now)?;
            self.unwritten.clear();
        }
        self.log.flush(now)?;
        Ok(self.synced.set(self.log.flushed_offset())?)
    }

    /// Forgets the batches that wait to be written.
    pub(super) fn discard_unwritten(&mut self) {
        self.unwritten.clear();
    }

    /// Removes everything at and above an offset, durably.
    pub(super) fn truncate(&mut self, offset: Offset, now: Timestamp) -> Result<(), RaftError> {
        assert!(
            self.unwritten.is_empty(),
            "what was fetched is flushed before more is fetched"
        );
        self.lower_recovery_point(offset)?;
        self.log.truncate_to(offset, now)?;
        self.flush(now)
    }

    /// Closes the active segment, so that what is in it can be deleted.
    pub(super) fn roll(&mut self, now: Timestamp) -> Result<(), RaftError> {
        self.flush(now)?;
        let reserve = self.reserve.clone();
        with_reserve(reserve.as_deref(), || Ok(self.log.roll(now)?))?;
        self.flush(now)
    }

    /// Moves the start of the log up to a snapshot and deletes the segments below it.
    pub(super) fn delete_before(
        &mut self,
        offset: Offset,
        now: Timestamp,
    ) -> Result<(), RaftError> {
        self.log.raise_log_start_offset(offset);
        for _ in 0..self.dead_segments(offset) {
            // One segment after the other, durably: Apache keeps no start offset for this log, so it would
            // take a hole between its segments for lost data.
            let next_base = self.log.view().segments()[1].base_offset;
            self.log.delete_below(next_base, now)?;
            self.flush(now)?;
        }
        Ok(())
    }

    /// The size of the segments that hold this offset and later ones, in bytes.
    pub(super) fn size_from(&self, offset: Offset) -> u64 {
        let segments = self.log.view().segments();
        let live = &segments[self.dead_segments(offset)..];
        live.iter().map(|segment| segment.size).sum()
    }

    /// How many segments end at or below this offset.
    fn dead_segments(&self, offset: Offset) -> usize {
        let segments = self.log.view().segments();
        let next_bases = segments.iter().skip(1).map(|next| next.base_offset);
        next_bases
            .take_while(|next_base| *next_base <= offset)
            .count()
    }

    /// Periodic work: removes deleted files that nobody reads any more, and saves how far the log is
    /// durable.
    pub(super) fn tend(&mut self, now: Timestamp) -> Result<(), RaftError> {
        for files in self.log.take_due_deletions(now) {
            files.remove()?;
        }
        self.save_recovery_point()
    }

    /// Writes the batches that wait, and closes the log in order.
    pub(super) fn close(&mut self, now: Timestamp) -> Result<(), RaftError> {
        self.flush(now)?;
        self.log.close(now)?;
        self.save_recovery_point()
    }

    pub(super) fn read_bytes(&self, from: Offset, up_to: Offset) -> Result<Bytes, RaftError> {
        self.read_at_most(READ_BYTES, from, up_to)
    }

    /// What is written from an offset on, as it is on disk; the first batch is whole in any case.
    pub(super) fn read_for_replica(
        &self,
        from: Offset,
        max_bytes: u32,
    ) -> Result<Bytes, RaftError> {
        self.read_at_most(max_bytes, from, self.end_offset())
    }

    fn read_at_most(&self, bytes: u32, from: Offset, up_to: Offset) -> Result<Bytes, RaftError> {
        let plan = self
            .log
            .locate(from, up_to)
            .map_err(|error| self.damaged_at(from, error))?;
        let outcome = plan.read(bytes, true)?;
        disk::read_payload(outcome.payload).map_err(|source| {
            RaftError::Log(StorageError::Io {
                action: "read",
                path: self.dir.clone(),
                source,
            })
        })
    }

    /// Whether a power cut may take back what is remembered of the last sync.
    pub(super) fn has_unsynced_mark(&self) -> bool {
        self.synced.is_unsynced()
    }

    /// Makes durable what is remembered of the last sync.
    pub(super) fn sync_mark(&mut self) -> Result<(), RaftError> {
        Ok(self.synced.sync()?)
    }

    /// Writes down, durably, that the whole log is durable.
    pub(super) fn remember_durable(&mut self) -> Result<(), RaftError> {
        self.synced.set(self.log.flushed_offset())?;
        self.save_recovery_point()
    }

    fn save_recovery_point(&mut self) -> Result<(), RaftError> {
        let flushed = self.log.flushed_offset();
        if flushed != self.recovery_point {
            self.write_recovery_point(flushed)?;
        }
        Ok(())
    }

    /// Lowers the recovery point before a cut: after a crash the log must not look as if it had lost its
    /// end.
    fn lower_recovery_point(&mut self, offset: Offset) -> Result<(), RaftError> {
        if offset < self.recovery_point || Some(offset) < self.synced.offset() {
            self.write_recovery_point(offset)?;
        }
        Ok(())
    }

    /// Writes the mark before the checkpoint, so that on stable storage it is never below that.
    fn write_recovery_point(&mut self, offset: Offset) -> Result<(), RaftError> {
        self.synced.set(offset)?;
        self.synced.sync()?;
        let offsets = Offsets::from([(partition(), offset)]);
        let path = self.dir.join(RECOVERY_POINT_FILE);
        checkpoint::write_offsets(&*self.disk, &path, &offsets)?;
        self.recovery_point = offset;
        Ok(())
    }

    pub(super) fn damaged(&self, reason: String) -> RaftError {
        RaftError::Damaged {
            path: self.dir.clone(),
            reason,
        }
    }

    pub(super) fn damaged_at(&self, offset: Offset, error: impl std::fmt::Display) -> RaftError {
        self.damaged(format!("at offset {offset}: {error}"))
    }
}

fn partition() -> TopicPartition {
    TopicPartition::new("__cluster_metadata", 0)
}

/// Makes the folder if it is missing, with the id of the metadata topic in it.
fn make_folder(disk: &dyn Disk, dir: &Path) -> Result<(), RaftError> {
    let failed = |source| {
        RaftError::Log(StorageError::Io {
            action: "make",
            path: dir.to_owned(),
            source,
        })
    };
    disk.create_dir(dir).map_err(failed)?;
    let topic_id = match partition_folder::read_topic_id(disk, dir) {
        // The metadata topic has one id only, so a damaged file is written again.
        Err(error @ StateFileError::Damaged { .. }) => {
            tracing::warn!(%error, "writing the topic id of the metadata log again");
            None
        }
        read => read?,
    };
    match topic_id {
        Some(Uuid::METADATA_TOPIC) => Ok(()),
        Some(other) => Err(RaftError::Damaged {
            path: dir.to_owned(),
            reason: format!("its partition.metadata names the topic {other}"),
        }),
        None => partition_folder::write_topic_id(disk, dir, Uuid::METADATA_TOPIC).map_err(failed),
    }
}

fn read_recovery_point(disk: &dyn Disk, dir: &Path) -> Result<Offset, StateFileError> {
    let offsets = checkpoint::read_offsets(disk, &dir.join(RECOVERY_POINT_FILE))?;
    Ok(offsets.get(&partition()).copied().unwrap_or(Offset::ZERO))
}

/// The offset up to which the log was durable when the node last ran.
fn durable_end(dir: &Path, synced: Option<Offset>, recovery_point: Offset) -> Offset {
    let Some(synced) = synced else {
        return recovery_point;
    };
    // The mark has a checksum, and on disk the checkpoint was never above it: such a checkpoint is damaged.
    if recovery_point > synced {
        let dir = dir.display();
        tracing::warn!(%dir, %recovery_point, %synced, "the recovery point is too high: ignoring it");
    }
    synced
}

/// The log's settings: segments are deleted only below a snapshot, never for their age or size.
fn log_config(config: &RaftConfig) -> Arc<LogConfig> {
    Arc::new(LogConfig {
        segment_bytes: config.segment_bytes,
        segment_ms: config.segment_ms,
        retention_ms: -1,
        retention_bytes: -1,
        ..LogConfig::default()
    })
}

fn open_error(dir: &Path, error: StorageError) -> RaftError {
    match error {
        StorageError::Corrupt { .. } | StorageError::Inconsistent { .. } => RaftError::Damaged {
            path: dir.to_owned(),
            reason: error.to_string(),
        },
        other => RaftError::Log(other),
    }
}
