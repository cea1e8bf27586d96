//! Why a client's batch is refused, in Kafka's terms.

use crate::protocol::error_code::ErrorCode;
use crate::records::error::RecordsError;

/// A refused batch: the answer to its producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Kafka's error.
    pub code: ErrorCode,
    /// What the client is told.
    pub message: String,
    /// Place in the batch (from 0) and message of each record at fault, where single records
    /// are; at most [`Self::MAX_RECORD_ERRORS`].
    pub record_errors: Vec<(i32, String)>,
}

impl Rejection {
    /// Kafka lists every record at fault. That would let a batch of a hundred thousand tiny
    /// records ask for an answer of many megabytes; the message tells the number.
    pub const MAX_RECORD_ERRORS: usize = 1_000;

    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            record_errors: Vec::new(),
        }
    }

    pub(super) fn invalid_record(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::INVALID_RECORD, message)
    }
}

impl From<RecordsError> for Rejection {
    fn from(error: RecordsError) -> Self {
        let code = match error {
            RecordsError::BatchTooSmall { .. }
            | RecordsError::Truncated { .. }
            | RecordsError::UnknownMagic { .. }
            | RecordsError::Checksum { .. } => ErrorCode::CORRUPT_MESSAGE,
            // The checksum was right, so sending the same again would not help: not retriable.
            _ => ErrorCode::INVALID_RECORD,
        };
        Self::new(code, error.to_string())
    }
}
