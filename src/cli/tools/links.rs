//! `broker install-links`: links with the names of Kafka's tools, so that scripts find them.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use super::ending::{self, Ending};

/// Make a link to this program for each of Kafka's tools: kafka-topics.sh and the others.
#[derive(Debug, Parser)]
#[command(name = "install-links", bin_name = "broker install-links")]
pub(super) struct LinksArguments {
    /// Make the links in this directory, which is made if it is not there
    directory: PathBuf,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments: LinksArguments = match ending::parse(arguments) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    match install(&arguments.directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.tell("broker install-links"),
    }
}

fn install(directory: &Path) -> Result<(), Ending> {
    let told = |error: io::Error| Ending::Failed(format!("{}: {error}", directory.display()));
    fs::create_dir_all(directory).map_err(told)?;
    let program = std::env::current_exe().map_err(told)?;
    let is_beside = program.parent() == directory.canonicalize().ok().as_deref();
    // Beside the program a link by name alone stays good when both are moved.
    let target = match program.file_name() {
        Some(name) if is_beside => Path::new(name),
        _ => &program,
    };
    for name in super::link_names() {
        let link = directory.join(name);
        match fs::symlink_metadata(&link) {
            Ok(there) if there.is_symlink() => fs::remove_file(&link).map_err(told)?,
            // A file of somebody else stays: making the link fails, and says so.
            _ => {}
        }
        symlink(target, &link)
            .map_err(|error| Ending::Failed(format!("{}: {error}", link.display())))?;
    }
    Ok(())
}
