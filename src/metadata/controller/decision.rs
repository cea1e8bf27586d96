//! What a decision yields: records to append, and an answer that leaves once they are committed.

use std::fmt;

use crate::protocol::Str;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::metadata_records::MetadataRecord;

/// The records of one decision and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<R> {
    /// The records, which are replayed and appended together, in this order.
    pub records: Vec<MetadataRecord>,
    /// The answer, which leaves once the records, and all that was decided before, are committed.
    pub answer: R,
}

impl<R> Decision<R> {
    /// A decision that changes nothing.
    pub fn answer(answer: R) -> Self {
        Self {
            records: Vec::new(),
            answer,
        }
    }

    /// The same decision with its answer in another form.
    pub fn map<T>(self, answer: impl FnOnce(R) -> T) -> Decision<T> {
        Decision {
            records: self.records,
            answer: answer(self.answer),
        }
    }
}

/// Why a request is refused: a code and, mostly, a sentence for humans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Kafka's error code.
    pub code: ErrorCode,
    /// Kafka's message for it; `None` where Kafka gives none.
    pub message: Option<String>,
}

impl Refusal {
    /// A refusal with a message of its own.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
        }
    }

    /// A refusal without a message: clients show the text that they have for the code.
    pub fn plain(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
        }
    }

    /// The message as a field of a response.
    pub fn text(&self) -> Option<Str> {
        self.message.clone().map(Str::from)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(formatter, "{}: {message}", self.code.name()),
            None => formatter.write_str(self.code.name()),
        }
    }
}

/// The code and message fields of a response for an outcome.
pub(super) fn error_fields(outcome: &Result<(), Refusal>) -> (ErrorCode, Option<Str>) {
    match outcome {
        Ok(()) => (ErrorCode::NONE, None),
        Err(refusal) => (refusal.code, refusal.text()),
    }
}
