//! What goes wrong with machines, disks and the controller, and how it ends.

use std::time::Duration;

use broker::doubles::{CrashDisk, Fault, Tear};
use broker::protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use broker::protocol::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};

use super::events::{Answer, CLIENTS, CONTROLLER, Caller, Event, broker_of};
use super::quorum::Question;
use super::world::{NODES, TOPICS, World};

/// How bad things get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temper {
    /// Processes are killed, and disks keep what was written: nothing may ever be lost.
    Kills,
    /// The power fails as well.
    Power,
    /// Disks are replaced, too.
    Wipes,
}

/// What is to go wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskFault {
    at: u64,
    fault: Fault,
    /// What the disk keeps if the power fails.
    tear: Tear,
}

impl World {
    pub fn change_weather(&mut self) {
        if !self.events.has_faults {
            return;
        }
        let next = self.elapsed + self.random.millis(100..1500);
        self.events.schedule(next, Event::Weather);
        let random = &mut self.random;
        if random.one_in(2) {
            self.events.change_weather(random, NODES);
            return;
        }
        let node = random.below(NODES);
        match random.below(12) {
            0 | 1 => {
                let tear = self.tear();
                self.end(node, tear);
            }
            2 | 3 => self.begin_disk_fault(node, 60),
            4 => {
                let duration = self.random.millis(50..4000);
                self.nodes[node].stalled_until = Some(self.elapsed + duration);
            }
            5 | 6 => {
                self.on(node, super::process::Process::stop);
                self.act(node);
            }
            7 => self.fail_over(),
            8 => self.ask_for_election(),
            9 => self.reassign(),
            10 if self.temper == Temper::Wipes && self.random.one_in(3) => self.wipe(node),
            _ => {}
        }
    }

    /// What a sudden end leaves of what was not synced.
    pub fn tear(&mut self) -> Tear {
        if self.temper == Temper::Kills {
            return Tear::Kept;
        }
        match self.random.below(4) {
            0 => Tear::Kept,
            1 => Tear::Lost,
            _ => Tear::Torn(self.random.next()),
        }
    }

    fn begin_disk_fault(&mut self, node: usize, within: usize) {
        if self.nodes[node].fault.is_some() {
            return;
        }
        let fault = match self.random.below(4) {
            0 | 1 => Fault::PowerCut,
            2 => Fault::Io,
            _ => Fault::NoSpace,
        };
        let tear = self.tear();
        let at = self.nodes[node].disk.operations() + self.random.below(within) as u64;
        self.nodes[node].disk.inject(at, fault);
        self.nodes[node].fault = Some(DiskFault { at, fault, tear });
        if fault != Fault::PowerCut {
            let process = self.nodes[node].started;
            let back = self.elapsed + self.random.millis(100..5000);
            self.events.schedule(back, Event::Mend { node, process });
        }
    }

    /// At times the power fails while a broker starts.
    pub fn begin_disk_fault_at_start(&mut self, node: usize) {
        if self.events.has_faults && self.nodes[node].fault.is_none() && self.random.one_in(8) {
            let tear = self.tear();
            let at = self.nodes[node].disk.operations() + self.random.below(40) as u64;
            self.nodes[node].disk.inject(at, Fault::PowerCut);
            let fault = Fault::PowerCut;
            self.nodes[node].fault = Some(DiskFault { at, fault, tear });
        }
    }

    /// Whether a node's power has failed in the middle of what it was doing.
    pub fn has_lost_power_within(&self, node: usize) -> bool {
        let machine = &self.nodes[node];
        let fault = machine.fault.filter(|fault| fault.fault == Fault::PowerCut);
        fault.is_some_and(|fault| machine.disk.operations() > fault.at)
    }

    /// The power has failed.
    pub fn crash(&mut self, node: usize) {
        let tear = self.nodes[node]
            .fault
            .map_or(Tear::Kept, |fault| fault.tear);
        self.end(node, tear);
    }

    /// A process ends without a word.
    pub fn end(&mut self, node: usize, tear: Tear) {
        let machine = &mut self.nodes[node];
        let is_running = machine.process.take().is_some();
        let has_fault = machine.fault.take().is_some();
        if !is_running && !has_fault {
            return;
        }
        machine.disk = machine.disk.after_power_cut(tear);
        machine.has_lost_power |= tear != Tear::Kept;
        self.tell(|| format!("node {node} ends: {tear:?}"));
        self.gone(node);
    }

    /// A process stops in order.
    pub fn stop(&mut self, node: usize) {
        self.tell(|| format!("node {node} stops"));
        self.on(node, |process, _| {
            process.replicas.manager.close(process.life.epoch);
        });
        let tear = if self.has_lost_power_within(node) {
            self.nodes[node]
                .fault
                .map_or(Tear::Kept, |fault| fault.tear)
        } else {
            Tear::Kept
        };
        let machine = &mut self.nodes[node];
        machine.process = None;
        machine.fault = None;
        machine.disk = machine.disk.after_power_cut(tear);
        machine.has_lost_power |= tear != Tear::Kept;
        self.gone(node);
    }

