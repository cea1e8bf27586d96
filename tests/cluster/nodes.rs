//! Nodes of one cluster: where they are, what they are, and whether they run.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::apache::{Apache, ApacheBroker};
use crate::support::process::Process;
use crate::support::{Broker, path_text};

/// The cluster that all nodes of a test belong to.
pub const CLUSTER_ID: &str = "QdcUrN8mS1qvUcLUNwFmjw";
/// How long a node may take to serve; generous, as machines are shared.
const START_LIMIT: Duration = Duration::from_secs(60);
const CONTROLLER_PORT: u16 = 19093;
const BROKER_PORT: u16 = 19092;
const CLIENT_PORT: u16 = 19094;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Controller,
    Broker,
    Both,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Broker => "broker",
            Self::Both => "broker,controller",
        }
    }
}

/// Whose program a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    Ours,
    Apache,
}

/// A node that runs, as a process.
enum Running {
    Ours(Process),
    Apache(ApacheBroker),
}

/// One node.
struct Node {
    maker: Maker,
    role: Role,
    /// Directory and settings; the process is not the broker's own here.
    place: Broker,
    running: Option<Running>,
}

/// Where nodes are, if not on this machine's loopback.
pub trait Hosting: Send + Sync {
    /// The address of a node.
    fn host(&self, id: i32) -> String;

    /// The id of the first node; those of the others follow.
    fn first_id(&self) -> i32 {
        1
    }

    /// Calls `spawn`, which starts a process, so that it is where the node is.
    fn inside(&self, id: i32, spawn: &mut dyn FnMut());
}

/// Nodes that know each other by `controller.quorum.voters`.
pub struct Nodes {
    apache: Option<Apache>,
    hosting: Arc<dyn Hosting>,
    all: BTreeMap<i32, Node>,
}

impl Nodes {
    /// Controllers with the ids 1, 2, ... by these makers, none of which runs. `test` is a number that no
    /// other test of this program has. In the values of settings `{id}` stands for the node's id. `None` where
    /// Apache Kafka is needed and not installed.
    pub fn controllers(test: u8, makers: &[Maker], settings: &[(&str, &str)]) -> Option<Self> {
        let hosting = Arc::new(Loopback::new(test));
        Self::new(hosting, makers, settings, Role::Controller, &[])
    }

    /// As [`Self::controllers`], and each is a broker as well.
    pub fn combined(test: u8, makers: &[Maker], settings: &[(&str, &str)]) -> Option<Self> {
        Self::hosted(Arc::new(Loopback::new(test)), makers, settings)
    }

    /// As [`Self::combined`], on hosts of the caller's.
    pub fn hosted(
        hosting: Arc<dyn Hosting>,
        makers: &[Maker],
        settings: &[(&str, &str)],
    ) -> Option<Self> {
        Self::new(hosting, makers, settings, Role::Both, &[])
    }

    /// As [`Self::controllers`], and with brokers whose ids follow.
    pub fn with_brokers(
        test: u8,
        controllers: &[Maker],
        brokers: &[Maker],
        settings: &[(&str, &str)],
    ) -> Option<Self> {
        let hosting = Arc::new(Loopback::new(test));
        Self::new(hosting, controllers, settings, Role::Controller, brokers)
    }

