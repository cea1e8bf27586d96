//! Log lines: one event a line, on standard output, as text for people or JSON for machines.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use super::escape::EscapingWriter;
use crate::config::{LoggingConfig, LoggingFormat};

/// Log lines cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// `logging.level` is not understood.
    #[error("logging.level: {0}")]
    Level(#[from] ParseError),
    /// The process has a logger already.
    #[error(transparent)]
    Started(#[from] TryInitError),
}

/// Makes all of the process log as configured.
///
/// # Errors
/// The level is not understood, or logging was started before.
pub fn start_logging(config: &LoggingConfig) -> Result<(), LoggingError> {
    let filter = EnvFilter::builder().parse(&config.logging_level)?;
    // Without colours: a terminal is steered by the control characters that lines must not hold.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(StandardOutput);
    match config.logging_format {
        LoggingFormat::Text => lines.finish().try_init()?,
        LoggingFormat::Json => lines.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

struct StandardOutput;

impl<'a> MakeWriter<'a> for StandardOutput {
    type Writer = EscapingWriter<io::StdoutLock<'a>>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingWriter(io::stdout().lock())
    }
}
