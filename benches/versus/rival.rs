//! The two brokers as processes, one or three of each: started, measured, killed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::path_text;
use crate::support::process::{Process, memory};

/// CPU time.
pub type CpuSeconds = f64;

/// The kernel counts in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;
const CLUSTER_ID: &str = "JLLkEA6XQ0C3ANB0bHMI-g";
const START_LIMIT: Duration = Duration::from_secs(300);

/// A broker under test.
pub trait Rival {
    /// The column it stands in.
    fn name(&self) -> &'static str;
    /// Where clients connect.
    fn bootstrap(&self) -> String;
    /// Where clients connect while a node is away.
    fn bootstrap_without(&self, id: i32) -> String;
    /// How many nodes it is.
    fn nodes(&self) -> i32;
    /// The log directory of a node.
    fn data(&self, id: i32) -> PathBuf;
    /// Starts a node, by its id, without waiting.
    fn spawn_node(&mut self, id: i32) -> Process;
    /// Its processes that run, by the ids of their nodes.
    fn processes(&mut self) -> &mut BTreeMap<i32, Process>;
}

impl dyn Rival + '_ {
    /// Starts it and waits for its first answer; returns how long that took.
    pub fn start(&mut self) -> Duration {
        let started = Instant::now();
        self.spawn();
        for address in self.bootstrap().split(',') {
            while !answers(address) {
                let name = self.name();
                assert!(started.elapsed() < START_LIMIT, "{name} does not answer");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        started.elapsed()
    }

    /// Starts all nodes without waiting.
    pub fn spawn(&mut self) {
        for id in 1..=self.nodes() {
            let process = self.spawn_node(id);
            self.processes().insert(id, process);
        }
    }

    /// Kills all nodes with SIGKILL.
    pub fn kill(&mut self) {
        for (_, process) in std::mem::take(self.processes()) {
            process.kill();
        }
    }

    /// Kills one node with SIGKILL.
    pub fn kill_node(&mut self, id: i32) {
        let process = self.processes().remove(&id);
        process.expect("it runs").kill();
    }

    /// Stops one node in order; returns how long that took.
    pub fn stop_node(&mut self, id: i32, limit: Duration) -> Duration {
        let process = self.processes().remove(&id).expect("it runs");
        let started = Instant::now();
        process.stop(limit);
        started.elapsed()
    }

    /// Starts one node again.
    pub fn restart_node(&mut self, id: i32) {
        let process = self.spawn_node(id);
        self.processes().insert(id, process);
    }

    /// CPU that all nodes have used since their start.
    pub fn cpu(&mut self) -> CpuSeconds {
        let processes = self.processes().values();
        processes
            .map(|process| cpu_in(&format!("/proc/{}/stat", process.pid())))
            .sum()
    }

    /// Resident memory of the largest node in MiB.
    pub fn rss_mib(&mut self) -> f64 {
        let processes = self.processes().values();
        let sizes = processes.map(|process| memory(process.pid(), "VmRSS"));
        sizes.max().expect("it runs") as f64 / f64::from(1 << 20)
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

/// Where the nodes of a rival listen: a node's two ports are this, plus ten times its id, and one more.
#[derive(Clone, Copy)]
struct Ports(u16);

impl Ports {
    fn broker(self, id: i32) -> u16 {
        self.0 + 10 * u16::try_from(id).expect("few nodes")
    }

    fn bootstrap(self, ids: impl Iterator<Item = i32>) -> String {
        let addresses = ids.map(|id| format!("127.0.0.1:{}", self.broker(id)));
        addresses.collect::<Vec<_>>().join(",")
    }

    /// The settings of a node that say what is where: lines that TOML (with `quote` around values) and
    /// Java's properties take.
    fn settings(self, id: i32, nodes: i32, data: &Path, quote: &str) -> String {
        let (broker, controller) = (self.broker(id), self.broker(id) + 1);
        let voters = (1..=nodes).map(|id| format!("{id}@127.0.0.1:{}", self.broker(id) + 1));
        let voters = voters.collect::<Vec<_>>().join(",");
        let data = path_text(data);
        format!(
            "node.id = {id}\nlog.dirs = {quote}{data}{quote}\n\
             listeners = {quote}PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}{quote}\n\
             controller.quorum.voters = {quote}{voters}{quote}\n{}",
            settings(nodes)
        )
    }
}

/// A build of this broker.
pub struct Ours {
    name: &'static str,
    binary: PathBuf,
    ports: Ports,
    nodes: i32,
    directory: tempfile::TempDir,
    processes: BTreeMap<i32, Process>,
}

/// This broker, by default the one that was just built, on fresh directories.
pub fn ours(section: &str, nodes: i32, binary: Option<&Path>) -> Ours {
    let built = Path::new(env!("CARGO_BIN_EXE_broker"));
    build(
        "ours",
        nodes,
        binary.unwrap_or(built),
        Ports(21_000),
        section,
    )
}

/// Another build of this broker, in the place of Apache Kafka.
pub fn other_build(section: &str, nodes: i32, binary: &Path) -> Ours {
    build("the other build", nodes, binary, Ports(22_000), section)
}

fn build(name: &'static str, nodes: i32, binary: &Path, ports: Ports, section: &str) -> Ours {
    let directory = fresh_directory(section);
    for id in 1..=nodes {
        let data = data(&directory, id);
        let mut text = ports.settings(id, nodes, &data, "\"");
        text.push_str(&format!("cluster.id = \"{CLUSTER_ID}\"\n"));
        let config = directory.path().join(format!("broker-{id}.toml"));
        fs::write(config, text).expect("the disk has room");
    }
    Ours {
        name,
        binary: binary.to_owned(),
        ports,
        nodes,
        directory,
        processes: BTreeMap::new(),
    }
}

impl Rival for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn bootstrap(&self) -> String {
        self.ports.bootstrap(1..=self.nodes)
    }

    fn bootstrap_without(&self, id: i32) -> String {
        self.ports
            .bootstrap((1..=self.nodes).filter(|other| *other != id))
    }

    fn data(&self, id: i32) -> PathBuf {
        data(&self.directory, id)
    }

    fn nodes(&self) -> i32 {
        self.nodes
    }

    fn spawn_node(&mut self, id: i32) -> Process {
        let config = self.directory.path().join(format!("broker-{id}.toml"));
        let arguments = ["--config", path_text(&config)];
        Process::spawn(path_text(&self.binary), &arguments)
    }

    fn processes(&mut self) -> &mut BTreeMap<i32, Process> {
        &mut self.processes
    }
}

/// Apache Kafka 4.3.1.
pub struct ApacheKafka {
    nodes: i32,
    directory: tempfile::TempDir,
    class_path: String,
    processes: BTreeMap<i32, Process>,
}

const APACHE: Ports = Ports(22_000);

/// Apache Kafka on freshly formatted directories, with the same settings as ours.
pub fn apache(section: &str, nodes: i32, jars: &Path) -> ApacheKafka {
    let directory = fresh_directory(section);
    let class_path = format!("{}/*", path_text(jars));
    for id in 1..=nodes {
        let data = data(&directory, id);
        let text = format!(
            "process.roles=broker,controller\ncontroller.listener.names=CONTROLLER\n{}",
            APACHE.settings(id, nodes, &data, "")
        );
        let properties = directory.path().join(format!("server-{id}.properties"));
        fs::write(&properties, text).expect("the disk has room");
        let tool = ["-cp", &class_path, "kafka.tools.StorageTool", "format"];
        let formatted = Command::new("java")
            .args(tool)
            .args(["-t", CLUSTER_ID, "-c", path_text(&properties)])
            .output()
            .expect("java starts");
        let said = String::from_utf8_lossy(&formatted.stderr);
        assert!(formatted.status.success(), "{said}");
    }
    ApacheKafka {
        nodes,
        directory,
        class_path,
        processes: BTreeMap::new(),
    }
}

impl Rival for ApacheKafka {
    fn name(&self) -> &'static str {
        "apache"
    }

    fn bootstrap(&self) -> String {
        APACHE.bootstrap(1..=self.nodes)
    }

    fn bootstrap_without(&self, id: i32) -> String {
        APACHE.bootstrap((1..=self.nodes).filter(|other| *other != id))
    }

    fn data(&self, id: i32) -> PathBuf {
        data(&self.directory, id)
    }

    fn nodes(&self) -> i32 {
        self.nodes
    }

    fn spawn_node(&mut self, id: i32) -> Process {
        let properties = self
            .directory
            .path()
            .join(format!("server-{id}.properties"));
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
        Process::spawn_command(&mut java)
    }

    fn processes(&mut self) -> &mut BTreeMap<i32, Process> {
        &mut self.processes
    }
}

/// What groups need of both: lines that TOML and Java's properties take alike.
fn settings(nodes: i32) -> String {
    let settings = crate::groups::SETTINGS.iter();
    let lines = settings.map(|(key, value)| format!("{key}={value}\n"));
    let replicas = format!("offsets.topic.replication.factor={nodes}\n");
    lines.chain([replicas]).collect()
}

fn data(directory: &tempfile::TempDir, id: i32) -> PathBuf {
    directory.path().join(format!("data-{id}"))
}

fn fresh_directory(section: &str) -> tempfile::TempDir {
    let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    tempfile::Builder::new()
        .prefix(section)
        .tempdir_in(base)
        .expect("the disk has room")
}
