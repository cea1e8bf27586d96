//! Apache Kafka's `kafka-dump-log`, run on our files.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools;

/// The tool, from Apache Kafka's jars.
pub struct DumpLog {
    class_path: String,
}

/// What it printed.
pub struct Dumped {
    /// On standard output.
    pub output: String,
    /// On standard error.
    pub errors: String,
}

impl DumpLog {
    /// The tool, or `None` (said loudly) on a machine without the jars.
    pub fn find() -> Option<Self> {
        tools::kafka_jars().map(|jars| Self {
            class_path: format!("{}/*", jars.display()),
        })
    }

    /// Runs it on these files; it must succeed.
    pub fn run(&self, flags: &[&str], files: &[PathBuf]) -> Dumped {
        let names: Vec<_> = files
            .iter()
            .map(|file| file.to_str().expect("test paths are UTF-8"))
            .collect();
        let ran = Command::new("java")
            .args(["-Xmx256m", "-cp", &self.class_path])
            .arg("org.apache.kafka.tools.DumpLogSegments")
            .args(flags)
            .args(["--files", &names.join(",")])
            .output()
            .expect("java starts");
        let dumped = Dumped {
            output: String::from_utf8_lossy(&ran.stdout).into_owned(),
            errors: String::from_utf8_lossy(&ran.stderr).into_owned(),
        };
        assert!(
            ran.status.success(),
            "{flags:?}: {}\n{}",
            dumped.output,
            dumped.errors
        );
        dumped
    }
}

/// The files in a directory whose names end so, sorted.
pub fn files(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("the directory can be read");
    let paths = entries.map(|entry| entry.expect("the directory can be read").path());
    let mut found: Vec<_> = paths
        .filter(|path| path.to_str().is_some_and(|name| name.ends_with(suffix)))
        .collect();
    found.sort();
    found
}
