//! Why bytes are refused. A connection that sends such bytes is closed, as Kafka closes it.

/// The bytes are not what the protocol allows here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input ends inside a value.
    #[error("{needed} bytes needed where {remaining} remain")]
    UnexpectedEnd {
        /// How many bytes the value takes.
        needed: usize,
        /// How many bytes are left of the input, or of the tagged field.
        remaining: usize,
    },
    /// More elements are announced than the rest of the input can hold.
    #[error("an array of {count} elements cannot fit in {remaining} bytes")]
    ArrayTooLong {
        /// The count that is announced.
        count: usize,
        /// How many bytes are left of the input, or of the tagged field.
        remaining: usize,
    },
    /// An array has more elements than [`super::reader::MAX_ARRAY_LENGTH`].
    #[error("an array of {0} elements has more than 1000000")]
    TooManyElements(usize),
    /// The arrays would take too much heap; see [`super::reader::MAX_HEAP_FACTOR`].
    #[error("arrays of many elements take too much memory, in all or for the size of the input")]
    HeapBudgetExceeded,
    /// A length is below zero, and does not stand for null.
    #[error("length {0} is negative")]
    NegativeLength(i32),
    /// The field is null, but must have a value in this version.
    #[error("null in a field that is not nullable")]
    UnexpectedNull,
    /// A string is longer than Kafka allows.
    #[error("a string of {0} bytes is longer than 32767")]
    StringTooLong(usize),
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    InvalidUtf8,
    /// An integer of variable length has more bits than its type.
    #[error("an integer of variable length does not fit its type")]
    VarintTooLong,
    /// A struct has more tagged fields than [`super::reader::MAX_TAGGED_FIELDS`].
    #[error("{0} tagged fields are more than 10000")]
    TooManyTags(u32),
    /// Bytes are left over after the value.
    #[error("{0} bytes follow the end of the value")]
    TrailingBytes(usize),
    /// The message has no such version, as far as is known here.
    #[error("version {version} of {name} is not supported")]
    UnsupportedVersion {
        /// The message's name in Kafka's schemas.
        name: &'static str,
        /// The version that was asked for.
        version: i16,
    },
    /// No API has this key.
    #[error("no API has the key {0}")]
    UnknownApiKey(i16),
    /// The record has a type or frame that is not known here.
    #[error("{kind} record of unknown type {number}")]
    UnknownRecord {
        /// The log that the record is from: `metadata` or `offsets`.
        kind: &'static str,
        /// The number of the type.
        number: u32,
    },
}
