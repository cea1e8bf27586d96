//! A real broker process for tests: started on free ports in a directory of its own, stopped,
//! killed and started again. Nothing here knows what a test asserts.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(
    clippy::print_stdout,
    reason = "a failing test shows the broker's output"
)]

pub mod apache;
pub mod http;
pub mod metrics_text;
pub mod preload;
pub mod process;
pub mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use process::{Process, Stopped};

/// How long a broker may take to say that it is ready; generous, as machines are shared.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a graceful stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// The line that the broker logs when clients can connect, up to the address.
const READY: &str = "clients connect to ";

/// A broker process and the directory it lives in.
pub struct Broker {
    directory: tempfile::TempDir,
    settings: Vec<(String, String)>,
    /// What is loaded in the place of functions of the C library.
    library: Option<PathBuf>,
    /// The socket of the service manager.
    manager: Option<PathBuf>,
    /// Whether the default of `admin.listeners` holds where no setting names any.
    keeps_admin_default: bool,
    /// The words of the command that stand before the arguments, the program last.
    command: Vec<String>,
    running: Option<Running>,
}

struct Running {
    process: Process,
    bootstrap: String,
}

impl Broker {
    /// Starts a broker with default settings.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a broker with these settings (Kafka's names) besides what a test needs:
    /// free ports on loopback and a data directory of its own.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let mut broker = Self::stopped(settings);
        broker.start_again();
        broker
    }

    /// A broker that is configured but not started.
    pub fn stopped(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let settings = settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Self {
            directory,
            settings,
            library: None,
            manager: None,
            keeps_admin_default: false,
            command: vec![program()],
            running: None,
        }
    }

    /// Puts the functions of this library in the place of the C library's.
    pub fn preload(&mut self, library: &Path) {
        self.library = Some(library.to_owned());
    }

    /// Names the socket on which the process tells a service manager of itself.
    pub fn tell(&mut self, manager: &Path) {
        self.manager = Some(manager.to_owned());
    }

    /// Leaves `admin.listeners` to its default.
    pub fn keep_admin_default(&mut self) {
        self.keeps_admin_default = true;
    }

    /// Where the running broker serves metrics and health, `host:port`: `admin.listeners` was set.
    pub fn admin(&self) -> String {
        const SERVING: &str = "serving metrics and health on http://";
        let line = self.wait_until_logged(SERVING);
        let address = line.split(SERVING).nth(1).expect("the line has it");
        address.trim().to_owned()
    }

    /// Lets this program be the broker from the next start on.
    pub fn replace_program(&mut self, program: &str) {
        self.command.pop();
        self.command.push(program.to_owned());
    }

    /// Limits a resource of the process from the next start on, as `prlimit` names it: `nofile=100`.
    pub fn limit(&mut self, resource: &str) {
        let limit = format!("--{resource}");
        self.command.splice(0..0, ["prlimit".to_owned(), limit]);
    }

    /// Changes a setting for the next start.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.retain(|(existing, _)| existing != key);
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    /// Takes a setting away for the next start.
    pub fn unset(&mut self, key: &str) {
        self.settings.retain(|(existing, _)| existing != key);
    }

    /// The settings of the next start.
    pub fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    /// Starts the process and waits until clients can connect.
    pub fn start_again(&mut self) {
        assert!(self.running.is_none(), "the broker runs already");
        let mut process = self.spawn();
        let line = process.wait_for_line(READY, START_LIMIT);
        let address = line.split(READY).nth(1).expect("the line holds the marker");
        let bootstrap = address
            .split(|character: char| {
                !(character.is_ascii_alphanumeric() || ".:-".contains(character))
            })
            .next()
            .expect("split yields at least one part")
            .to_owned();
        self.running = Some(Running { process, bootstrap });
    }

    /// Starts the process without waiting for it to become ready.
    pub fn spawn(&self) -> Process {
        let config = self.write_config();
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        command.args(["--config", path_text(&config)]);
        // None unless a test asks for some: brokers of one machine would be in each other's way. An older build
        // passes the variable over.
        let asks = self
            .settings
            .iter()
            .any(|(key, _)| key == "admin.listeners");
        if !asks && !self.keeps_admin_default {
            command.env("KAFKA_ADMIN_LISTENERS", " ");
        }
        if let Some(library) = &self.library {
            command.env("LD_PRELOAD", library);
        }
        if let Some(manager) = &self.manager {
            command.env("NOTIFY_SOCKET", manager);
        }
        Process::spawn_command(&mut command)
    }

    /// Where the config is, once the process has been started.
    pub fn config(&self) -> PathBuf {
        self.directory.path().join("broker.toml")
    }

    fn write_config(&self) -> PathBuf {
        let mut text = String::new();
        let has = |key: &str| self.settings.iter().any(|(existing, _)| existing == key);
        if !has("listeners") {
            text.push_str("listeners = \"PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\"\n");
        }
        if !has("log.dirs") {
            text.push_str(&format!("log.dirs = {:?}\n", path_text(&self.data_dir())));
        }
        for (key, value) in &self.settings {
            text.push_str(&format!("{key:?} = {value:?}\n"));
        }
        let path = self.config();
        fs::write(&path, text).expect("the config can be written");
        path
    }

    /// Where clients connect: `host:port`.
    pub fn bootstrap(&self) -> &str {
        &self.running.as_ref().expect("the broker runs").bootstrap
    }

    /// The process id of the running broker.
    pub fn pid(&self) -> u32 {
        self.running
            .as_ref()
            .expect("the broker runs")
            .process
            .pid()
    }

    /// The one log directory of a broker with default settings.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The directory that vanishes with this value.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Sends the process a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let running = self.running.as_ref().expect("the broker runs");
        running.process.signal(signal);
    }

    /// Asks the broker to stop (SIGTERM), and waits until it has.
    pub fn stop(&mut self) -> Stopped {
        let running = self.running.take().expect("the broker runs");
        running.process.stop(STOP_LIMIT)
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.running
            .as_mut()
            .expect("the broker was started")
            .process
            .has_ended()
    }

    /// What is left of a process that has ended by itself.
    pub fn ended(&mut self) -> Stopped {
        let mut running = self.running.take().expect("the broker was started");
        running.process.wait(STOP_LIMIT)
    }

    /// Kills the broker (SIGKILL), as a crash would.
    pub fn kill(&mut self) {
        self.running.take().expect("the broker runs").process.kill();
    }

    /// Kills the broker and starts it again on the same directory.
    pub fn crash_and_restart(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Waits until the broker logs a line that contains `text`.
    pub fn wait_for_log(&mut self, text: &str) -> String {
        self.running
            .as_mut()
            .expect("the broker runs")
            .process
            .wait_for_line(text, START_LIMIT)
    }

    /// Waits until the running broker has logged a line that contains `text`, perhaps before it was
    /// ready.
    pub fn wait_until_logged(&self, text: &str) -> String {
        let running = self.running.as_ref().expect("the broker runs");
        running.process.wait_until_printed(text, START_LIMIT)
    }

    /// Everything that the running broker has logged so far.
    pub fn log(&self) -> String {
        self.running
            .as_ref()
            .expect("the broker runs")
            .process
            .output()
    }
}

/// The broker to start: the one that the environment names, else the one that was built with the tests.
pub fn program() -> String {
    std::env::var("BROKER").unwrap_or_else(|_| env!("CARGO_BIN_EXE_broker").to_owned())
}

/// A path as text; test paths are UTF-8.
pub fn path_text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}
