//! The world of the nodes: time, the network, clients, and what happens in which order.

use std::time::{Duration, Instant};

use broker::doubles::{CrashDisk, SteppedClock, arrives};
use broker::model::{BrokerId, DirectoryId, LeaderEpoch, Offset, Timestamp, Uuid};
use broker::protocol::Str;
use broker::raft::wire::QuorumAddresses;
use broker::raft::{
    Absence, Correlation, RaftConfig, Request, RequestToken, Response, Retention, Timeouts, Voter,
};
use bytes::Bytes;

use super::faults::DiskFault;
use super::lies::Lies;
use super::mutation::Mutation;
use super::process::Process;
use super::state_machines::StateMachines;
use super::view::{LOG_DIR, View, formatted};
use crate::clock::Clock;
use crate::quorum::invariants::{HighWatermarkNeverRetreats, Invariants};
use crate::quorum::network::{Caller, Network};
use crate::random::Random;

/// The time of day at which a run begins.
const BEGINNING: i64 = 1_700_000_000_000;

/// What happens at its time.
#[derive(Debug)]
pub enum Event {
    Request {
        caller: Caller,
        to: usize,
        request: Request,
    },
    Response {
        from: usize,
        caller: Caller,
        response: Response,
    },
    /// A request has failed, and its caller notices.
    Failed {
        from: usize,
        caller: Caller,
        absence: Absence,
    },
    /// A quorum's thread goes on.
    Step {
        node: usize,
        incarnation: u64,
    },
    Start {
        node: usize,
    },
    /// A node is asked to stop.
    Stop {
        node: usize,
        incarnation: u64,
    },
    /// A disk has room again.
    Mend {
        node: usize,
        incarnation: u64,
    },
    /// A client writes, somewhere.
    Write,
    /// A node writes a snapshot.
    Snapshot,
    /// Links are cut or mended, nodes are harmed.
    Weather,
}

impl Event {
    /// The node that has to deal with it, and can't while it waits for its disk.
    fn target(&self) -> Option<usize> {
        match self {
            Self::Request { to, .. } => Some(*to),
            Self::Response { caller, .. } | Self::Failed { caller, .. } => Some(caller.node),
            Self::Step { node, .. } | Self::Stop { node, .. } => Some(*node),
            _ => None,
        }
    }
}

/// One machine: its disk outlives its process.
pub struct Machine {
    pub directory_id: DirectoryId,
    pub clock: Clock,
    /// What its process sees of that clock.
    pub shown: SteppedClock,
    pub disk: CrashDisk,
    pub lies: Lies,
    pub fault: Option<DiskFault>,
    pub view: View,
    /// The end of its log as its process has said last, which is synced; what a full disk has of a batch whose
    /// sync failed is beyond it.
    pub log_end: Offset,
    /// `None`: it is down.
    pub process: Option<Process>,
    /// Counts its starts: messages to an earlier one are lost.
    pub incarnation: u64,
    /// It waits for its disk, or is paused, and does nothing until then.
    pub stalled_until: Option<Duration>,
    /// When its next step is.
    pub armed: Option<Duration>,
}

/// See the module.
pub struct World {
    pub voters: Vec<Voter>,
    pub addresses: QuorumAddresses,
    /// Node ids are places in this list. The last one is an observer.
    pub machines: Vec<Machine>,
    pub network: Network<Event>,
    pub random: Random,
    pub invariants: Invariants,
    pub states: StateMachines,
    /// By what nodes publish of themselves; `invariants` has what they deliver.
    pub published: HighWatermarkNeverRetreats,
    pub mutation: Option<Mutation>,
    /// The time.
    pub elapsed: Duration,
    pub has_clients: bool,
    /// What happened, if anybody wants to know.
    pub story: Option<Vec<String>>,
    /// How many steps the quorums took.
    pub steps: u64,
    segment_bytes: u32,
    max_bytes: i64,
    pub writes: u64,
    correlation: u64,
    /// How many events have happened at this moment.
    at_once: usize,
}

impl World {
    pub fn new(seed: u64, voters: i32, mutation: Option<Mutation>) -> Self {
        let mut random = Random::new(seed);
        let start = Instant::now();
        let machines = (0..=voters).map(|id| machine(id, start, &mut random, mutation));
        let machines = machines.collect();
        let voters: Vec<Voter> = (0..voters).map(voter).collect();
        let mut world = Self {
            addresses: QuorumAddresses {
                cluster_id: Str::from_static("one-cluster"),
                voters: voters.clone(),
                listener: Str::from_static("CONTROLLER"),
            },
            voters,
            machines,
            network: Network::default(),
            invariants: Invariants::default(),
            states: StateMachines::default(),
            published: HighWatermarkNeverRetreats::default(),
            mutation,
            elapsed: Duration::ZERO,
            has_clients: true,
            story: None,
            steps: 0,
            segment_bytes: 500 + random.below(4000) as u32,
            max_bytes: 1000 + random.below(20_000) as i64,
            writes: 0,
            correlation: 0,
            at_once: 0,
            random,
        };
        for node in 0..world.machines.len() {
            let at = world.random.millis(0..300);
            world.network.schedule(at, Event::Start { node });
        }
        world.network.schedule(Duration::ZERO, Event::Write);
        world.network.schedule(Duration::ZERO, Event::Snapshot);
        world
    }

