//! What goes wrong with nodes: power cuts, disks that are slow, full, failing or wiped, and what
//! operators do.

use std::time::Duration;

use broker::raft::{Effect, Input};

use super::disk::SimulatedDisk;
use super::network::Event;
use super::world::{World, directory};

/// How long a node leaves a full disk alone.
const PAUSE: Duration = Duration::from_secs(1);

/// What becomes of an effect.
pub enum Fate {
    Done,
    /// The process ends before it, or in the midst of it.
    Crash,
    /// The disk takes its time.
    Slow(Duration),
    /// There is no space.
    Full,
}

/// How often a disk is replaced by an empty one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wipes {
    Rare,
    /// As often as the others vote, and the node is back at once: messages of before are still on
    /// their way.
    Many,
}

impl World {
    pub fn fate(&mut self, effect: &Effect) -> Fate {
        if !self.network.has_faults {
            return Fate::Done;
        }
        let is_synced = matches!(
            effect,
            Effect::Persist(_) | Effect::Flush | Effect::Truncate(_) | Effect::StoreSnapshot { .. }
        );
        let takes_space = matches!(effect, Effect::Persist(_) | Effect::Flush);
        if self.random.one_in(500) || (is_synced && self.random.one_in(300)) {
            Fate::Crash
        } else if takes_space && self.random.one_in(400) {
            Fate::Full
        } else if is_synced && self.random.one_in(30) {
            let longest = if self.random.one_in(20) { 4000 } else { 100 };
            Fate::Slow(self.random.millis(1..longest))
        } else {
            Fate::Done
        }
    }

    /// A node does nothing for a while; what comes meanwhile waits.
    pub fn stall(&mut self, node: usize, duration: Duration) {
        let until = self.elapsed + duration;
        let incarnation = self.nodes[node].incarnation;
        self.nodes[node].stalled_until = Some(until);
        self.network
            .schedule(until, Event::Resume { node, incarnation });
    }

    pub fn on_resume(&mut self, node: usize, incarnation: u64) -> Option<usize> {
        let resumed = &mut self.nodes[node];
        if resumed.incarnation != incarnation {
            return None;
        }
        resumed.stalled_until = None;
        Some(node)
    }

    /// As the driver does: what waits is dropped, what was not flushed is taken back, and after a
    /// pause the core begins again.
    pub fn fill_disk(&mut self, node: usize) {
        let until = self.elapsed + PAUSE;
        let full = &mut self.nodes[node];
        full.effects.clear();
        full.disk.take_back();
        full.stalled_until = Some(until);
        let incarnation = full.incarnation;
        self.network
            .schedule(until, Event::BeginAgain { node, incarnation });
    }

    pub fn on_begin_again(&mut self, node: usize, incarnation: u64) -> Option<usize> {
        let again = &mut self.nodes[node];
        if again.incarnation != incarnation {
            return None;
        }
        again.stalled_until = None;
        let election = again.disk.election;
        let log = again.disk.recover();
        if let Some(core) = &mut again.core {
            core.restart(election, log);
        }
        again.give(self.elapsed, Input::Started);
        Some(node)
    }

    pub fn change_weather(&mut self) -> Option<usize> {
        if !self.network.has_faults {
            return None;
        }
        let next = self.elapsed + self.random.millis(300..4000);
        self.network.schedule(next, Event::Weather);
        self.network
            .change_weather(&mut self.random, self.nodes.len());
        let node = self.random.below(self.nodes.len());
        if self.wipes == Wipes::Many && self.random.one_in(2) {
            self.wipe(node);
            return None;
        }
        match self.random.below(8) {
            0 | 1 => self.crash(node),
            2 => self.wipe(node),
            // What a leader decided can't be applied.
            3 => {
                let epoch = self.nodes[node].core.as_ref()?.election().epoch;
                self.nodes[node].give(self.elapsed, Input::ResignRequested { epoch });
                return Some(node);
            }
            // An operator stops a node in order.
            4 => {
                let incarnation = self.nodes[node].incarnation;
                let at = self.elapsed + self.random.millis(1..4000);
                self.network.schedule(at, Event::Stop { node, incarnation });
                self.nodes[node].give(self.elapsed, Input::ShutdownRequested);
                return Some(node);
            }
            _ => {}
        }
        None
    }

