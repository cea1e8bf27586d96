//! Appending: a leader's validated batch, or the batches that a leader has sent.
//!
//! A batch is checked before anything is written, written by one call, and only then noted in indexes,
//! epochs and producers: so a refused append leaves no trace.

use std::io::IoSlice;
use std::sync::Arc;

use super::Log;
use super::produced::Produced;
use super::roll::Incoming;
use crate::model::{LeaderEpoch, Offset, Timestamp};
use crate::records::validate::ValidatedBatch;
use crate::records::{Batch, BatchHeader, Batches, RecordsError, check_replicated};
use crate::storage::error::{StorageError, is_full};
use crate::storage::producer_state::{Origin, ProducerRefusal, Verdict, VerificationGuard};
use crate::storage::transaction_index::AbortedTransaction;

/// Who appends as the leader, and under which conditions.
#[derive(Clone, Copy, Debug)]
pub struct LeaderAppend {
    /// The leader's epoch, which is written into the batch.
    pub epoch: LeaderEpoch,
    /// Whether a client or a coordinator of this broker appends.
    pub origin: Origin,
    /// Whether a transaction opens only with a `guard` (`transaction.partition.verification.enable`).
    pub verify: bool,
    /// The proof that the partition belongs to the transaction (KIP-890).
    pub guard: Option<VerificationGuard>,
    /// The version of transactions that a marker is written with.
    pub transaction_version: i16,
}

impl LeaderAppend {
    /// An append for a client without transactions.
    pub fn client(epoch: LeaderEpoch) -> Self {
        Self {
            epoch,
            origin: Origin::Client,
            verify: false,
            guard: None,
            transaction_version: 0,
        }
    }

    /// An append of this broker itself: for a coordinator, or for the quorum.
    pub fn coordinator(epoch: LeaderEpoch) -> Self {
        Self {
            origin: Origin::Coordinator,
            ..Self::client(epoch)
        }
    }
}

