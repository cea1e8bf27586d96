//! What goes wrong with nodes and their disks, what operators do, and how it ends.

use std::time::Duration;

use broker::doubles::{Fault, Tear};
use broker::model::Offset;

use super::mutation::Mutation;
use super::view::{self, View};
use super::world::{Event, World, directory};

/// What is to go wrong with a disk.
#[derive(Clone, Copy, Debug)]
pub struct DiskFault {
    /// The operation that fails.
    at: u64,
    fault: Fault,
    /// What the disk keeps if the power fails.
    tear: Tear,
}

impl World {
    pub fn change_weather(&mut self) {
        if !self.network.has_faults {
            return;
        }
        let next = self.elapsed + self.random.millis(200..2500);
        self.network.schedule(next, Event::Weather);
        let nodes = self.machines.len();
        if self.random.one_in(3) {
            self.network.change_weather(&mut self.random, nodes);
            return;
        }
        let node = self.random.below(nodes);
        match self.random.below(10) {
            0 | 1 => {
                let tear = self.tear();
                self.end(node, tear);
            }
            2..=4 => self.begin_disk_fault(node, 80),
            5 => self.wipe(node),
            // An operator stops a node in order.
            6 => {
                let incarnation = self.machines[node].incarnation;
                self.network
                    .schedule(self.elapsed, Event::Stop { node, incarnation });
            }
            // What a leader decided can't be applied.
            7 => {
                if let Some(process) = &self.machines[node].process {
                    let (_, epoch) = process.stepped.raft.leader_and_epoch();
                    process.stepped.raft.resign(epoch);
                }
                self.wake(node);
            }
            8 => {
                let duration = self.random.millis(50..4000);
                self.machines[node].stalled_until = Some(self.elapsed + duration);
            }
            _ => {}
        }
    }

    /// What a sudden end leaves of what was not synced: all, if only the process was killed.
    fn tear(&mut self) -> Tear {
        match self.random.below(4) {
            0 => Tear::Kept,
            1 => Tear::Lost,
            _ => Tear::Torn(self.random.next()),
        }
    }

    fn begin_disk_fault(&mut self, node: usize, within: usize) {
        if self.machines[node].fault.is_some() {
            return;
        }
        let fault = match self.random.below(5) {
            0..=2 => Fault::PowerCut,
            3 => Fault::Io,
            _ => Fault::NoSpace,
        };
        self.inject(node, within, fault);
        let incarnation = self.machines[node].incarnation;
        if fault == Fault::NoSpace {
            let back = self.elapsed + self.random.millis(100..5000);
            self.network
                .schedule(back, Event::Mend { node, incarnation });
        }
    }

    fn inject(&mut self, node: usize, within: usize, fault: Fault) {
        let tear = self.tear();
        let at = self.machines[node].disk.operations() + self.random.below(within) as u64;
        self.machines[node].disk.inject(at, fault);
        self.machines[node].fault = Some(DiskFault { at, fault, tear });
    }

    /// At times the power fails while a node starts, or its disk is full.
    pub fn begin_disk_fault_at_start(&mut self, node: usize) {
        if self.network.has_faults && self.machines[node].fault.is_none() && self.random.one_in(6) {
            let faults = [Fault::PowerCut, Fault::PowerCut, Fault::Io, Fault::NoSpace];
            let fault = faults[self.random.below(faults.len())];
            self.inject(node, 30, fault);
        }
    }

    /// At times a disk is slow.
    pub fn slow_down(&mut self, node: usize) {
        if self.network.has_faults && self.random.one_in(40) {
            let longest = if self.random.one_in(20) { 4000 } else { 100 };
            let duration = self.random.millis(1..longest);
            self.machines[node].lies.slow_down(duration);
        }
    }

    /// Whether a node's disk has done a fault that was to come.
    pub fn has_failed(&self, node: usize) -> bool {
        let machine = &self.machines[node];
        let struck = |fault: &DiskFault| machine.disk.operations() > fault.at;
        machine.fault.as_ref().is_some_and(struck)
    }

