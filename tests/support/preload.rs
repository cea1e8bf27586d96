//! Libraries that take the place of what a broker asks the system for: built here, loaded before the C library.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{path_text, tools};

/// Builds a library of C in a directory; `None`, said loudly, without a compiler.
pub fn library(directory: &Path, name: &str, source: &str) -> Option<PathBuf> {
    let compiler = tools::program("cc")?;
    let text = directory.join(name).with_extension("c");
    let library = text.with_extension("so");
    fs::write(&text, source).expect("the file can be written");
    let compiled = Command::new(compiler)
        .args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"])
        .args([path_text(&library), path_text(&text)])
        .status();
    assert!(compiled.expect("cc starts").success(), "it compiles");
    Some(library)
}