    fn new(
        hosting: Arc<dyn Hosting>,
        voters: &[Maker],
        settings: &[(&str, &str)],
        role: Role,
        brokers: &[Maker],
    ) -> Option<Self> {
        let makers = || voters.iter().chain(brokers);
        let needs_apache = makers().any(|maker| *maker == Maker::Apache);
        let apache = if needs_apache {
            Some(Apache::find()?)
        } else {
            None
        };
        let mut nodes = Self {
            apache,
            hosting,
            all: BTreeMap::new(),
        };
        let count = i32::try_from(voters.len()).expect("few nodes");
        let first = nodes.hosting.first_id();
        let voters: Vec<String> = (first..first + count)
            .map(|id| format!("{id}@{}", nodes.controller(id)))
            .collect();
        let voters = voters.join(",");
        for (id, maker) in (first..).zip(makers()) {
            let role = if id < first + count {
                role
            } else {
                Role::Broker
            };
            let node_id = id.to_string();
            let listeners = nodes.listeners(id, role);
            let mut all = vec![
                ("process.roles", role.name()),
                ("node.id", node_id.as_str()),
                ("controller.quorum.voters", voters.as_str()),
                ("controller.listener.names", "CONTROLLER"),
                ("listeners", listeners.as_str()),
                ("offsets.topic.replication.factor", "1"),
            ];
            all.retain(|(key, _)| settings.iter().all(|(set, _)| set != key));
            let filled = settings.iter();
            let filled = filled.map(|(key, value)| (*key, value.replace("{id}", &node_id)));
            let filled: Vec<(&str, String)> = filled.collect();
            all.extend(filled.iter().map(|(key, value)| (*key, value.as_str())));
            if *maker == Maker::Ours {
                all.push(("cluster.id", CLUSTER_ID));
            }
            let node = Node {
                maker: *maker,
                role,
                place: Broker::stopped(&all),
                running: None,
            };
            if *maker == Maker::Apache {
                nodes.format(&node, &all);
            }
            nodes.all.insert(id, node);
        }
        Some(nodes)
    }

    fn listeners(&self, id: i32, role: Role) -> String {
        let controller = format!("CONTROLLER://{}", self.controller(id));
        let broker = format!("PLAINTEXT://{}", self.bootstrap(id));
        match role {
            Role::Controller => controller,
            Role::Broker => broker,
            Role::Both => format!("{broker},{controller}"),
        }
    }

    fn format(&self, node: &Node, settings: &[(&str, &str)]) {
        write_properties(node, settings.iter().copied());
        let apache = self.apache.as_ref().expect("it was found");
        apache.format(&properties(node), CLUSTER_ID);
    }

    /// The ids of all nodes.
    pub fn ids(&self) -> Vec<i32> {
        self.all.keys().copied().collect()
    }