/// Where an appended batch lies in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    /// The offset of the batch's first record.
    pub first_offset: Offset,
    /// The offset of the batch's last record.
    pub last_offset: Offset,
    /// The timestamp that the leader gave the batch, if the topic has log append times.
    pub log_append_time: Option<Timestamp>,
    /// The first offset that may be read.
    pub log_start_offset: Offset,
    /// Whether the batch was in the log already, because the producer sent it twice.
    pub duplicate: bool,
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The batch does not follow what its producer wrote before.
    #[error(transparent)]
    Producer(#[from] ProducerRefusal),
    /// The batch is larger than a segment: RECORD_LIST_TOO_LARGE.
    #[error("batch of {size} bytes is larger than a segment of {segment_bytes}")]
    LargerThanSegment {
        /// The size of the batch in bytes.
        size: u64,
        /// `segment.bytes`.
        segment_bytes: u32,
    },
    /// A batch from the leader is damaged, or does not follow the end of the log.
    #[error("batch from the leader: {0}")]
    Batch(#[from] RecordsError),
    /// A batch from the leader is of an older epoch than one before it.
    #[error("batch of epoch {found} after one of epoch {latest}")]
    EpochWentBack {
        /// The batch's epoch.
        found: LeaderEpoch,
        /// The newest epoch of the log.
        latest: LeaderEpoch,
    },
    /// The disk failed or is full, or the log is offline.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Log {
    /// Appends a batch at the end of the log, or finds where it lies if it was sent twice.
    pub fn append_as_leader(
        &mut self,
        batch: &ValidatedBatch,
        append: &LeaderAppend,
        now: Timestamp,
    ) -> Result<AppendInfo, AppendError> {
        self.check_online()?;
        assert!(
            self.epochs
                .latest()
                .is_none_or(|it| it.epoch <= append.epoch),
            "leader epochs never go back"
        );
        // Base offset and epoch lie outside the CRC: what is stored has the checksum that the producer made.
        let header = batch.header().placed_at(self.end_offset, append.epoch);
        let produced = Produced::of(&header, batch.records());
        if let Some(duplicate) = self.check_producer(&produced, append)? {
            return Ok(duplicate);
        }
        let size = header.size() as u64;
        // Duplicates were answered above: one that was stored under a larger `segment.bytes` is no error.
        if size > u64::from(self.config.segment_bytes) {
            return Err(AppendError::LargerThanSegment {
                size,
                segment_bytes: self.config.segment_bytes,
            });
        }
        let head = header.to_bytes();
        let parts = [IoSlice::new(&head), IoSlice::new(batch.records())];
        self.change(|log| {
            log.roll_if_due(&header, 0, now)?;
            let position = log.write(&parts)?;
            log.note(&header, &produced, position)
        })?;
        Ok(AppendInfo {
            first_offset: header.base_offset(),
            last_offset: header.last_offset(),
            log_append_time: batch.log_append_time(),
            log_start_offset: self.log_start_offset,
            duplicate: false,
        })
    }

    /// Appends the whole batches that the leader has sent, with their offsets and epochs. It appends all of
    /// them, or after an error none, unless the disk failed between two segments. A partial batch at the
    /// end is left out. Returns the first and last offset; `None` if there was no whole batch.
    pub fn append_as_follower(
        &mut self,
        records: &[u8],
        now: Timestamp,
    ) -> Result<Option<(Offset, Offset)>, AppendError> {
        self.check_online()?;
        let checked = check_replicated(records, self.end_offset + -1)?;
        let records = &records[..checked.size];
        self.forget_unwritten_epochs();
        self.check_epochs(records)?;
        self.change(|log| log.append_run(records, now))
            .map(|first| first.map(|first| (first, checked.last_offset)))
            .map_err(AppendError::from)
    }

    /// Appends whole, checked batches. Those that fit one segment are written by one write.
    fn append_run(
        &mut self,
        records: &[u8],
        now: Timestamp,
    ) -> Result<Option<Offset>, StorageError> {
        let mut first_offset = None;
        let mut pending = 0;
        let mut batches = Batches::new(records);
        let mut start = 0;
        while let Some(Ok(batch)) = batches.next() {
            first_offset = first_offset.or(Some(batch.base_offset()));
            let incoming = incoming(batch.header(), pending as u64);
            if self.should_roll(&incoming, now)? {
                self.append_together(&records[start..start + pending])?;
                (start, pending) = (start + pending, 0);
                self.roll_at(batch.base_offset().max(self.end_offset), now)?;
            }
            pending += batch.size();
        }
        self.append_together(&records[start..start + pending])?;
        Ok(first_offset)
    }

    fn append_together(&mut self, records: &[u8]) -> Result<(), StorageError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut position = self.write(&[IoSlice::new(records)])?;
        let mut batches = Batches::new(records);
        while let Some(Ok(batch)) = batches.next() {
            let produced = Produced::of(batch.header(), batch.record_bytes());
            self.note(batch.header(), &produced, position)?;
            position += batch.size() as u64;
        }
        Ok(())
    }

    fn check_epochs(&self, records: &[u8]) -> Result<(), AppendError> {
        let mut latest = self.epochs.latest().map(|it| it.epoch);
        for batch in Batches::new(records) {
            let found = batch?.partition_leader_epoch();
            match latest {
                Some(latest) if LeaderEpoch::NONE < found && found < latest => {
                    return Err(AppendError::EpochWentBack { found, latest });
                }
                _ => latest = latest.max(Some(found)),
            }
        }
        Ok(())
    }

    fn roll_if_due(
        &mut self,
        header: &BatchHeader,
        ahead: u64,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        if self.should_roll(&incoming(header, ahead), now)? {
            self.roll_at(header.base_offset(), now)?;
        }
        Ok(())
    }

    /// Writes at the end of the active segment, and returns the position. On a full disk the partial write
    /// is cut off again; any other failure takes the log offline.
    fn write(&mut self, parts: &[IoSlice<'_>]) -> Result<u64, StorageError> {
        let active = Arc::clone(self.active());
        let position = active.size();
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        self.reserve_room(&active, position, bytes as u64);
        let Err(error) = active.log().write_at(parts, position) else {
            self.written += bytes as u64;
            return Ok(position);
        };
        let path = active.log_path();
        if is_full(&error) {
            active
                .log()
                .set_len(position)
                .map_err(|source| StorageError::Io {
                    action: "cut",
                    path: path.clone(),
                    source,
                })?;
        }
        Err(StorageError::io("write", &path, error))
    }

    /// Notes a batch that was written in indexes, epochs and producers.
    pub(super) fn note_written(
        &mut self,
        batch: &Batch<'_>,
        position: u64,
    ) -> Result<(), StorageError> {
        let produced = Produced::of(batch.header(), batch.record_bytes());
        self.note(batch.header(), &produced, position)
    }

    fn note(
        &mut self,
        header: &BatchHeader,
        produced: &Produced,
        position: u64,
    ) -> Result<(), StorageError> {
        // A log may start within its first batch, which a follower gets whole.
        let is_first = position == 0 && self.segments.len() == 1;
        assert!(
            header.base_offset() >= self.end_offset
                || is_first && header.last_offset() >= self.end_offset,
            "offsets in a log rise: {} after {}",
            header.base_offset(),
            self.end_offset
        );
        let active = Arc::clone(self.active());
        let interval = self.config.index_interval_bytes;
        let indexed = self.tail.note(&active, header, position, interval);
        self.end_offset = header.next_offset();
        let epoch = header.partition_leader_epoch();
        if epoch > LeaderEpoch::NONE && self.epochs.latest().is_none_or(|it| it.epoch < epoch) {
            self.epochs.assign(epoch, header.base_offset());
        }
        active.note_batch(header, position, indexed)?;
        let completed = produced.apply(&mut self.producers);
        if let Some(aborted) = completed.filter(|it| it.aborted) {
            let is_first = active.aborts_bytes() == 0;
            active.append_aborted(&AbortedTransaction::from(aborted))?;
            if is_first {
                self.save_inventory()?;
            }
        }
        self.producers.advance_to(self.end_offset);
        Ok(())
    }

    /// Whether the producer may append. If the batch is a duplicate, the place of the first one.
    fn check_producer(
        &self,
        produced: &Produced,
        append: &LeaderAppend,
    ) -> Result<Option<AppendInfo>, ProducerRefusal> {
        let batch = match produced {
            Produced::Nothing => return Ok(None),
            Produced::Marker(marker) => {
                self.producers
                    .check_marker(marker, append.transaction_version)?;
                return Ok(None);
            }
            Produced::Data(batch) => batch,
        };
        let verdict = self
            .producers
            .check(batch, append.origin, append.verify, append.guard)?;
        Ok(match verdict {
            Verdict::Append => None,
            Verdict::Duplicate(earlier) => Some(AppendInfo {
                first_offset: earlier.first_offset(),
                last_offset: earlier.last_offset,
                log_append_time: Some(earlier.timestamp),
                log_start_offset: self.log_start_offset,
                duplicate: true,
            }),
        })
    }
}

fn incoming(header: &BatchHeader, ahead: u64) -> Incoming {
    Incoming {
        size: header.size() as u64,
        last_offset: header.last_offset(),
        max_timestamp: header.max_timestamp(),
        ahead,
    }
}
