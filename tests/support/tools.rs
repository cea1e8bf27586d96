//! Foreign tools that a test needs: Apache Kafka's jars, Go, kcat. A missing tool skips the test
//! with a loud line; with `REQUIRE_TOOLS=1`, as in `.ci/run`, it fails it instead.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::PathBuf;
use std::process::Command;

/// Where Apache Kafka's jars lie, or `None` when this machine has none.
///
/// `.ci/tools` fetches them and sets the variable.
pub fn kafka_jars() -> Option<PathBuf> {
    directory("KAFKA_JARS", "Apache Kafka's jars (run `.ci/tools`)")
}

/// The directory that the environment variable `name` tells.
pub fn directory(name: &str, what: &str) -> Option<PathBuf> {
    match std::env::var_os(name) {
        Some(path) => Some(PathBuf::from(path)),
        None => skip(&format!("{name} is not set: no {what}")),
    }
}

/// A program on the PATH, or `None` when it is not installed.
pub fn program(name: &str) -> Option<&str> {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {name}")])
        .output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(name);
    }
    skip(&format!("{name} is not installed"))
}

fn skip<T>(reason: &str) -> Option<T> {
    assert!(
        std::env::var_os("REQUIRE_TOOLS").is_none(),
        "{reason}, and REQUIRE_TOOLS is set"
    );
    println!("*** SKIPPED: {reason} ***");
    None
}