    /// The ids of those that are brokers.
    pub fn brokers(&self) -> Vec<i32> {
        let all = self.all.iter();
        all.filter(|(_, node)| node.role != Role::Controller)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Where a node's controller listens.
    pub fn controller(&self, id: i32) -> String {
        format!("{}:{CONTROLLER_PORT}", self.host(id))
    }

    /// Where a node's broker listens.
    pub fn bootstrap(&self, id: i32) -> String {
        format!("{}:{BROKER_PORT}", self.host(id))
    }

    /// Where a node's broker listens for clients, after [`Self::separate_clients`].
    pub fn for_clients(&self, id: i32) -> String {
        format!("{}:{CLIENT_PORT}", self.host(id))
    }

    /// Gives all nodes, which are brokers and controllers, a listener for clients beside that of the brokers.
    pub fn separate_clients(&mut self) {
        for id in self.ids() {
            let both = self.listeners(id, Role::Both);
            let all = format!("{both},CLIENTS://{}", self.for_clients(id));
            let protocols = ["PLAINTEXT", "CONTROLLER", "CLIENTS"];
            let protocols = protocols.map(|name| format!("{name}:PLAINTEXT")).join(",");
            self.set(id, "listeners", &all);
            self.set(id, "listener.security.protocol.map", &protocols);
            self.set(id, "inter.broker.listener.name", "PLAINTEXT");
        }
    }

    fn host(&self, id: i32) -> String {
        self.hosting.host(id)
    }

    /// Whose program a node runs.
    pub fn maker(&self, id: i32) -> Maker {
        self.all[&id].maker
    }

    /// The log directory of a node, the first if it has several.
    pub fn data_dir(&self, id: i32) -> PathBuf {
        self.data_dirs(id).swap_remove(0)
    }

    /// All log directories of a node.
    pub fn data_dirs(&self, id: i32) -> Vec<PathBuf> {
        let place = &self.all[&id].place;
        let mut settings = place.settings().iter();
        let set = settings.find(|(key, _)| key == "log.dirs");
        set.map_or_else(
            || vec![place.data_dir()],
            |(_, value)| value.split(',').map(PathBuf::from).collect(),
        )
    }

    /// The config and the process of one of our nodes, for what is changed before its next start.
    pub fn place(&mut self, id: i32) -> &mut Broker {
        &mut self.node(id).place
    }

    /// The process of one of our nodes, which runs.
    pub fn process(&self, id: i32) -> &Process {
        match self.all[&id].running.as_ref().expect("the node runs") {
            Running::Ours(process) => process,
            Running::Apache(_) => panic!("node {id} is not ours"),
        }
    }

    /// Changes a setting of a node for its next start.
    pub fn set(&mut self, id: i32, key: &str, value: &str) {
        self.change(id, |place| place.set(key, value));
    }

    fn change(&mut self, id: i32, change: impl FnOnce(&mut Broker)) {
        let node = self.node(id);
        change(&mut node.place);
        if node.maker == Maker::Apache {
            let settings = node.place.settings().iter();
            write_properties(node, settings.map(|(key, value)| (&**key, &**value)));
        }
    }

    /// Where the config of one of our nodes is, once it has been started.
    pub fn config(&self, id: i32) -> PathBuf {
        self.all[&id].place.config()
    }

    /// Takes a setting of a node away for its next start.
    pub fn unset(&mut self, id: i32, key: &str) {
        self.change(id, |place| place.unset(key));
    }

    fn node(&mut self, id: i32) -> &mut Node {
        self.all.get_mut(&id).expect("there is such a node")
    }

    /// Starts one of our nodes without waiting for anything; of Apache's nodes, the process starts.
    pub fn spawn(&mut self, id: i32) {
        let (apache, hosting) = (self.apache.clone(), Arc::clone(&self.hosting));
        let node = self.node(id);
        assert!(node.running.is_none(), "node {id} runs already");
        hosting.inside(id, &mut || {
            node.running = Some(match node.maker {
                Maker::Ours => Running::Ours(node.place.spawn()),
                Maker::Apache => {
                    let apache = apache.as_ref().expect("it was found");
                    Running::Apache(apache.spawn(&properties(node)))
                }
            });
        });
    }

    /// Starts all nodes, and waits until each serves.
    pub fn start_all(&mut self) {
        for id in self.ids() {
            self.spawn(id);
        }
        for id in self.ids() {
            self.wait_until_ready(id);
        }
    }

    /// Starts a node, and waits until it serves.
    pub fn start(&mut self, id: i32) {
        self.spawn(id);
        self.wait_until_ready(id);
    }

    /// Waits until a node serves.
    pub fn wait_until_ready(&mut self, id: i32) {
        match self.node(id).running.as_mut().expect("it was spawned") {
            Running::Ours(process) => {
                process.wait_until_printed("ready after", START_LIMIT);
            }
            Running::Apache(broker) => broker.wait_until_started(),
        }
    }

    /// Whether a node was started, and neither killed nor stopped since.
    pub fn is_running(&self, id: i32) -> bool {
        self.all[&id].running.is_some()
    }

    /// Whether a node that was started has ended by itself.
    pub fn has_ended(&mut self, id: i32) -> bool {
        match self.node(id).running.as_mut().expect("it was spawned") {
            Running::Ours(process) => process.has_ended(),
            Running::Apache(broker) => broker.has_ended(),
        }
    }

    /// Kills a node (SIGKILL).
    pub fn kill(&mut self, id: i32) {
        match self.node(id).running.take().expect("the node runs") {
            Running::Ours(process) => process.kill(),
            Running::Apache(broker) => broker.kill(),
        }
    }

    /// Stops a node in order, and returns what it printed.
    pub fn stop(&mut self, id: i32) -> String {
        let stopped = match self.node(id).running.take().expect("the node runs") {
            Running::Ours(process) => process.stop(START_LIMIT),
            Running::Apache(broker) => broker.end(),
        };
        stopped.output
    }

    /// Lets another program run a node, which does not run, from its next start on, on the same disk. A node that
    /// is Apache's by then began as one.
    pub fn hand_over(&mut self, id: i32, maker: Maker) {
        let node = self.node(id);
        assert!(node.running.is_none(), "node {id} runs");
        node.maker = maker;
        if maker == Maker::Ours {
            node.place.set("cluster.id", CLUSTER_ID);
        }
    }

    /// Sends one of our nodes a signal.
    pub fn signal(&mut self, id: i32, signal: rustix::process::Signal) {
        match self.node(id).running.as_ref().expect("the node runs") {
            Running::Ours(process) => process.signal(signal),
            Running::Apache(broker) => broker.signal(signal),
        }
    }

    /// Waits until one of our nodes has ended by itself; what it printed.
    pub fn ended(&mut self, id: i32) -> String {
        match self.node(id).running.take().expect("the node was started") {
            Running::Ours(mut process) => process.wait(START_LIMIT).output,
            Running::Apache(_) => panic!("node {id} is not ours"),
        }
    }

    /// Waits until one of our nodes has printed a line with this text.
    pub fn wait_for_line(&mut self, id: i32, text: &str) -> String {
        match self.node(id).running.as_mut().expect("the node runs") {
            Running::Ours(process) => process.wait_until_printed(text, START_LIMIT),
            Running::Apache(_) => panic!("node {id} is not ours"),
        }
    }

    /// Removes all that a node that does not run has on its disk, as if the disk was replaced.
    pub fn wipe(&mut self, id: i32) {
        let data = self.data_dir(id);
        fs::remove_dir_all(&data).expect("the directory can be removed");
        let settings: Vec<(String, String)> = self.node(id).place.settings().to_vec();
        let node = &self.all[&id];
        if node.maker == Maker::Apache {
            let settings: Vec<(&str, &str)> = settings
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect();
            self.format(node, &settings);
        }
    }
}

/// Which test has which number: the name of its thread.
static OWNERS: Mutex<BTreeMap<u8, Option<String>>> = Mutex::new(BTreeMap::new());

/// On loopback: each process of tests has addresses of its own, and each of its tests others.
pub struct Loopback {
    test: u8,
    first_id: i32,
}

impl Loopback {
    /// Hosts for the nodes of this test, whose ids are 1, 2, ...
    fn new(test: u8) -> Self {
        Self::with_ids_from(1, test)
    }

