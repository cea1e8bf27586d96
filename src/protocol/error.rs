//! Why bytes are refused. A connection that sends such bytes is closed, as Kafka closes it.

/// The bytes are not what the protocol allows here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input ends inside a value.
    #[error("{needed} bytes needed where {remaining} remain")]
    UnexpectedEnd {
        /// What the value takes.
        needed: usize,
        /// What is left of the input, or of the tagged field.
        remaining: usize,
    },
    /// More elements are announced than the rest of the input can hold.
    #[error("an array of {count} elements cannot fit in {remaining} bytes")]
    ArrayTooLong {
        /// As announced.
        count: usize,
        /// What is left of the input, or of the tagged field.
        remaining: usize,
    },
    /// An array of more elements than [`super::reader::MAX_ARRAY_LENGTH`].
    #[error("an array of {0} elements has more than 1000000")]
    TooManyElements(usize),
    /// The arrays would take too much heap: see [`super::reader::MAX_HEAP_FACTOR`].
    #[error("arrays of many elements take too much memory, in all or for the size of the input")]
    HeapBudgetExceeded,
    /// A length below zero that does not stand for null.
    #[error("length {0} is negative")]
    NegativeLength(i32),
    /// Null where the field, in this version, has to have a value.
    #[error("null in a field that is not nullable")]
    UnexpectedNull,
    /// A string longer than Kafka allows.
    #[error("a string of {0} bytes is longer than 32767")]
    StringTooLong(usize),
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    InvalidUtf8,
    /// An integer of variable length has more bits than its type.
    #[error("an integer of variable length does not fit its type")]
    VarintTooLong,
    /// More tagged fields than [`super::reader::MAX_TAGGED_FIELDS`].
    #[error("{0} tagged fields are more than 10000")]
    TooManyTags(u32),
    /// Bytes are left over after the value.
    #[error("{0} bytes follow the end of the value")]
    TrailingBytes(usize),
    /// No version of the message that is known here.
    #[error("version {version} of {name} is not supported")]
    UnsupportedVersion {
        /// The message, as Kafka's schemas call it.
        name: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// No API has this key.
    #[error("no API has the key {0}")]
    UnknownApiKey(i16),
    /// A record of a type or frame that is not known here.
    #[error("{kind} record of unknown type {number}")]
    UnknownRecord {
        /// Which log's records: `metadata`, `offsets`.
        kind: &'static str,
        /// The type's number.
        number: u32,
    },
}
