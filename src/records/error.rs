//! The faults of a batch or its records, by cause.

use super::compression::Compression;

/// Why a batch, or something in it, cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// The length field is too small for any batch of its format.
    #[error("batch of {size} bytes is smaller than the {minimum} of its header")]
    BatchTooSmall {
        /// The size of the whole batch by its length field, in bytes.
        size: i64,
        /// The smallest possible size in bytes.
        minimum: usize,
    },
    /// The bytes end before the batch does.
    #[error("batch of {size} bytes is cut off after {available}")]
    Truncated {
        /// The size of the whole batch by its length field, in bytes.
        size: usize,
        /// How many bytes there are.
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
    /// The records are of magic 0 or 1: they are served as bytes, and only their offsets and times are ever
    /// read (Kafka stopped writing them with 3.0).
    #[error("records of magic {magic} are not read, only passed on")]
    LegacyFormat {
        /// The magic byte: 0 or 1.
        magic: i8,
    },
    /// A compressed batch of magic 0 or 1 does not hold what it should.
    #[error("malformed wrapper of messages: {reason}")]
    Wrapper {
        /// What is wrong with the batch.
        reason: &'static str,
    },
    /// Offsets do not rise from one batch to the next.
    #[error("batch with offsets {base_offset} to {last_offset} does not follow {previous}")]
    OffsetsOutOfOrder {
        /// The first offset of the batch.
        base_offset: i64,
        /// The last offset of the batch.
        last_offset: i64,
        /// The last offset before the batch.
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
        /// The decoder's complaint.
        reason: &'static str,
    },
    /// The records are larger than the limit when decompressed.
    #[error("decompressed records exceed {limit} bytes")]
    DecompressedTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A record is larger than `max.decompressed.message.bytes` when decompressed.
    #[error("record {index} of {size} bytes exceeds {limit} bytes")]
    RecordTooLarge {
        /// The record's place in the batch, from 0.
        index: i32,
        /// The record's size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The header counts a negative number of records.
    #[error("invalid record count {count}")]
    RecordCount {
        /// The count in the header.
        count: i32,
    },
    /// A record is malformed.
    #[error("record {index}: {fault}")]
    Record {
        /// The record's place in the batch, from 0.
        index: i32,
        /// What is wrong with the record.
        fault: RecordFault,
    },
    /// Bytes follow the last record that the header counts.
    #[error("{size} bytes remain behind the last record")]
    BytesBehindRecords {
        /// How many bytes.
        size: usize,
    },
}

/// What is wrong with a record. It is one byte large, because the hot path passes it on.
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
