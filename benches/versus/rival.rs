//! The two brokers as processes: started, measured, killed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::path_text;
use crate::support::process::Process;

/// CPU time.
pub type CpuSeconds = f64;

/// The kernel counts in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;
const START_LIMIT: Duration = Duration::from_secs(300);

/// A broker under test.
pub trait Rival {
    /// The column it stands in.
    fn name(&self) -> &'static str;
    /// Where clients connect.
    fn bootstrap(&self) -> String;
    /// Starts it without waiting.
    fn spawn(&mut self);
    /// Its process, if it runs.
    fn process(&mut self) -> &mut Option<Process>;
}

impl dyn Rival + '_ {
    /// Starts it and waits for its first answer; returns how long that took.
    pub fn start(&mut self) -> Duration {
        let started = Instant::now();
        self.spawn();
        let address = self.bootstrap();
        while !answers(&address) {
            assert!(
                started.elapsed() < START_LIMIT,
                "{} does not answer",
                self.name()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        started.elapsed()
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(process) = self.process().take() {
            process.kill();
        }
    }

    fn pid(&mut self) -> u32 {
        self.process().as_ref().expect("it runs").pid()
    }

    /// CPU used since its start.
    pub fn cpu(&mut self) -> CpuSeconds {
        cpu_in(&format!("/proc/{}/stat", self.pid()))
    }

    /// Resident memory in MiB.
    pub fn rss_mib(&mut self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .expect("VmRSS is told");
        let kib: f64 = line
            .split_whitespace()
            .nth(1)
            .expect("a number")
            .parse()
            .expect("a number");
        kib / 1024.0
    }
}

/// User and system time of the calling thread.
pub fn cpu_of_thread() -> CpuSeconds {
    cpu_in("/proc/thread-self/stat")
}

fn cpu_in(path: &str) -> CpuSeconds {
    let stat = fs::read_to_string(path).expect("the process runs");
    // The command may hold spaces; it ends with the last parenthesis.
    let fields: Vec<&str> = stat[stat.rfind(')').expect("a command") + 2..]
        .split(' ')
        .collect();
    let ticks: f64 = [11, 12]
        .iter()
        .map(|n| fields[*n].parse::<f64>().expect("a number"))
        .sum();
    ticks / TICKS_PER_SECOND
}

/// Whether an ApiVersions request is answered.
fn answers(address: &str) -> bool {
    let Ok(mut socket) = TcpStream::connect(address) else {
        return false;
    };
    // Size 10; key 18, version 0, correlation id 7, null client id.
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
    let mut answer = [0; 10];
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("5 s is not zero");
    socket.write_all(&request).is_ok()
        && socket.read_exact(&mut answer).is_ok()
        && answer[4..] == [0, 0, 0, 7, 0, 0]
}

/// A build of this broker.
pub struct Ours {
    name: &'static str,
    binary: PathBuf,
    port: u16,
    directory: tempfile::TempDir,
    process: Option<Process>,
}

/// This broker, by default the one that was just built, on a fresh directory.
pub fn ours(section: &str, binary: Option<&Path>) -> Ours {
    let built = Path::new(env!("CARGO_BIN_EXE_broker"));
    build("ours", binary.unwrap_or(built), 21092, section)
}

/// Another build of this broker, in the place of Apache Kafka.
pub fn other_build(section: &str, binary: &Path) -> Ours {
    build("the other build", binary, 22092, section)
}

fn build(name: &'static str, binary: &Path, port: u16, section: &str) -> Ours {
    let directory = fresh_directory(section);
    let data = directory.path().join("data");
    let controller = port + 1;
    let text = format!(
        "node.id = 1\nlog.dirs = {:?}\nlisteners = \"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\"\n{}",
        path_text(&data),
        settings()
    );
    fs::write(directory.path().join("broker.toml"), text).expect("the disk has room");
    Ours {
        name,
        binary: binary.to_owned(),
        port,
        directory,
        process: None,
    }
}

impl Rival for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn spawn(&mut self) {
        let config = self.directory.path().join("broker.toml");
        let arguments = ["--config", path_text(&config)];
        self.process = Some(Process::spawn(path_text(&self.binary), &arguments));
    }

    fn process(&mut self) -> &mut Option<Process> {
        &mut self.process
    }
}

/// Apache Kafka 4.3.1.
pub struct ApacheKafka {
    directory: tempfile::TempDir,
    class_path: String,
    process: Option<Process>,
}

/// Apache Kafka on a freshly formatted directory, with the same settings as ours.
pub fn apache(section: &str, jars: &Path) -> ApacheKafka {
    let directory = fresh_directory(section);
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:22093\n\
         controller.listener.names=CONTROLLER\nlog.dirs={}\n\
         listeners=PLAINTEXT://127.0.0.1:22092,CONTROLLER://127.0.0.1:22093\n{}",
        path_text(&directory.path().join("data")),
        settings()
    );
    let properties = directory.path().join("server.properties");
    fs::write(&properties, text).expect("the disk has room");
    let class_path = format!("{}/*", path_text(jars));
    let formatted = Command::new("java")
        .args([
            "-cp",
            &class_path,
            "kafka.tools.StorageTool",
            "format",
            "-t",
            "JLLkEA6XQ0C3ANB0bHMI-g",
        ])
        .args(["-c", path_text(&properties)])
        .output()
        .expect("java starts");
    assert!(
        formatted.status.success(),
        "{}",
        String::from_utf8_lossy(&formatted.stderr)
    );
    ApacheKafka {
        directory,
        class_path,
        process: None,
    }
}

impl Rival for ApacheKafka {
    fn name(&self) -> &'static str {
        "apache"
    }

    fn bootstrap(&self) -> String {
        "127.0.0.1:22092".to_owned()
    }

    fn spawn(&mut self) {
        let properties = self.directory.path().join("server.properties");
        let mut java = Command::new("java");
        // The heap, collector and flags of kafka-server-start.sh.
        java.args([
            "-Xmx1g",
            "-Xms1g",
            "-server",
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
        ]);
        java.args([
            "-XX:InitiatingHeapOccupancyPercent=35",
            "-XX:+ExplicitGCInvokesConcurrent",
        ]);
        java.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
        java.args([
            "-cp",
            &self.class_path,
            "kafka.Kafka",
            path_text(&properties),
        ]);
        self.process = Some(Process::spawn_command(&mut java));
    }

    fn process(&mut self) -> &mut Option<Process> {
        &mut self.process
    }
}

/// What groups need of both: lines that TOML and Java's properties take alike.
fn settings() -> String {
    let settings = crate::groups::SETTINGS.iter();
    let lines = settings.map(|(key, value)| format!("{key}={value}\n"));
    lines.collect()
}

fn fresh_directory(section: &str) -> tempfile::TempDir {
    let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    tempfile::Builder::new()
        .prefix(section)
        .tempdir_in(base)
        .expect("the disk has room")
}
