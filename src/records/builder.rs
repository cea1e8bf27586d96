//! Builds batches: for the metadata log, the coordinators' logs, compaction, and tests.
//!
//! Records are written behind room for the header, which is filled in last: without a codec, nothing is
//! copied twice.

use bytes::{BufMut, Bytes};

use crate::model::{LeaderEpoch, Offset, ProducerId, Timestamp};

use super::attributes::{Attributes, TimestampType};
use super::compression::{self, CompressionSetting};
use super::header::{BatchHeader, CURRENT_MAGIC, HEADER_SIZE};
use super::record::Header;
use super::varint::{put_varlong, varlong_size};

/// A record to be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewRecord<'a> {
    /// The record's timestamp.
    pub timestamp: Timestamp,
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// The record's value.
    pub value: Option<&'a [u8]>,
    /// The record's headers, in order.
    pub headers: &'a [Header<'a>],
}

/// Collects the records of one batch of magic 2.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    header: BatchHeader,
    compression: CompressionSetting,
    bytes: Vec<u8>,
}

impl BatchBuilder {
    /// A builder for a batch without producer, codec or flags, whose first record gets `base_offset`.
    pub fn new(base_offset: Offset) -> Self {
        let header = BatchHeader {
            size: 0,
            base_offset: base_offset.0,
            partition_leader_epoch: LeaderEpoch::NONE.0,
            magic: CURRENT_MAGIC,
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: -1,
            base_timestamp: Timestamp::NONE.0,
            max_timestamp: Timestamp::NONE.0,
            producer_id: ProducerId::NONE.0,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: 0,
        };
        Self {
            header,
            compression: CompressionSetting::NONE,
            bytes: vec![0; HEADER_SIZE],
        }
    }

    /// Sets the epoch of the leader that appends the batch.
    #[must_use]
    pub fn leader_epoch(mut self, epoch: LeaderEpoch) -> Self {
        self.header.partition_leader_epoch = epoch.0;
        self
    }

    /// Sets the idempotent producer; `base_sequence` is -1 in a transaction marker.
    #[must_use]
    pub fn producer(mut self, id: ProducerId, epoch: i16, base_sequence: i32) -> Self {
        self.header.producer_id = id.0;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Makes the batch part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.header.attributes.set_transactional(true);
        self
    }

    /// Makes the records control records; [`super::control`] builds the usual ones.
    #[must_use]
    pub fn control(mut self) -> Self {
        self.header.attributes.set_control(true);
        self
    }

    /// Compresses the records when the batch is built.
    #[must_use]
    pub fn compression(mut self, setting: CompressionSetting) -> Self {
        self.compression = setting;
        self.header.attributes.set_compression(setting.codec);
        self
    }

    /// Gives all records the leader's timestamp, whatever timestamps they have.
    #[must_use]
    pub fn log_append_time(mut self, now: Timestamp) -> Self {
        self.header
            .attributes
            .set_timestamp_type(TimestampType::LogAppendTime);
        self.header.max_timestamp = now.0;
        self
    }

    /// Sets when the tombstones of a compacted batch may go (KIP-534). It must be called before the first
    /// record is added.
    #[must_use]
    pub fn delete_horizon(mut self, horizon: Timestamp) -> Self {
        assert_eq!(
            self.header.record_count, 0,
            "timestamps count from the delete horizon"
        );
        self.header.attributes.set_delete_horizon(true);
        self.header.base_timestamp = horizon.0;
        self
    }

    /// Adds a record, at the offset after the last one.
    pub fn append(&mut self, record: NewRecord<'_>) {
        let next = self.header.base_offset + i64::from(self.header.last_offset_delta) + 1;
        self.append_at(Offset(next), record);
    }

    /// Adds a record at `offset`, which is above the last one and within 2^31 of the first.
    pub fn append_at(&mut self, offset: Offset, record: NewRecord<'_>) {
        let delta = offset.0 - self.header.base_offset;
        assert!(
            delta > i64::from(self.header.last_offset_delta),
            "offsets rise in a batch"
        );
        let delta = i32::try_from(delta).expect("a batch spans less than 2^31 offsets");
        let has_base = self.header.record_count > 0 || self.header.attributes.has_delete_horizon();
        if !has_base {
            self.header.base_timestamp = record.timestamp.0;
        }
        if self.header.timestamp_type() == TimestampType::CreateTime {
            self.header.max_timestamp = self.header.max_timestamp.max(record.timestamp.0);
        }
        let timestamp_delta = record.timestamp.0.wrapping_sub(self.header.base_timestamp);
        put_record(&mut self.bytes, delta, timestamp_delta, &record);
        self.header.last_offset_delta = delta;
        self.header.record_count += 1;
    }

    /// How many records were added.
    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// The size of the batch so far in bytes, before compression.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no record was added yet.
    pub fn is_empty(&self) -> bool {
        self.header.record_count == 0
    }

    /// Builds the batch, which must have a record: [`Self::build_empty`] makes empty batches.
    pub fn build(self) -> Bytes {
        assert!(!self.is_empty(), "a batch has at least one record");
        self.finish()
    }

    /// Builds a batch without records that ends at `last_offset`. Compaction leaves such a batch of a
    /// producer's last one, so that its sequence number is not forgotten.
    pub fn build_empty(mut self, last_offset: Offset) -> Bytes {
        assert!(self.is_empty(), "the batch has no record");
        let delta = last_offset.0 - self.header.base_offset;
        self.header.last_offset_delta =
            i32::try_from(delta).expect("a batch spans less than 2^31 offsets");
        self.finish()
    }

    fn finish(self) -> Bytes {
        let Self {
            mut header,
            compression,
            bytes: plain,
        } = self;
        let mut bytes = compression::compress_behind(plain, HEADER_SIZE, compression);
        // The length field does not count the first 12 bytes, so no larger batch can be described.
        header.size = u32::try_from(bytes.len())
            .ok()
            .filter(|&size| size <= i32::MAX as u32)
            .expect("a batch is smaller than 2 GiB");
        header.seal(&bytes[HEADER_SIZE..]);
        bytes[..HEADER_SIZE].copy_from_slice(&header.to_bytes());
        Bytes::from(bytes)
    }
}

fn put_record(out: &mut Vec<u8>, offset_delta: i32, timestamp_delta: i64, record: &NewRecord<'_>) {
    let offset_delta = i64::from(offset_delta);
    let headers_size: usize = record
        .headers
        .iter()
        .map(|header| nullable_size(Some(header.key)) + nullable_size(header.value))
        .sum();
    let size = 1
        + varlong_size(timestamp_delta)
        + varlong_size(offset_delta)
        + nullable_size(record.key)
        + nullable_size(record.value)
        + varlong_size(record.headers.len() as i64)
        + headers_size;
    out.reserve(size + 5);
    put_varlong(out, size as i64);
    out.put_u8(0);
    put_varlong(out, timestamp_delta);
    put_varlong(out, offset_delta);
    put_nullable(out, record.key);
    put_nullable(out, record.value);
    put_varlong(out, record.headers.len() as i64);
    for header in record.headers {
        put_nullable(out, Some(header.key));
        put_nullable(out, header.value);
    }
}

fn nullable_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varlong_size(bytes.len() as i64) + bytes.len())
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_varlong(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
        None => put_varlong(out, -1),
    }
}