    pub fn on_stop(&mut self, node: usize, incarnation: u64) -> Option<usize> {
        let stopping = &self.nodes[node];
        if stopping.incarnation == incarnation {
            self.end(node, false);
        }
        None
    }

    /// The power fails, or the process is killed.
    pub fn crash(&mut self, node: usize) {
        self.end(node, true);
    }

    fn end(&mut self, node: usize, is_power_cut: bool) {
        let ended = &mut self.nodes[node];
        if ended.core.take().is_none() {
            return;
        }
        ended.effects.clear();
        ended.incarnation += 1;
        ended.armed = None;
        ended.stalled_until = None;
        ended.has_waited = false;
        if is_power_cut {
            ended.disk.crash(&mut self.random);
        } else {
            ended.disk.flush();
        }
        for caller in self.network.abandoned_by(node) {
            self.tell_gone(caller, node);
        }
        let longest = match self.wipes {
            Wipes::Rare => 5000,
            Wipes::Many => 300,
        };
        let back = self.elapsed + self.random.millis(1..longest);
        self.network.schedule(back, Event::Restart { node });
    }

    /// A node is down until it is switched on.
    pub fn shut_off(&mut self, node: usize) {
        self.nodes[node].is_off = true;
        self.crash(node);
    }

    pub fn switch_on(&mut self, node: usize) {
        self.nodes[node].is_off = false;
        self.network.schedule(self.elapsed, Event::Restart { node });
    }

    /// Whether a node is up, and must not vote.
    pub fn is_newcomer(&self, node: usize) -> bool {
        let core = self.nodes[node].core.as_ref();
        core.is_some_and(broker::raft::RaftNode::is_newcomer)
    }

    /// The disk is replaced by an empty one: one at a time, of a cluster that stands without it.
    pub fn wipe(&mut self, node: usize) {
        let voters = self.voters.ids().len();
        let mut disks = self.nodes[..voters].iter().map(|voter| &voter.disk);
        let all_vote = disks.all(|disk| disk.election.is_some());
        if voters < 3 || !all_vote {
            return;
        }
        self.crash(node);
        self.replace_disk(node, SimulatedDisk::default());
    }

    /// What was promised a moment ago is the easiest to forget: the disk is wiped, in one of so many
    /// cases.
    pub fn wipe_who_promised(&mut self, node: usize, one_in: usize) {
        let may_happen = self.network.has_faults && self.wipes == Wipes::Many;
        if may_happen && self.random.one_in(one_in) {
            self.wipe(node);
        }
    }

    /// A newcomer that becomes a voter loses its leader: first the way there, then the leader stops.
    pub fn leave_alone_who_settles(&mut self, node: usize, effect: &Effect) {
        let is_voter = node < self.voters.ids().len();
        let is_first = is_voter && self.nodes[node].disk.election.is_none();
        let leader = match effect {
            Effect::Persist(election) if is_first => election.leader,
            _ => None,
        };
        let may_happen = self.network.has_faults && self.wipes == Wipes::Many;
        if let Some(leader) = leader
            && may_happen
            && self.random.one_in(2)
        {
            let leader = leader.0 as usize;
            self.network.cut_between(node, leader);
            let incarnation = self.nodes[leader].incarnation;
            let at = self.elapsed + self.random.millis(1..1000);
            let event = Event::Stop {
                node: leader,
                incarnation,
            };
            self.network.schedule(at, event);
        }
    }

    /// A node that is down gets another disk.
    pub fn replace_disk(&mut self, node: usize, disk: SimulatedDisk) {
        let number = self.random.next();
        let owner = &mut self.nodes[node];
        owner.disk = disk;
        owner.key.directory_id = directory(node, number);
        self.invariants.epochs.on_wipe(node);
    }
}
