//! Machines: brokers that start with what is on their disks, and read the committed metadata.

use std::sync::Arc;

use broker::metadata::delta::MetadataDelta;
use broker::metadata::image::Provenance;
use broker::model::{LeaderEpoch, Offset, Uuid};

use super::events::{CONTROLLER, Event};
use super::lying_disk::LyingDisk;
use super::process::{Beginning, Process};
use super::world::{NODES, World};

impl World {
    /// Something was committed: brokers hear of it, each at its time.
    pub fn notify_readers(&mut self) {
        for node in 0..NODES {
            let slow = self.events.has_faults && self.random.one_in(20);
            let longest = if slow { 2000 } else { 15 };
            let at = self.elapsed + self.random.millis(1..longest);
            let process = self.nodes[node].started;
            self.events.schedule(at, Event::Read { node, process });
        }
    }

    /// A broker reads on in the committed log, to the end of some decision.
    pub fn read(&mut self, node: usize, process: u64) {
        if !self.is_running(node, process) {
            return;
        }
        if self.events.is_cut(CONTROLLER, node) || self.events.is_cut(node, CONTROLLER) {
            let at = self.elapsed + self.random.millis(50..500);
            self.events.schedule(at, Event::Read { node, process });
            return;
        }
        let to = self
            .quorum
            .some_end(&mut self.random, self.events.has_faults);
        let quorum = &self.quorum;
        let running = self.nodes[node].process.as_ref().expect("it runs");
        if to <= running.read {
            if running.read < quorum.committed() {
                let at = self.elapsed + self.random.millis(1..300);
                self.events.schedule(at, Event::Read { node, process });
            }
            return;
        }
        let mut delta = MetadataDelta::new((*running.image).clone());
        for offset in running.read..to {
            if let Some(record) = quorum.record(offset) {
                delta.replay(record).expect("it is committed");
            }
        }
        delta.set_provenance(provenance(to));
        let image = Arc::new(delta.image().clone());
        self.on(node, |process, _| {
            process.read = to;
            process.image = Arc::clone(&image);
            process.apply(&delta, &image);
        });
        self.nodes[node].image = image;
        self.nodes[node].read = to;
        self.follow_wrongly(node);
        if to < self.quorum.committed() {
            let at = self.elapsed + self.random.millis(1..300);
            self.events.schedule(at, Event::Read { node, process });
        }
        self.act(node);
    }

    /// A node starts with what is on its disk.
    pub fn start(&mut self, node: usize) {
        if self.nodes[node].process.is_some() {
            return;
        }
        self.begin_disk_fault_at_start(node);
        self.catch_up_before_start(node);
        let machine = &mut self.nodes[node];
        machine.started += 1;
        machine.stalled_until = None;
        machine.armed = None;
        machine.is_syncing = false;
        let mut bytes = [1; 16];
        bytes[..8].copy_from_slice(&machine.started.to_be_bytes());
        bytes[8..].copy_from_slice(&(node as u64 + 1).to_be_bytes());
        machine.incarnation = Uuid::from_bytes(bytes);
        let beginning = Beginning {
            node,
            number: machine.started,
            incarnation: machine.incarnation,
            disk: LyingDisk {
                disk: Arc::new(machine.disk.clone()),
                hooks: machine.lies.clone(),
            },
            paths: machine.paths.clone(),
            image: Arc::clone(&machine.image),
            read: machine.read,
            checks_followers: self.checks_followers,
            fetches_little: self.fetches_little,
        };
        let started = self.timed(node, |world, now| {
            let mut ids = 0;
            let random = world.random.next();
            Process::start(beginning, now, || {
                ids += 1;
                let mut bytes = [9; 16];
                bytes[..8].copy_from_slice(&random.to_be_bytes());
                bytes[8] = ids;
                Uuid::from_bytes(bytes)
            })
        });
        if self.has_lost_power_within(node) {
            drop(started);
            self.crash(node);
            return;
        }
        match started {
            Ok(process) => {
                self.tell(|| format!("node {node} starts"));
                self.nodes[node].process = Some(Box::new(process));
                self.look_after_start(node);
                let process = self.nodes[node].started;
                self.events
                    .schedule(self.elapsed, Event::Read { node, process });
                self.act(node);
            }
            Err(why) => {
                assert!(
                    self.nodes[node].fault.is_some(),
                    "node {node} does not start: {why}"
                );
                self.start_later(node);
            }
        }
    }

    /// A broker that starts has read its copy of the metadata log, which may be behind.
    pub fn catch_up_before_start(&mut self, node: usize) {
        let to = self.quorum.some_end(&mut self.random, true);
        let machine = &mut self.nodes[node];
        if to <= machine.read {
            return;
        }
        let mut delta = MetadataDelta::new((*machine.image).clone());
        for offset in machine.read..to {
            if let Some(record) = self.quorum.record(offset) {
                delta.replay(record).expect("it is committed");
            }
        }
        delta.set_provenance(provenance(to));
        machine.image = Arc::new(delta.image().clone());
        machine.read = to;
    }
}

fn provenance(count: usize) -> Provenance {
    Provenance {
        offset: Offset(i64::try_from(count).expect("a short log") - 1),
        epoch: LeaderEpoch(1),
        ..Provenance::default()
    }
}
