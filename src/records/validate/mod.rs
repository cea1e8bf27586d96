//! Validates a client's batch before it may be appended.
//!
//! [`validate_produce`] looks at every byte of the batch. It refuses it with Kafka's error, or gives a
//! [`ValidatedBatch`]: the client's own bytes, with a header that can still be placed.

mod policy;
mod produce;
mod rebuild;
mod record_checks;
mod rejection;

use bytes::Bytes;

use crate::model::{LeaderEpoch, Offset, Timestamp};

use super::attributes::TimestampType;
use super::batch::Batch;
use super::error::RecordsError;
use super::header::{BatchHeader, CURRENT_MAGIC, HEADER_SIZE};

pub use policy::AppendPolicy;
pub use produce::{check_request, validate_produce, validate_within};
pub use rejection::Rejection;

/// A batch that may be appended. Header and records are apart: giving it an offset, an epoch or the
/// leader's timestamp copies 61 bytes and leaves the client's buffer as it is. One vectored write writes
/// the two.
#[derive(Clone, Debug)]
pub struct ValidatedBatch {
    header: BatchHeader,
    records: Bytes,
}

impl ValidatedBatch {
    /// Takes a batch that this broker made ([`super::builder`], [`super::control`]), without looking at its
    /// records. Bytes behind the first whole batch are dropped.
    ///
    /// # Errors
    /// What is wrong with the header, or with the length.
    pub fn trusted(batch: &Bytes) -> Result<Self, RecordsError> {
        let available = batch.len();
        let whole = Batch::first_of(batch)?.ok_or(RecordsError::Truncated {
            size: HEADER_SIZE,
            available,
        })?;
        if whole.magic() != CURRENT_MAGIC {
            return Err(RecordsError::LegacyFormat {
                magic: whole.magic(),
            });
        }
        Ok(Self {
            header: *whole.header(),
            records: batch.slice(HEADER_SIZE..whole.size()),
        })
    }

    /// The fields of the header as they will be stored, except for base offset and leader epoch.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The 61 bytes of the header for a place in the log.
    pub fn head(&self, base_offset: Offset, epoch: LeaderEpoch) -> [u8; HEADER_SIZE] {
        self.header.placed_at(base_offset, epoch).to_bytes()
    }

    /// The bytes behind the header.
    pub fn records(&self) -> &Bytes {
        &self.records
    }

    /// The bytes of the whole batch as it will be stored.
    pub fn size(&self) -> usize {
        self.header.size()
    }

    /// The leader's timestamp, if the topic has log append times: `log_append_time_ms` of the answer.
    pub fn log_append_time(&self) -> Option<Timestamp> {
        match self.header.timestamp_type() {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some(self.header.max_timestamp()),
        }
    }

    /// A copy of the whole batch for a place in the log, in one piece: for tests and tools.
    pub fn to_bytes(&self, base_offset: Offset, epoch: LeaderEpoch) -> Bytes {
        Bytes::from([&self.head(base_offset, epoch)[..], &self.records].concat())
    }
}
