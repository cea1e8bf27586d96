//! The 16 attribute bits of a batch: codec, type of timestamps, transactional, control, delete horizon.

pub use crate::config::TimestampType;

use super::compression::Compression;
use super::error::RecordsError;

const COMPRESSION: i16 = 0b0111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;

/// Bits 0-2 are the codec, 3 the timestamp type, 4 transactional, 5 control, 6 delete horizon. The rest has
/// no meaning and is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(i16);

impl Attributes {
    /// The attributes with these bits.
    pub fn from_bits(bits: i16) -> Self {
        Self(bits)
    }

    /// The bits.
    pub fn bits(self) -> i16 {
        self.0
    }

    /// The codec.
    ///
    /// # Errors
    /// [`RecordsError::UnknownCompression`].
    pub fn compression(self) -> Result<Compression, RecordsError> {
        let id = (self.0 & COMPRESSION) as u8;
        Compression::from_id(id).ok_or(RecordsError::UnknownCompression { id })
    }

    /// Whose clock gave the timestamps.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch is part of a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL != 0
    }

    /// Whether the batch holds control records, which no client sees.
    pub fn is_control(self) -> bool {
        self.0 & CONTROL != 0
    }

    /// Whether the base timestamp is a delete horizon (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON != 0
    }

    pub(super) fn set_compression(&mut self, compression: Compression) {
        self.0 = self.0 & !COMPRESSION | i16::from(compression.id());
    }

    pub(super) fn set_timestamp_type(&mut self, timestamp_type: TimestampType) {
        self.set(
            LOG_APPEND_TIME,
            timestamp_type == TimestampType::LogAppendTime,
        );
    }

    pub(super) fn set_transactional(&mut self, on: bool) {
        self.set(TRANSACTIONAL, on);
    }

    pub(super) fn set_control(&mut self, on: bool) {
        self.set(CONTROL, on);
    }

    pub(super) fn set_delete_horizon(&mut self, on: bool) {
        self.set(DELETE_HORIZON, on);
    }

    fn set(&mut self, bit: i16, on: bool) {
        self.0 = if on { self.0 | bit } else { self.0 & !bit };
    }
}
