//! Records inside a batch, read where they lie: nothing is copied.
//!
//! ```text
//! length varint | attributes i8 | timestamp_delta varlong | offset_delta varint
//! key: length varint, bytes | value: length varint, bytes
//! header count varint | each header: key length varint, bytes, value length varint, bytes
//! ```
//! A negative length of a key or value stands for null. Header keys may repeat. The attributes mean
//! nothing.

use crate::model::{Offset, Timestamp};

use super::attributes::TimestampType;
use super::error::{RecordFault, RecordsError};
use super::header::BatchHeader;
use super::varint::{Reader, varlong_size};

/// A record. Offset and timestamp are absolute.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    raw: RawRecord<'a>,
    offset: i64,
    timestamp: i64,
}

impl<'a> Record<'a> {
    /// The record's offset in the partition.
    pub fn offset(&self) -> Offset {
        Offset(self.offset)
    }

    /// The record's timestamp: its own, or the batch's with [`TimestampType::LogAppendTime`].
    pub fn timestamp(&self) -> Timestamp {
        Timestamp(self.timestamp)
    }

    /// The record's key.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.raw.key
    }

    /// The record's value; null is a tombstone in a compacted topic.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.raw.value
    }

    /// The record's headers, in order.
    pub fn headers(&self) -> Headers<'a> {
        self.raw.headers
    }

    /// The bytes of the record before compression, including its length field.
    pub fn size(&self) -> usize {
        // The length is that of an i32.
        varlong_size(self.raw.length as i64) + self.raw.length
    }
}

/// A record as it is written: nothing is added to its deltas yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawRecord<'a> {
    /// The bytes of the record without its length field.
    pub(super) length: usize,
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: Headers<'a>,
}

impl<'a> RawRecord<'a> {
    /// Reads a record from the front of `reader` and checks its whole structure.
    #[inline(always)]
    pub(super) fn take(reader: &mut Reader<'a>) -> Result<Self, RecordFault> {
        let length = reader.varint()?;
        let length = usize::try_from(length).map_err(|_| RecordFault::NegativeLength)?;
        let mut body = Reader::new(reader.slice(length)?);
        // The attributes, of which no bit is in use.
        body.byte()?;
        let timestamp_delta = body.varlong()?;
        let offset_delta = body.varint()?;
        let key = body.nullable_slice()?;
        let value = body.nullable_slice()?;
        let headers = Headers::take(body)?;
        Ok(Self {
            length,
            timestamp_delta,
            offset_delta,
            key,
            value,
            headers,
        })
    }
}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key: UTF-8 by convention, which neither Kafka nor this broker checks.
    pub key: &'a [u8],
    /// The value.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record, in order; a key may occur more than once.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    count: u32,
    rest: Reader<'a>,
}

impl<'a> Headers<'a> {
    /// The headers with which `body` ends. They are walked once here, so that iterating cannot fail.
    #[inline(always)]
    fn take(mut body: Reader<'a>) -> Result<Self, RecordFault> {
        let count = body.varint()?;
        let count = u32::try_from(count).map_err(|_| RecordFault::NegativeHeaderCount)?;
        let headers = Self { count, rest: body };
        if count > 0 {
            body = headers.walk()?;
        }
        if body.rest().is_empty() {
            Ok(headers)
        } else {
            Err(RecordFault::WrongLength)
        }
    }

    #[inline(never)]
    fn walk(&self) -> Result<Reader<'a>, RecordFault> {
        let mut reader = self.rest;
        for _ in 0..self.count {
            Self::take_one(&mut reader)?;
        }
        Ok(reader)
    }

    fn take_one(reader: &mut Reader<'a>) -> Result<Header<'a>, RecordFault> {
        let key = reader.nullable_slice()?.ok_or(RecordFault::NullHeaderKey)?;
        let value = reader.nullable_slice()?;
        Ok(Header { key, value })
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.count = self.count.checked_sub(1)?;
        Some(Self::take_one(&mut self.rest).expect("headers were walked when the record was read"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count as usize, Some(self.count as usize))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// Iterates over the records of a batch. It ends with an error at the first malformed one, and at bytes
/// behind the last one.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    reader: Reader<'a>,
    base_offset: i64,
    base_timestamp: i64,
    log_append_time: Option<i64>,
    index: i32,
    count: i32,
}

impl<'a> Records<'a> {
    /// The records of the batch with this header; `bytes` are its decompressed records.
    pub(super) fn new(header: &BatchHeader, bytes: &'a [u8]) -> Result<Self, RecordsError> {
        let count = header.record_count();
        if count < 0 {
            return Err(RecordsError::RecordCount { count });
        }
        let log_append_time = match header.timestamp_type() {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some(header.max_timestamp().0),
        };
        Ok(Self {
            reader: Reader::new(bytes),
            base_offset: header.base_offset().0,
            base_timestamp: header.base_timestamp().0,
            log_append_time,
            index: 0,
            count,
        })
    }

    /// How many bytes follow the record that was returned last.
    pub(super) fn remaining(&self) -> usize {
        self.reader.rest().len()
    }

    #[inline(always)]
    fn read(&mut self) -> Result<Record<'a>, RecordsError> {
        let raw = RawRecord::take(&mut self.reader).map_err(|fault| RecordsError::Record {
            index: self.index,
            fault,
        })?;
        self.index += 1;
        let size = self.reader.rest().len();
        if self.index == self.count && size > 0 {
            return Err(RecordsError::BytesBehindRecords { size });
        }
        let timestamp = self
            .log_append_time
            .unwrap_or_else(|| self.base_timestamp.wrapping_add(raw.timestamp_delta));
        Ok(Record {
            raw,
            // The sum wraps, because stored batches may be anything; those that are appended here were
            // checked.
            offset: self.base_offset.wrapping_add(i64::from(raw.offset_delta)),
            timestamp,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordsError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.index == self.count {
            return None;
        }
        let record = self.read();
        if record.is_err() {
            self.index = self.count;
        }
        Some(record)
    }
}
