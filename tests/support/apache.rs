//! Apache Kafka: its command-line tools, and the broker itself, run from its jars.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::process::{Process, Stopped};
use crate::support::{path_text, tools};

/// How long a JVM may take to start a broker on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// What we serve: the newest of 4.3.1, where later ones begin with theirs.
const METADATA_VERSION: &str = "4.3-IV0";

/// Apache Kafka, as jars: 4.3.1, unless the environment names others.
#[derive(Clone)]
pub struct Apache {
    class_path: String,
}

/// What a tool printed, and whether it succeeded.
pub struct Ran {
    pub success: bool,
    pub output: String,
    pub errors: String,
}

impl Ran {
    /// The standard output of a tool that must have succeeded.
    pub fn expect_success(self) -> String {
        assert!(
            self.success,
            "the tool failed:\n{}\n{}",
            self.output, self.errors
        );
        self.output
    }
}

impl Apache {
    /// The jars, or `None` (said loudly) on a machine without them.
    pub fn find() -> Option<Self> {
        tools::kafka_jars().map(|jars| Self {
            class_path: format!("{}/*", path_text(&jars)),
        })
    }

    fn java(&self, heap: &str, class: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("java");
        command
            .args([
                heap,
                "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            ])
            .arg("-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info")
            .args(["-cp", &self.class_path, class])
            .args(arguments);
        command
    }

    /// Runs a tool, for instance `org.apache.kafka.tools.TopicCommand`.
    pub fn run(&self, class: &str, arguments: &[&str]) -> Ran {
        self.run_with_input(class, arguments, "")
    }

    /// Runs a tool with `input` on its standard input.
    pub fn run_with_input(&self, class: &str, arguments: &[&str], input: &str) -> Ran {
        let mut child = self
            .java("-Xmx256m", class, arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("java starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let input = input.to_owned();
        let writer = std::thread::spawn(move || {
            // A tool that needs no input may have ended already.
            let _ = stdin.write_all(input.as_bytes());
        });
        let output = child.wait_with_output().expect("java ends");
        writer.join().expect("the writer does not panic");
        Ran {
            success: output.status.success(),
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Formats the log directories of `properties` as a fresh cluster would be.
    pub fn format(&self, properties: &Path, cluster_id: &str) {
        let mut arguments = vec!["format", "-t", cluster_id, "-c", path_text(properties)];
        arguments.extend(["--release-version", METADATA_VERSION]);
        for feature in [
            "group.version=0",
            "transaction.version=0",
            "share.version=0",
            "streams.version=0",
        ] {
            arguments.extend(["--feature", feature]);
        }
        self.run("kafka.tools.StorageTool", &arguments)
            .expect_success();
    }

    /// Starts Apache Kafka with `properties`, and waits until it serves.
    pub fn start(&self, properties: &Path) -> ApacheBroker {
        let broker = self.spawn(properties);
        broker.wait_until_started();
        broker
    }

    /// Starts the process of Apache Kafka with `properties`.
    pub fn spawn(&self, properties: &Path) -> ApacheBroker {
        let mut command = self.java("-Xmx1g", "kafka.Kafka", &[path_text(properties)]);
        ApacheBroker {
            process: Process::spawn_command(&mut command),
        }
    }
}

/// A running Apache Kafka.
pub struct ApacheBroker {
    process: Process,
}

impl ApacheBroker {
    /// Waits until it serves.
    pub fn wait_until_started(&self) {
        self.process
            .wait_until_printed("Kafka Server started", START_LIMIT);
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// Kills it (SIGKILL).
    pub fn kill(self) {
        self.process.kill();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        self.process.signal(signal);
    }

    /// Asks it to stop, and waits for the end.
    pub fn end(self) -> Stopped {
        self.process.stop(STOP_LIMIT)
    }

    /// Stops it gracefully: it leaves the clean-shutdown mark in `log_dir`.
    pub fn stop(self, log_dir: &Path) {
        let stopped = self.process.stop(STOP_LIMIT);
        let clean = log_dir.join(".kafka_cleanshutdown").exists();
        assert!(clean, "not a clean stop:\n{}", stopped.output);
    }
}