    /// Hosts for the nodes of this test, the first of which has this id.
    ///
    /// # Panics
    /// Another test of this process has the number.
    pub fn with_ids_from(first_id: i32, test: u8) -> Self {
        let own = thread::current().name().map(str::to_owned);
        let mut owners = OWNERS.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = owners.entry(test).or_insert_with(|| own.clone());
        assert_eq!(*owner, own, "two tests have the number {test}");
        Self { test, first_id }
    }
}

impl Hosting for Loopback {
    fn host(&self, id: i32) -> String {
        let pid = std::process::id();
        let high = ((pid >> 8) & 0x1f) << 3 | id.unsigned_abs() & 7;
        format!("127.{}.{high}.{}", self.test, pid & 0xff)
    }

    fn first_id(&self) -> i32 {
        self.first_id
    }

    fn inside(&self, _: i32, spawn: &mut dyn FnMut()) {
        spawn();
    }
}

fn write_properties<'a>(node: &Node, settings: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut text = format!("log.dirs={}\n", path_text(&node.place.data_dir()));
    for (key, value) in settings {
        text.push_str(&format!("{key}={value}\n"));
    }
    fs::write(properties(node), text).expect("the properties can be written");
}

fn properties(node: &Node) -> PathBuf {
    node.place.directory().join("server.properties")
}
