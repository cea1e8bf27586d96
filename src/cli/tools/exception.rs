//! The exceptions of Kafka's client, of which Kafka's tools tell.

use super::admin;
use crate::client::ClusterError;
use crate::protocol::{ErrorCode, Str};

/// An exception of Kafka's client: what is told of it is its message, or its class as well.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{class}: {message}")]
pub(super) struct Exception {
    class: String,
    pub(super) message: String,
    /// The code that the cluster has answered, if it has.
    pub(super) code: Option<ErrorCode>,
}

impl Exception {
    /// The exception for an error code, with words of the cluster's own or the usual ones.
    pub(super) fn refused(code: ErrorCode, words: Option<Str>) -> Self {
        let message = words.map_or_else(|| code.message().to_owned(), |words| words.to_string());
        Self {
            class: admin::exception(code),
            message,
            code: Some(code),
        }
    }

    /// An exception that no error code stands for.
    pub(super) fn new(class: &str, message: String) -> Self {
        Self {
            class: class.to_owned(),
            message,
            code: None,
        }
    }

    /// Time was over.
    pub(super) fn timeout(message: String) -> Self {
        Self::refused(ErrorCode::REQUEST_TIMED_OUT, Some(Str::from(message)))
    }
}

impl From<ClusterError> for Exception {
    fn from(error: ClusterError) -> Self {
        Self::from(&error)
    }
}

impl From<&ClusterError> for Exception {
    fn from(error: &ClusterError) -> Self {
        match error {
            ClusterError::Refused { code, message } => Self::refused(*code, message.clone()),
            ClusterError::TimedOut { .. } => Self::timeout(error.to_string()),
            ClusterError::NotServed(_) => Self::new(
                "org.apache.kafka.common.errors.UnsupportedVersionException",
                error.to_string(),
            ),
        }
    }
}