    pub fn run_with_faults(&mut self, events: usize) {
        self.network.has_faults = true;
        self.network.schedule(Duration::ZERO, Event::Weather);
        for _ in 0..events {
            self.step();
        }
    }

    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        let elapsed = self.elapsed;
        if let Some(story) = &mut self.story {
            story.push(format!("{elapsed:?} {}", what()));
        }
    }

    /// The next event happens.
    pub fn step(&mut self) {
        let (at, event) = self.network.next().expect("weather and clients never end");
        self.at_once = if at > self.elapsed {
            0
        } else {
            self.at_once + 1
        };
        assert!(self.at_once < 10_000, "time stands still at {event:?}");
        self.elapsed = at.max(self.elapsed);
        let stalled = event
            .target()
            .and_then(|node| self.machines[node].stalled_until)
            .filter(|until| *until > self.elapsed);
        match stalled {
            Some(until) => self.network.schedule(until, event),
            None => self.happen(event),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Request {
                caller,
                to,
                request,
            } => self.on_request(caller, to, request),
            Event::Response {
                from,
                caller,
                response,
            } => {
                if let Some(slot) = self.take_call(from, caller) {
                    slot.answered(response);
                    self.wake(caller.node);
                }
            }
            Event::Failed {
                from,
                caller,
                absence,
            } => {
                if let Some(slot) = self.take_call(from, caller) {
                    slot.unreachable(absence);
                    self.wake(caller.node);
                }
            }
            Event::Step { node, incarnation } => self.on_step(node, incarnation),
            Event::Start { node } => self.start(node),
            Event::Stop { node, incarnation } => self.stop(node, incarnation),
            Event::Mend { node, incarnation } => self.mend_disk(node, incarnation),
            Event::Write => self.write(),
            Event::Snapshot => {
                self.write_snapshot();
                let next = self.elapsed + self.random.millis(100..3000);
                self.network.schedule(next, Event::Snapshot);
            }
            Event::Weather => self.change_weather(),
        }
    }

    fn on_request(&mut self, caller: Caller, to: usize, request: Request) {
        let Some(process) = &mut self.machines[to].process else {
            self.tell_gone(caller, to);
            return;
        };
        let replica = match &request {
            Request::Fetch(fetch) => Some(fetch.replica.id),
            Request::FetchSnapshot(fetch) => Some(fetch.replica.id),
            _ => None,
        };
        if replica.is_some_and(|id| id >= BrokerId(0)) {
            process.fetching.push(caller.node);
        }
        let token = self.network.expect_answer(caller, to);
        self.invariants.votes.on_request(token, &request);
        self.serve(to, token, request);
        self.wake(to);
    }

    fn serve(&mut self, to: usize, token: RequestToken, request: Request) {
        if let Some(process) = &mut self.machines[to].process {
            process.serve(token, request);
        }
    }

    fn take_call(&mut self, from: usize, caller: Caller) -> Option<broker::raft::AnswerSlot> {
        let machine = &mut self.machines[caller.node];
        if machine.incarnation != caller.incarnation {
            return None;
        }
        let process = machine.process.as_mut()?;
        process.take_call(BrokerId(from as i32), caller.correlation)
    }

    /// A request leaves a node, at this time.
    pub fn send(&mut self, from: usize, to: usize, at: Duration, request: &Request) -> Correlation {
        self.correlation += 1;
        let correlation = Correlation(self.correlation);
        let caller = Caller {
            node: from,
            incarnation: self.machines[from].incarnation,
            correlation,
        };
        for arrival in self.network.arrivals(&mut self.random, at, from, to) {
            let request = arrives(&self.addresses, BrokerId(to as i32), request);
            self.network.schedule(
                arrival,
                Event::Request {
                    caller,
                    to,
                    request,
                },
            );
        }
        correlation
    }

    /// The host of a node that is down resets the connections that were open, and refuses new ones.
    pub fn tell_gone(&mut self, caller: Caller, from: usize) {
        let is_lost = self.network.has_faults && self.random.one_in(5);
        if is_lost || !self.network.connects(caller.node, from) {
            return;
        }
        let at = self.elapsed + self.random.millis(1..5);
        let absence = if self.network.has_faults && self.random.one_in(4) {
            Absence::Silent
        } else {
            Absence::Gone
        };
        self.network.schedule(
            at,
            Event::Failed {
                from,
                caller,
                absence,
            },
        );
    }

    /// A node's thread wakes up soon, as there is something for it to do.
    pub fn wake(&mut self, node: usize) {
        let pause = Duration::from_micros(self.random.below(1000) as u64);
        self.arm(node, self.elapsed + pause);
    }

    pub fn arm(&mut self, node: usize, at: Duration) {
        let machine = &mut self.machines[node];
        if machine.armed.is_none_or(|armed| at < armed) {
            machine.armed = Some(at);
            let incarnation = machine.incarnation;
            self.network.schedule(at, Event::Step { node, incarnation });
        }
    }

    fn stop(&mut self, node: usize, incarnation: u64) {
        let machine = &mut self.machines[node];
        if machine.incarnation != incarnation {
            return;
        }
        if let Some(process) = &mut machine.process {
            process.is_stopping = true;
            process.stepped.raft.close();
            self.tell(|| format!("node {node} is asked to stop"));
            self.wake(node);
        }
    }

    fn write(&mut self) {
        let next = self.elapsed + self.random.millis(1..300);
        self.network.schedule(next, Event::Write);
        if !self.has_clients {
            return;
        }
        let led = |machine: &Machine| machine.process.as_ref().and_then(|process| process.leads);
        let leaders = self.machines.iter().enumerate();
        let leaders = leaders.filter_map(|(node, machine)| Some((node, led(machine)?)));
        let leaders: Vec<(usize, LeaderEpoch)> = leaders.collect();
        if leaders.is_empty() {
            return;
        }
        let (node, epoch) = leaders[self.random.below(leaders.len())];
        for _ in 0..=self.random.below(3) {
            let count = 1 + self.random.below(3);
            let records = (0..count).map(|_| self.record()).collect();
            if let Some(process) = &self.machines[node].process {
                // It may lead no more.
                let _ = process.stepped.raft.append(epoch, records);
            }
        }
        self.wake(node);
    }

    fn record(&mut self) -> Bytes {
        self.writes += 1;
        let length = self.random.below(60);
        Bytes::from(format!("<{}{}>", self.writes, ".".repeat(length)))
    }

    /// What a node's quorum is to do.
    pub fn config(&mut self, node: usize) -> RaftConfig {
        RaftConfig {
            node_id: BrokerId(node as i32),
            directory_id: self.machines[node].directory_id,
            voters: self.voters.clone(),
            must_vote: node < self.voters.len(),
            log_dir: LOG_DIR.into(),
            segment_bytes: self.segment_bytes,
            segment_ms: i64::MAX,
            retention: Retention {
                max_bytes: self.max_bytes,
                max_age_ms: -1,
            },
            timeouts: Timeouts::default(),
            reserve: None,
            seed: self.random.next(),
        }
    }

    /// Sets the clock that a node's process sees.
    pub fn set_clock(&mut self, node: usize) {
        let machine = &self.machines[node];
        let instant = machine.clock.read(self.elapsed);
        let since = instant.saturating_duration_since(machine.clock.read(Duration::ZERO));
        let wall = Timestamp(BEGINNING + since.as_millis() as i64);
        machine.shown.set(instant, wall);
    }

    /// What is not as it should be.
    pub fn trouble(&self) -> Option<String> {
        let mut infos = Vec::new();
        for (node, machine) in self.machines.iter().enumerate() {
            match &machine.process {
                None => return Some(format!("node {node} is down")),
                Some(process) => infos.push(process.stepped.raft.info()),
            }
        }
        let leaders = infos.iter().filter(|info| info.leads).count();
        let epoch = infos.iter().map(|info| info.epoch).max();
        for (node, info) in infos.iter().enumerate() {
            if Some(info.epoch) != epoch {
                return Some(format!("node {node} is not in {epoch:?}"));
            }
            if info.newcomer.is_some() {
                return Some(format!("node {node} does not vote yet"));
            }
            let committed = info.high_watermark.unwrap_or(Offset::ZERO);
            let lag = info.log_end_offset - committed;
            if committed == Offset::ZERO || lag > 50 {
                return Some(format!("node {node} has committed {committed}, lag {lag}"));
            }
        }
        let committed = self.invariants.committed.count_since_mark();
        match (leaders, committed) {
            (1, 10..) => None,
            _ => Some(format!("{leaders} leaders, {committed} batches committed")),
        }
    }
}

pub fn directory(node: usize, number: u64) -> DirectoryId {
    let mut bytes = [node as u8 + 1; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    Uuid::from_bytes(bytes)
}

fn voter(id: i32) -> Voter {
    Voter {
        id: BrokerId(id),
        host: "localhost".to_owned(),
        port: 9093,
    }
}

fn machine(id: i32, start: Instant, random: &mut Random, mutation: Option<Mutation>) -> Machine {
    let drift_ppm = random.below(100_000) as i32 - 50_000;
    let shown = SteppedClock::new(start, Timestamp(BEGINNING));
    Machine {
        directory_id: directory(id as usize, 0),
        clock: Clock::new(start, drift_ppm),
        lies: Lies::new(mutation, shown.clone()),
        shown,
        disk: formatted(),
        fault: None,
        view: View::default(),
        log_end: Offset::ZERO,
        process: None,
        incarnation: 0,
        stalled_until: None,
        armed: None,
    }
}
