//! How the tool tells that something failed: on standard output, as Kafka's does, which prints a stack trace after
//! most of it.

use std::io::{self, Write as _};
use std::process::ExitCode;

use super::NAME;
use crate::cli::tools::ending::Ending;
use crate::cli::tools::exception::Exception;

/// Why the tool has not done what it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// What is told says it all.
    Plain(String),
    /// It is told as an error.
    Error(String),
    /// Nobody reads the output any more.
    Output(io::Error),
}

impl Failure {
    /// Tells it, and says how the tool ends.
    pub(super) fn tell(self) -> ExitCode {
        let told = match self {
            Self::Plain(text) => writeln!(io::stdout(), "{text}"),
            Self::Error(text) => writeln!(io::stdout(), "Error: {text}"),
            Self::Output(error) => Err(error),
        };
        match told {
            Ok(()) => ExitCode::FAILURE,
            Err(error) => Ending::Output(error).tell(NAME),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// A call of the client has failed.
impl From<Exception> for Failure {
    fn from(error: Exception) -> Self {
        Self::Error(error.to_string())
    }
}

impl From<Ending> for Failure {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Output(error) => Self::Output(error),
            Ending::Cluster(error) => Exception::from(error).into(),
            Ending::Usage(text) | Ending::Failed(text) => Self::Error(text),
            told @ Ending::Told => Self::Error(told.to_string()),
        }
    }
}