    /// Whether a node's power has failed in the middle of what it was doing.
    pub fn has_lost_power(&self, node: usize) -> bool {
        let fault = self.machines[node].fault;
        fault.is_some_and(|fault| fault.fault == Fault::PowerCut) && self.has_failed(node)
    }

    /// Whether a request left before the power failed.
    pub fn has_left(&self, node: usize, operations: u64) -> bool {
        let fault = self.machines[node].fault;
        let cut = fault.filter(|fault| fault.fault == Fault::PowerCut);
        cut.is_none_or(|cut| operations <= cut.at)
    }

    /// The process ends as it can't go on, or as its power has failed.
    pub fn crash(&mut self, node: usize) {
        let tear = match self.machines[node].fault {
            Some(fault) if fault.fault == Fault::PowerCut => fault.tear,
            _ => self.tear(),
        };
        self.end(node, tear);
    }

    /// A process ends without a word.
    pub fn end(&mut self, node: usize, tear: Tear) {
        let machine = &mut self.machines[node];
        let is_running = machine.process.take().is_some();
        let has_fault = machine.fault.take().is_some();
        if !is_running && !has_fault {
            return;
        }
        machine.disk = machine.disk.after_power_cut(tear);
        self.tell(|| format!("node {node} ends: {tear:?}"));
        self.gone(node);
    }

    pub fn gone(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        machine.view.forget();
        machine.lies.begin();
        machine.incarnation += 1;
        machine.stalled_until = None;
        machine.armed = None;
        for caller in self.network.abandoned_by(node) {
            self.tell_gone(caller, node);
        }
        let longest = if self.random.one_in(3) { 5000 } else { 300 };
        let back = self.elapsed + self.random.millis(1..longest);
        self.network.schedule(back, Event::Start { node });
    }

    /// There is room again.
    pub fn mend_disk(&mut self, node: usize, incarnation: u64) {
        let machine = &mut self.machines[node];
        let is_full = machine
            .fault
            .is_some_and(|fault| fault.fault == Fault::NoSpace);
        if machine.incarnation == incarnation && is_full {
            machine.disk.heal();
            machine.fault = None;
        }
    }

    /// The disk is replaced by an empty one: one at a time, of a cluster that stands without it.
    fn wipe(&mut self, node: usize) {
        let voters = self.voters.len();
        let mut machines = self.machines[..voters].iter();
        let all_vote = machines.all(|machine| view::read_election(&machine.disk).is_some());
        if voters < 3 || !all_vote {
            return;
        }
        // What the voters remember must outlive a crash of their own.
        let tear = Tear::Kept;
        self.end(node, tear);
        self.tell(|| format!("node {node} gets another disk"));
        let number = self.random.next();
        let machine = &mut self.machines[node];
        machine.disk = view::formatted();
        machine.view = View::default();
        machine.log_end = Offset::ZERO;
        machine.directory_id = directory(node, number);
        self.invariants.epochs.on_wipe(node);
    }

    /// Faults of disks that are planted and do not show in what the disk is asked for.
    pub fn overwrite_state(&mut self, node: usize) {
        if self.mutation == Some(Mutation::OlderStateOverwrites) && self.random.one_in(3) {
            let machine = &self.machines[node];
            machine.lies.overwrite(&machine.disk);
        }
    }

    /// The faults end.
    pub fn heal(&mut self) {
        self.tell(|| "the faults end".to_owned());
        self.network.mend();
        for node in 0..self.machines.len() {
            self.machines[node].stalled_until = None;
            if self.has_lost_power(node) {
                self.crash(node);
            }
            self.machines[node].disk.heal();
            self.machines[node].fault = None;
            let at = self.elapsed + Duration::from_millis(1);
            self.network.schedule(at, Event::Start { node });
        }
        self.invariants.committed.mark();
    }
}
