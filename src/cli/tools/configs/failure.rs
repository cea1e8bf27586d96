//! How the tool tells that something failed: what the user got wrong by its message alone, and all else by its
//! arguments and the exception of Kafka's client.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::cli::tools::ending::Ending;
use crate::cli::tools::exception::Exception;
use crate::client::ClusterError;

/// Why the tool has not done what it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// The arguments make no sense together. It is told with a hint at the help.
    Usage(String),
    /// Something in the arguments is wrong.
    Told(String),
    /// An exception, with its class.
    Thrown(String),
    /// Nobody reads the output any more.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        Self::of_call(&error)
    }
}

impl From<Ending> for Failure {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Usage(reason) => Self::Usage(reason),
            Ending::Output(error) => Self::Output(error),
            other => Self::Thrown(other.to_string()),
        }
    }
}

impl Failure {
    /// Something in the arguments is wrong.
    pub(super) fn told(reason: impl Into<String>) -> Self {
        Self::Told(reason.into())
    }

    /// A call has failed.
    pub(super) fn of_call(error: &ClusterError) -> Self {
        Self::thrown_by_call(&Exception::from(error).to_string())
    }

    /// An exception in another: Kafka's tool waits for calls elsewhere than where they fail.
    pub(super) fn thrown_by_call(exception: &str) -> Self {
        Self::Thrown(format!(
            "java.util.concurrent.ExecutionException: {exception}"
        ))
    }

    /// A file is not there.
    pub(super) fn no_such_file(path: &str) -> Self {
        Self::Thrown(format!("java.nio.file.NoSuchFileException: {path}"))
    }

    /// A text is no number, as Java says it.
    pub(super) fn no_number(text: &str) -> Self {
        Self::Told(format!("For input string: \"{text}\""))
    }

    /// Tells it, and says how the tool ends. `arguments` are the tool's, with spaces between them.
    pub(super) fn tell(self, tool: &str, arguments: &str) -> ExitCode {
        let mut errors = io::stderr().lock();
        // There is nobody else to tell.
        let _ = match self {
            Self::Usage(reason) => return Ending::Usage(reason).tell(tool),
            Self::Output(error) => return Ending::Output(error).tell(tool),
            Self::Told(reason) => writeln!(errors, "{reason}"),
            Self::Thrown(exception) => writeln!(
                errors,
                "Error while executing config command with args '{arguments}'\n{exception}"
            ),
        };
        ExitCode::FAILURE
    }
}
