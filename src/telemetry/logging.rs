//! Log lines: one event a line, on standard output, as text for people or JSON for machines.

use std::io;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{fmt, registry, reload};

use super::escape::EscapingWriter;
use super::loggers::Loggers;
use crate::config::{LoggingConfig, LoggingFormat};

/// Log lines cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// `logging.level` is not understood.
    #[error("logging.level: {0:?} is not understood")]
    Level(String),
    /// The process has a logger already.
    #[error(transparent)]
    Started(#[from] TryInitError),
}

/// Makes the whole process log as configured; the levels can be changed later.
///
/// # Errors
/// `logging.level` is malformed, or the process has a logger already.
pub fn start_logging(config: &LoggingConfig) -> Result<Loggers, LoggingError> {
    let (filter, handle) = reload::Layer::new(Targets::new());
    let apply = move |targets| {
        // The subscriber is gone only when the process ends.
        let _ = handle.reload(targets);
    };
    let loggers = Loggers::parse(&config.logging_level, Box::new(apply))
        .ok_or_else(|| LoggingError::Level(config.logging_level.clone()))?;
    // Without colours: escape sequences are control characters, which lines must not hold.
    let lines = fmt::layer().with_ansi(false).with_writer(StandardOutput);
    let filtered = registry().with(filter);
    match config.logging_format {
        LoggingFormat::Text => filtered.with(lines).try_init()?,
        LoggingFormat::Json => filtered.with(lines.json().flatten_event(true)).try_init()?,
    }
    loggers.apply();
    Ok(loggers)
}

struct StandardOutput;

impl<'a> MakeWriter<'a> for StandardOutput {
    type Writer = EscapingWriter<io::StdoutLock<'a>>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingWriter(io::stdout().lock())
    }
}
