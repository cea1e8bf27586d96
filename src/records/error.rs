//! What can be wrong with a batch or its records, by cause.

use super::compression::Compression;

/// A batch, or what is in it, cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// The length field is too small for any batch of its format.
    #[error("batch of {size} bytes is smaller than the {minimum} of its header")]
    BatchTooSmall {
        /// Size of the whole batch as its length field tells it.
        size: i64,
        /// The smallest size there is.
        minimum: usize,
    },
    /// The bytes end before the batch does.
    #[error("batch of {size} bytes is cut off after {available}")]
    Truncated {
        /// Size of the whole batch as its length field tells it.
        size: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// The magic byte is none of 0, 1 and 2.
    #[error("Invalid magic found in record: {magic}")]
    UnknownMagic {
        /// The magic byte.
        magic: i8,
    },
    /// The checksum does not match the bytes.
    #[error("stored crc is {stored}, computed crc is {computed}")]
    Checksum {
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// Records of magic 0 and 1 are served as bytes; only their offsets and times are ever looked at
    /// (Kafka stopped writing them with 3.0).
    #[error("records of magic {magic} are not read, only passed on")]
    LegacyFormat {
        /// 0 or 1.
        magic: i8,
    },
    /// A compressed batch of magic 0 or 1 does not hold what it should.
    #[error("malformed wrapper of messages: {reason}")]
    Wrapper {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Offsets do not rise from one batch to the next.
    #[error("batch with offsets {base_offset} to {last_offset} does not follow {previous}")]
    OffsetsOutOfOrder {
        /// The batch's first offset.
        base_offset: i64,
        /// The batch's last offset.
        last_offset: i64,
        /// The last offset before it.
        previous: i64,
    },
    /// The attributes name a codec that does not exist.
    #[error("unknown compression type {id}")]
    UnknownCompression {
        /// Bits 0 to 2 of the attributes: 5, 6 or 7.
        id: u8,
    },
    /// The compressed records are no stream of their codec, or a truncated one.
    #[error("corrupt {codec} stream: {reason}")]
    CorruptStream {
        /// The codec that the attributes name.
        codec: Compression,
        /// What the decoder says.
        reason: &'static str,
    },
    /// The records are larger, decompressed, than the limit.
    #[error("decompressed records exceed {limit} bytes")]
    DecompressedTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// One record is larger, decompressed, than `max.decompressed.message.bytes`.
    #[error("record {index} of {size} bytes exceeds {limit} bytes")]
    RecordTooLarge {
        /// Its place in the batch, from 0.
        index: i32,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The header counts a negative number of records.
    #[error("invalid record count {count}")]
    RecordCount {
        /// What the header says.
        count: i32,
    },
    /// A record is malformed.
    #[error("record {index}: {fault}")]
    Record {
        /// Its place in the batch, from 0.
        index: i32,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// There are bytes behind the last record that the header counts.
    #[error("{size} bytes remain behind the last record")]
    BytesBehindRecords {
        /// How many.
        size: usize,
    },
}

/// What is wrong with one record; the hot path passes this, so it is one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// The bytes end within the record.
    #[error("bytes end within the record")]
    Truncated,
    /// A varint does not end within its 5 or 10 bytes.
    #[error("varint is too long")]
    VarintTooLong,
    /// The record's length is negative.
    #[error("negative length")]
    NegativeLength,
    /// The number of headers is negative.
    #[error("negative number of headers")]
    NegativeHeaderCount,
    /// A header's key is null.
    #[error("negative length of a header's key")]
    NullHeaderKey,
    /// The record's length disagrees with its fields.
    #[error("length disagrees with the fields")]
    WrongLength,
}
