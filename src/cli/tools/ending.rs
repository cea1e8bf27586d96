//! How a tool ends when it does not succeed. Kafka's tools end with 1 whatever went wrong.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::client::ClusterError;

/// Why a tool ends without success.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ending {
    /// The arguments make no sense together. It is told with a hint at the help.
    #[error("{0}")]
    Usage(String),
    /// What was asked for cannot be done.
    #[error("{0}")]
    Failed(String),
    /// The cluster does not do it.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// What is wrong was told on standard output.
    #[error("told")]
    Told,
    /// Nobody reads the output any more.
    #[error("Unable to write to standard out: {0}")]
    Output(#[from] io::Error),
}

impl Ending {
    /// Says on standard error why the tool ends.
    pub(super) fn tell(&self, tool: &str) -> ExitCode {
        let mut errors = io::stderr().lock();
        // There is nobody else to tell.
        let _ = match self {
            Self::Usage(_) => writeln!(
                errors,
                "{self}\n\nFor more information, try '{tool} --help'."
            ),
            Self::Told => Ok(()),
            _ => writeln!(errors, "{self}"),
        };
        ExitCode::FAILURE
    }
}

/// Parses a tool's arguments.
///
/// # Errors
/// The code to end with: help and version were printed, or what is wrong was told.
pub(super) fn parse<Arguments: Parser>(
    arguments: Vec<std::ffi::OsString>,
) -> Result<Arguments, ExitCode> {
    Arguments::try_parse_from(arguments).map_err(|error| {
        let is_success = matches!(
            error.kind(),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
        );
        let told = error.print();
        if is_success && told.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    })
}

/// Parses a tool's arguments, and acts on them.
pub(super) fn run<Arguments: Parser>(
    tool: &str,
    arguments: Vec<std::ffi::OsString>,
    act: impl FnOnce(&Arguments) -> Result<(), Ending>,
) -> ExitCode {
    match parse(arguments) {
        Err(code) => code,
        Ok(arguments) => match act(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => error.tell(tool),
        },
    }
}

/// Checks that only one of these is there, as `name, is there`.
///
/// # Errors
/// Kafka's sentence for options that exclude each other.
pub(super) fn exclude(used: (&str, bool), others: &[(&str, bool)]) -> Result<(), Ending> {
    let (name, is_used) = used;
    match others.iter().find(|(_, is_there)| is_used && *is_there) {
        None => Ok(()),
        Some((other, _)) => Err(Ending::Usage(format!(
            "Option \"[{name}]\" can't be used with option \"[{other}]\""
        ))),
    }
}

/// Checks that an option is there.
///
/// # Errors
/// Kafka's sentence for one that is missing.
pub(super) fn require(name: &str, is_there: bool) -> Result<(), Ending> {
    if is_there {
        return Ok(());
    }
    Err(Ending::Usage(format!(
        "Missing required argument \"[{name}]\""
    )))
}
