//! `--format`: lines as Kafka's tools print them, or JSON for programs to read.

use std::io::{self, Write as _};

use clap::{Args, ValueEnum};
use serde::Serialize;

/// How to print what is listed or described. Kafka's tools have no such option.
#[derive(Debug, Args)]
pub(super) struct FormatArguments {
    /// How to print what is listed or described: as Kafka's tool does, or as one JSON document
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

impl FormatArguments {
    /// Whether JSON is asked for.
    pub(super) fn is_json(&self) -> bool {
        self.format == Format::Json
    }
}

/// Prints a document, and ends its last line.
///
/// # Errors
/// Nobody reads the output any more.
pub(super) fn print_json(document: &impl Serialize) -> io::Result<()> {
    let mut output = io::stdout().lock();
    serde_json::to_writer_pretty(&mut output, document)?;
    writeln!(output)
}