    fn gone(&mut self, node: usize) {
        self.nodes[node].stalled_until = None;
        self.nodes[node].armed = None;
        let (now, random) = (self.elapsed, &mut self.random);
        self.events.reset(random, now, node);
        self.start_later(node);
    }

    pub fn start_later(&mut self, node: usize) {
        let longest = if !self.events.has_faults {
            50
        } else if self.random.one_in(3) {
            4000
        } else {
            300
        };
        let back = self.elapsed + self.random.millis(1..longest);
        self.events.schedule(back, Event::Start { node });
    }

    /// There is room again, or somebody starts a broker again whose directory has failed.
    pub fn mend_disk(&mut self, node: usize, process: u64) {
        if self.nodes[node].started != process {
            return;
        }
        let machine = &mut self.nodes[node];
        let is_cut = machine
            .fault
            .is_some_and(|fault| fault.fault == Fault::PowerCut);
        if is_cut {
            return;
        }
        machine.disk.heal();
        machine.fault = None;
        self.start_again_what_failed(node);
    }

    /// Ends a broker that has directories or logs which it cannot use.
    pub fn start_again_what_failed(&mut self, node: usize) {
        let Some(process) = &self.nodes[node].process else {
            return;
        };
        let manager = &process.replicas.manager;
        if !manager.offline_dirs().is_empty() || !manager.offline_partitions().is_empty() {
            self.end(node, Tear::Kept);
        }
    }

    fn wipe(&mut self, node: usize) {
        self.end(node, Tear::Kept);
        self.tell(|| format!("node {node} gets another disk"));
        self.nodes[node].disk = CrashDisk::new();
        self.nodes[node].fault = None;
        self.nodes[node].was_wiped = true;
    }

    fn fail_over(&mut self) {
        if self.quorum.down_until.is_some() {
            return;
        }
        let now = self.start + self.elapsed;
        let answers = self.quorum.fail_over(now, &mut self.random);
        self.tell(|| "another controller takes over".to_owned());
        for (caller, reply) in answers {
            let (now, random) = (self.elapsed, &mut self.random);
            let answer = Answer::Controller(reply);
            self.events.answer(random, now, CONTROLLER, caller, &answer);
        }
        let until = self.quorum.down_until.expect("it was just set");
        self.events.schedule(until - self.start, Event::Begin);
    }

    fn nobody_asks(&mut self, question: Question) {
        if self.quorum.down_until.is_some() {
            return;
        }
        let caller = Caller {
            from: CLIENTS,
            process: u64::MAX,
            correlation: self.events.correlation(),
        };
        self.decide(caller, question);
    }

    fn ask_for_election(&mut self) {
        let is_unclean = self.random.one_in(5);
        let topics = TOPICS.iter().filter(|rules| rules.unclean || !is_unclean);
        let topics: Vec<&'static str> = topics.map(|rules| rules.name).collect();
        self.elect(i8::from(is_unclean), &topics);
    }

    /// Asks for elections: of preferred leaders (0), or of anybody (1).
    pub fn elect(&mut self, election_type: i8, topics: &[&'static str]) {
        let topics = topics.iter().map(|name| TopicPartitions {
            topic: (*name).into(),
            partitions: vec![0],
        });
        let question = Question::Elect(ElectLeadersRequest {
            election_type,
            topic_partitions: Some(topics.collect()),
            ..ElectLeadersRequest::default()
        });
        self.nobody_asks(question);
    }

    /// A partition gets other replicas: two of the three brokers, or all in another order.
    fn reassign(&mut self) {
        let rules = TOPICS[self.random.below(TOPICS.len())];
        let mut replicas: Vec<i32> = (0..NODES).map(|node| broker_of(node).0).collect();
        replicas.rotate_left(self.random.below(NODES));
        if self.random.one_in(2) {
            replicas.swap(0, 1);
        }
        if self.random.one_in(2) {
            replicas.pop();
        }
        self.give_replicas(rules.name, Some(replicas));
    }

    pub fn give_replicas(&mut self, topic: &'static str, replicas: Option<Vec<i32>>) {
        let question = Question::Reassign(AlterPartitionReassignmentsRequest {
            topics: vec![ReassignableTopic {
                name: topic.into(),
                partitions: vec![ReassignablePartition {
                    partition_index: 0,
                    replicas,
                }],
            }],
            ..AlterPartitionReassignmentsRequest::default()
        });
        self.nobody_asks(question);
    }

    /// The faults end.
    pub fn heal(&mut self) {
        self.tell(|| "the faults end".to_owned());
        self.events.mend();
        for node in 0..NODES {
            self.nodes[node].stalled_until = None;
            self.nodes[node].disk.heal();
            if self.has_lost_power_within(node) {
                self.crash(node);
            }
            self.nodes[node].fault = None;
            self.start_again_what_failed(node);
            let at = self.elapsed + Duration::from_millis(1);
            self.events.schedule(at, Event::Start { node });
        }
    }
}
