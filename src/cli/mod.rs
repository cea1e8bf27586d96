//! The `broker` command: what its arguments mean, and what it says when the config is wrong. Kafka's tools are
//! in `tools`.

mod completions;
mod hash_password;
mod health;
mod tools;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{self, Loaded};
use crate::telemetry::start_logging;

/// The exit code for a wrong config, as clap has it for wrong arguments.
const WRONG_INPUT: u8 = 2;

/// A Kafka-compatible broker in one binary.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Every setting can also come from the environment: KAFKA_LOG_RETENTION_MS is \
                  log.retention.ms.\nWithout a file, defaults hold: one node that listens on \
                  port 9092 and keeps its logs in ./data."
)]
struct Arguments {
    /// Read this file: TOML with Kafka's names as keys, or Java's format if it is a .properties
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// Check the config, say what is wrong with it, and exit
    #[arg(long)]
    check_config: bool,

    /// Print what is set and from where, and every default; secrets are hidden; and exit
    #[arg(long)]
    print_effective_config: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether the node that the config belongs to serves its cluster: exit code 0 if so, 1 if not
    Health(health::HealthArguments),
    /// Print the script by which a shell completes arguments, for `source <(broker completions bash)`
    Completions(completions::CompletionsArguments),
    /// Read a password, and print the hash that can stand in its place in the config (`admin.password`)
    HashPassword,
}

/// Does what the command line says. `arguments` begin with the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some((tool, arguments)) = tools::find(&arguments) {
        return tool.run(arguments);
    }
    let arguments = match parse(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are "errors", too; clap knows which stream and code each gets.
            let code = if error.use_stderr() { WRONG_INPUT } else { 0 };
            return finish(error.print(), code);
        }
    };
    if let Some(Command::Completions(arguments)) = &arguments.command {
        return finish(completions::print(arguments, Arguments::command()), 0);
    }
    if let Some(Command::HashPassword) = &arguments.command {
        return match hash_password::run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => finish(writeln!(io::stderr(), "{error}"), 1),
        };
    }
    let loaded = match config::load(arguments.config.as_deref(), environment()) {
        Ok(loaded) => loaded,
        Err(error) => return finish(writeln!(io::stderr(), "{error}"), WRONG_INPUT),
    };
    if let Some(Command::Health(arguments)) = &arguments.command {
        let verdict = health::ask(&loaded.config, arguments);
        let code = u8::from(verdict.is_err());
        let sentence = verdict.unwrap_or_else(|reason| reason);
        return finish(writeln!(io::stdout(), "{sentence}"), code);
    }
    if arguments.print_effective_config {
        return finish(write!(io::stdout(), "{}", config::effective(&loaded)), 0);
    }
    if arguments.check_config {
        return finish(report(&loaded), 0);
    }
    start(loaded)
}

/// The arguments of `broker` itself. Its help names the tools, too.
fn parse(arguments: Vec<OsString>) -> Result<Arguments, clap::Error> {
    let command = Arguments::command();
    let mut help = command.get_after_help().cloned().unwrap_or_default();
    help.push_str("\n\nKafka's tools (`broker TOOL --help`, or kafka-TOOL.sh by a link):\n");
    help.push_str(&tools::list());
    let matches = command.after_help(help).try_get_matches_from(arguments)?;
    Arguments::from_arg_matches(&matches)
}

fn start(loaded: Loaded) -> ExitCode {
    let loggers = match start_logging(&loaded.config.logging) {
        Ok(loggers) => loggers,
        Err(error) => return finish(writeln!(io::stderr(), "{error}"), WRONG_INPUT),
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    match crate::broker::start(loaded, loggers) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The environment's variables, without those whose name or text is not Unicode: they are no settings.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
}

fn report(loaded: &Loaded) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for warning in &loaded.warnings {
        writeln!(output, "warning: {warning}")?;
    }
    writeln!(output, "The config is good.")
}

/// The exit code. If a stream is closed nobody can be told so, except by this.
fn finish(written: io::Result<()>, code: u8) -> ExitCode {
    written.map_or(ExitCode::FAILURE, |()| ExitCode::from(code))
}
