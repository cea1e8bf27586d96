//! Why a client's batch is refused, in Kafka's terms.

use crate::records::error::RecordsError;

/// A refused batch: the answer to its producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Kafka's error.
    pub reason: RejectionReason,
    /// What the client is told.
    pub message: String,
    /// Place in the batch (from 0) and message of each record at fault, where single records
    /// are; at most [`Self::MAX_RECORD_ERRORS`].
    pub record_errors: Vec<(i32, String)>,
}

/// The errors of Kafka that a batch can meet in validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectionReason {
    /// Length, magic or checksum: the bytes are not what the client meant to send.
    CorruptMessage,
    /// The batch breaks a rule.
    InvalidRecord,
    /// A timestamp is out of the topic's bounds, or of the wrong type.
    InvalidTimestamp,
    /// The batch is larger than `max.message.bytes`.
    MessageTooLarge,
    /// The batch is larger than a segment.
    RecordListTooLarge,
    /// The version of the request does not know the codec.
    UnsupportedCompressionType,
}

impl Rejection {
    /// Kafka lists every record at fault. That would let a batch of a hundred thousand tiny
    /// records ask for an answer of many megabytes; the message tells the number.
    pub const MAX_RECORD_ERRORS: usize = 1_000;

    pub(super) fn new(reason: RejectionReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            record_errors: Vec::new(),
        }
    }

    pub(super) fn invalid_record(message: impl Into<String>) -> Self {
        Self::new(RejectionReason::InvalidRecord, message)
    }
}

impl From<RecordsError> for Rejection {
    fn from(error: RecordsError) -> Self {
        let reason = match error {
            RecordsError::BatchTooSmall { .. }
            | RecordsError::Truncated { .. }
            | RecordsError::UnknownMagic { .. }
            | RecordsError::Checksum { .. } => RejectionReason::CorruptMessage,
            // The checksum was right, so sending the same again would not help: not retriable.
            _ => RejectionReason::InvalidRecord,
        };
        Self::new(reason, error.to_string())
    }
}
