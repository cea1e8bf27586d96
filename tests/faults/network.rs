//! A network of our own: each node in a namespace, all on one bridge, which is in a namespace of its own with
//! the clients.
//!
//! A cut is a wrong hardware address for the other in the table of who sends: the bridge knows nobody by it,
//! and what is sent there vanishes without a word, one way. A slow link is one between two nodes alone, beside
//! the bridge.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::Command;

use parking_lot::Mutex;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::nodes::Hosting;
use crate::support::tools;

/// The last part of the clients' address.
pub const CLIENTS: i32 = 100;

/// The network; gone when dropped.
pub struct Network {
    name: String,
    nodes: Vec<i32>,
    /// The nodes at one end of each slow link, and what the link is called there.
    slow: Mutex<Vec<(i32, String)>>,
}

/// This thread is in the namespace of a node; dropping it goes back to the clients'.
struct Inside<'a>(&'a Network);

impl Network {
    /// A network of these nodes. The calling thread, and those that it starts, are among its clients from
    /// now on. `None`, said loudly, if this process may not make one.
    pub fn join(test: u8, nodes: &[i32]) -> Option<Self> {
        tools::program("ip")?;
        tools::program("tc")?;
        if !crate::mounts::may_mount() {
            return None;
        }
        let this = Self {
            name: format!("b{}-{test}", std::process::id()),
            nodes: nodes.to_vec(),
            slow: Mutex::default(),
        };
        let hub = this.namespace(CLIENTS);
        ip(&["netns", "add", &hub]);
        ip(&["-n", &hub, "link", "set", "lo", "up"]);
        ip(&["-n", &hub, "link", "add", "bridge", "type", "bridge"]);
        ip(&[
            "-n",
            &hub,
            "link",
            "set",
            "bridge",
            "address",
            &hardware(CLIENTS),
        ]);
        ip(&["-n", &hub, "addr", "add", &within(CLIENTS), "dev", "bridge"]);
        ip(&["-n", &hub, "link", "set", "bridge", "up"]);
        for id in nodes {
            this.plug_in(*id);
        }
        this.mend();
        this.enter(CLIENTS);
        Some(this)
    }

    fn plug_in(&self, id: i32) {
        let (hub, node) = (self.namespace(CLIENTS), self.namespace(id));
        let port = format!("port{id}");
        ip(&["netns", "add", &node]);
        ip(&["-n", &node, "link", "set", "lo", "up"]);
        ip(&[
            "-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns",
            &node,
        ]);
        ip(&["-n", &hub, "link", "set", &port, "master", "bridge", "up"]);
        ip(&["-n", &node, "link", "set", "eth0", "address", &hardware(id)]);
        ip(&["-n", &node, "addr", "add", &within(id), "dev", "eth0"]);
        ip(&["-n", &node, "link", "set", "eth0", "up"]);
    }

    fn namespace(&self, id: i32) -> String {
        format!("{}-{id}", self.name)
    }

    fn enter(&self, id: i32) {
        let path = format!("/run/netns/{}", self.namespace(id));
        let namespace = File::open(&path).expect("the namespace is there");
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("root may enter it");
    }

    /// From now on nothing that `from` sends reaches `to`.
    pub fn cut_one_way(&self, from: i32, to: i32) {
        self.point(from, to, "02:00:00:00:ff:ff");
    }

    /// From now on a node and these others do not reach each other.
    pub fn cut(&self, node: i32, others: &[i32]) {
        for other in others {
            self.cut_one_way(node, *other);
            self.cut_one_way(*other, node);
        }
    }

    /// From now on a node and the other nodes do not reach each other; clients reach all.
    pub fn isolate(&self, node: i32) {
        let others: Vec<i32> = self
            .nodes
            .iter()
            .copied()
            .filter(|id| *id != node)
            .collect();
        self.cut(node, &others);
    }

    /// From now on two nodes reach each other by a link that carries so many kilobits a second.
    pub fn slow_down(&self, one: i32, other: i32, kilobits: u32) {
        let [at_one, at_other] = [other, one].map(|to| format!("slow{to}"));
        let namespace = self.namespace(one);
        ip(&[
            "-n",
            &namespace,
            "link",
            "add",
            &at_one,
            "type",
            "veth",
            "peer",
            "name",
            &at_other,
            "netns",
            &self.namespace(other),
        ]);
        for (node, to, device) in [(one, other, &at_one), (other, one, &at_other)] {
            let namespace = self.namespace(node);
            let rate = format!("{kilobits}kbit");
            let limit = ["rate", &rate, "burst", "2kb", "limit", "64kb"];
            let place = ["-n", &namespace, "qdisc", "add", "dev", device];
            run("tc", &[&place[..], &["root", "tbf"], &limit].concat());
            ip(&["-n", &namespace, "link", "set", device, "up"]);
            let (to, from) = (host(to), host(node));
            let route = ["route", "add", &to, "dev", device, "src", &from];
            ip(&[&["-n", &namespace], &route[..]].concat());
        }
        self.slow.lock().push((one, at_one));
    }

    /// Ends all cuts, and slow links.
    pub fn mend(&self) {
        for (node, link) in self.slow.lock().drain(..) {
            ip(&["-n", &self.namespace(node), "link", "del", &link]);
        }
        for from in self.nodes.iter().chain(&[CLIENTS]) {
            for to in self.nodes.iter().chain(&[CLIENTS]).filter(|to| *to != from) {
                self.point(*from, *to, &hardware(*to));
            }
        }
    }

    fn point(&self, from: i32, to: i32, hardware: &str) {
        let device = if from == CLIENTS { "bridge" } else { "eth0" };
        let (namespace, host) = (self.namespace(from), host(to));
        ip(&[
            "-n",
            &namespace,
            "neigh",
            "replace",
            &host,
            "lladdr",
            hardware,
            "nud",
            "permanent",
            "dev",
            device,
        ]);
    }
}

impl Hosting for Network {
    fn host(&self, id: i32) -> String {
        host(id)
    }

    fn inside(&self, id: i32, spawn: &mut dyn FnMut()) {
        self.enter(id);
        let _back = Inside(self);
        spawn();
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.enter(CLIENTS);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for id in self.nodes.iter().chain(&[CLIENTS]) {
            // It fails only if it was never made.
            let namespace = self.namespace(*id);
            let _ = Command::new("ip")
                .args(["netns", "del", &namespace])
                .output();
        }
    }
}

/// The address of a node; each test has a network of its own.
fn host(id: i32) -> String {
    format!("10.77.0.{id}")
}

fn hardware(id: i32) -> String {
    format!("02:00:00:00:00:{id:02x}")
}

fn within(id: i32) -> String {
    format!("{}/24", host(id))
}

fn ip(arguments: &[&str]) {
    run("ip", arguments);
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.expect("it is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}
