//! How the tool tells that something failed. Kafka's tool tells most of it on standard output, by the exception of
//! its client, and ends with 0.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::cli::tools::admin;
use crate::cli::tools::ending::Ending;
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
        match error {
            ClusterError::Refused { code, message } => Self::refused(code, message),
            ClusterError::TimedOut { .. } => Self::timeout(error.to_string()),
            ClusterError::NotServed(_) => Self::new(
                "org.apache.kafka.common.errors.UnsupportedVersionException",
                error.to_string(),
            ),
        }
    }
}

/// Why the tool has not done what it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// The arguments make no sense, as only the cluster could tell.
    Usage(String),
    /// Whatever else.
    Failed(String),
    /// Nobody reads the output any more.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl Failure {
    /// A call of the client has failed where Kafka's tool tells the exception with its class.
    pub(super) fn of_call(error: &Exception) -> Self {
        Self::Failed(error.to_string())
    }

    /// A call of the client has failed where Kafka's tool has wrapped its exception once more.
    pub(super) fn of_wrapped_call(error: &Exception) -> Self {
        Self::Failed(format!("java.util.concurrent.ExecutionException: {error}"))
    }

    /// A call of the client has failed where Kafka's tool tells only what the exception says.
    pub(super) fn of_message(error: Exception) -> Self {
        Self::Failed(error.message)
    }

    /// A file is not there.
    pub(super) fn no_such_file(path: &str) -> Self {
        Self::Failed(format!("java.nio.file.NoSuchFileException: {path}"))
    }

    /// Tells it where it is in the way of no document, and says that the tool ends without success.
    pub(super) fn tell_programs(self, tool: &str) -> ExitCode {
        let ending = match self {
            Self::Usage(text) => Ending::Usage(text),
            Self::Output(error) => Ending::Output(error),
            Self::Failed(reason) => Ending::Failed(reason),
        };
        ending.tell(tool)
    }

    /// Tells it, and says how the tool ends.
    pub(super) fn tell(self, tool: &str) -> ExitCode {
        let reason = match self {
            Self::Usage(text) => return Ending::Usage(text).tell(tool),
            Self::Output(error) => return Ending::Output(error).tell(tool),
            Self::Failed(reason) => reason,
        };
        let told = tell_error(&format!(
            "Executing consumer group command failed due to {reason}"
        ));
        match told {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => Ending::Output(error).tell(tool),
        }
    }
}

/// Tells an error that does not end the tool.
///
/// # Errors
/// Nobody reads the output any more.
pub(super) fn tell_error(message: &str) -> io::Result<()> {
    writeln!(io::stdout(), "\nError: {message}")
}
