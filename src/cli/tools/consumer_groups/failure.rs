//! How the tool tells that something failed. Kafka's tool tells most of it on standard output, by the exception of
//! its client, and ends with 0.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::cli::tools::ending::Ending;
use crate::cli::tools::exception::Exception;

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
