//! Why a client's batch is refused, in Kafka's terms.

use crate::protocol::error_code::ErrorCode;
use crate::records::error::RecordsError;

/// Why a batch is refused, as its producer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Kafka's error code.
    pub code: ErrorCode,
    /// The message to the client.
    pub message: String,
    /// Where single records are at fault, the place in the batch (from 0) and the message of each; no more
    /// than [`Self::MAX_RECORD_ERRORS`].
    pub record_errors: Vec<(i32, String)>,
}

impl Rejection {
    /// The most records that are reported. Kafka lists every faulty record, so a batch of a hundred
    /// thousand tiny ones would ask for an answer of many megabytes; here the message gives their count.
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
            // The checksum was right, so sending the same again would not help: the error is not retriable.
            _ => ErrorCode::INVALID_RECORD,
        };
        Self::new(code, error.to_string())
    }
}
