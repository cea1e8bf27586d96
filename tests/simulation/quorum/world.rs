//! A cluster, its clock, and what happens in it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use broker::model::{BrokerId, LeaderEpoch, Offset, Uuid};
use broker::raft::{
    Absence, Effect, ElectionState, Identity, Input, Jitter, RaftNode, ReplicaKey, Request,
    Timeouts, Voters,
};
use bytes::Bytes;

use super::disk::SimulatedDisk;
use super::faults::Wipes;
use super::invariants::Invariants;
use super::mutation::Mutation;
use super::network::{Caller, Event, Network};
use crate::clock::Clock;
use crate::random::Random;

/// One machine: its disk outlives its process.
pub struct Node {
    pub key: ReplicaKey,
    pub clock: Clock,
    pub disk: SimulatedDisk,
    /// `None`: it is down.
    pub core: Option<RaftNode>,
    /// Counts its starts: messages to an earlier one are lost.
    pub incarnation: u64,
    /// What is to be done, in order.
    pub effects: VecDeque<Effect>,
    /// It waits for its disk, or is paused, and does nothing until then.
    pub stalled_until: Option<Duration>,
    /// The first effect has waited for the disk already.
    pub has_waited: bool,
    pub armed: Option<Instant>,
    /// It does not come back by itself.
    pub is_off: bool,
}

impl Node {
    pub fn give(&mut self, elapsed: Duration, input: Input) {
        let now = self.clock.read(elapsed);
        if let Some(core) = &mut self.core {
            let mut effects = Vec::new();
            core.handle(now, input, &mut effects);
            self.effects.extend(effects);
        }
    }
}

/// See the module.
pub struct World {
    pub voters: Voters,
    pub nodes: Vec<Node>,
    pub network: Network<Event>,
    pub random: Random,
    pub invariants: Invariants,
    pub mutation: Option<Mutation>,
    pub wipes: Wipes,
    /// Who became a leader last, in which epoch, and when.
    pub last_leader: Option<(usize, LeaderEpoch, Duration)>,
    /// The time.
    pub elapsed: Duration,
    pub writes: u64,
    /// How many events have happened at this moment.
    at_once: usize,
}

impl World {
    /// The last node is an observer. Node ids are places in the list.
    pub fn new(seed: u64, voters: i32) -> Self {
        let mut random = Random::new(seed);
        let start = Instant::now();
        let mut nodes: Vec<Node> = (0..=voters).map(|id| new_node(id, start)).collect();
        for node in &mut nodes {
            let drift_ppm = random.below(100_000) as i32 - 50_000;
            node.clock = Clock::new(start, drift_ppm);
        }
        let mut world = Self {
            voters: Voters::new((0..voters).map(BrokerId)),
            nodes,
            network: Network::default(),
            random,
            invariants: Invariants::default(),
            mutation: None,
            wipes: Wipes::Rare,
            last_leader: None,
            elapsed: Duration::ZERO,
            writes: 0,
            at_once: 0,
        };
        for node in 0..world.nodes.len() {
            let at = world.random.millis(0..300);
            world.network.schedule(at, Event::Restart { node });
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

    pub fn heal(&mut self) {
        self.network.mend();
        self.invariants.committed.mark();
    }

    /// Soon there is a leader, all nodes follow it, and writes are committed everywhere.
    pub fn assert_gets_to_work(&mut self) {
        let end = self.elapsed + Duration::from_secs(40);
        while let Some(trouble) = self.trouble() {
            assert!(self.elapsed < end, "{trouble}, 40 s after the faults");
            for _ in 0..20 {
                self.step();
            }
        }
    }

    /// What is not as it should be.
    pub fn trouble(&self) -> Option<String> {
        let mut cores = Vec::new();
        for (id, node) in self.nodes.iter().enumerate() {
            match &node.core {
                None => return Some(format!("node {id} is down")),
                Some(core) => cores.push(core),
            }
        }
        let leaders = cores.iter().filter(|core| core.is_leader()).count();
        let epoch = cores.iter().map(|core| core.election().epoch).max();
        for (id, core) in cores.iter().enumerate() {
            if Some(core.election().epoch) != epoch {
                return Some(format!("node {id} is not in {epoch:?}"));
            }
            if core.is_newcomer() {
                return Some(format!("node {id} does not vote yet"));
            }
            let committed = core.high_watermark().unwrap_or(Offset::ZERO);
            let lag = core.log().end_offset() - committed;
            if committed == Offset::ZERO || lag > 50 {
                return Some(format!("node {id} has committed {committed}, lag {lag}"));
            }
        }
        let committed = self.invariants.committed.count_since_mark();
        match (leaders, committed) {
            (1, 10..) => None,
            _ => Some(format!("{leaders} leaders, {committed} batches committed")),
        }
    }

    /// Runs for so long.
    pub fn run(&mut self, duration: Duration) {
        let end = self.elapsed + duration;
        while self.elapsed < end {
            self.step();
        }
    }

    /// The next event happens.
    pub fn step(&mut self) {
        let (at, event) = self.network.next().expect("clients never stop");
        self.at_once = if at > self.elapsed {
            0
        } else {
            self.at_once + 1
        };
        assert!(self.at_once < 10_000, "time stands still at {event:?}");
        self.elapsed = at.max(self.elapsed);
        let stalled = event
            .target()
            .and_then(|node| self.nodes[node].stalled_until);
        if let Some(until) = stalled {
            self.network.schedule(until.max(self.elapsed), event);
            return;
        }
        if let Some(node) = self.happen(event) {
            self.act(node);
        }
    }

    /// A node does what it has to.
    pub fn act(&mut self, node: usize) {
        self.carry_out_all(node);
        self.arm(node);
        self.commit_wrongly(node);
    }

    /// Which node may have something to do now.
    fn happen(&mut self, event: Event) -> Option<usize> {
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
                let answer = Input::Responded {
                    from: BrokerId(from as i32),
                    correlation: caller.correlation,
                    response,
                };
                self.give_caller(caller, answer)
            }
            Event::Failed {
                from,
                caller,
                absence,
            } => {
                let failure = Input::Unreachable {
                    to: BrokerId(from as i32),
                    correlation: caller.correlation,
                    absence,
                };
                self.give_caller(caller, failure)
            }
            Event::Deadline { node, incarnation } => self.on_deadline(node, incarnation),
            Event::Resume { node, incarnation } => self.on_resume(node, incarnation),
            Event::BeginAgain { node, incarnation } => self.on_begin_again(node, incarnation),
            Event::Stop { node, incarnation } => self.on_stop(node, incarnation),
            Event::Restart { node } => self.restart(node),
            Event::Write => self.write(),
            Event::Snapshot => {
                self.write_snapshot();
                let next = self.elapsed + self.random.millis(100..3000);
                self.network.schedule(next, Event::Snapshot);
                None
            }
            Event::Weather => self.change_weather(),
        }
    }

    fn on_request(&mut self, caller: Caller, to: usize, mut request: Request) -> Option<usize> {
        let Some(core) = &self.nodes[to].core else {
            self.tell_gone(caller, to);
            return None;
        };
        let replica = match &request {
            Request::Fetch(fetch) => Some(fetch.replica.id),
            Request::FetchSnapshot(fetch) => Some(fetch.replica.id),
            _ => None,
        };
        if replica.is_some_and(|id| id >= BrokerId(0)) && core.is_leader() {
            let leadership = (to, self.nodes[to].incarnation, core.election().epoch);
            let now = self.nodes[to].clock.read(self.elapsed);
            let majorities = &mut self.invariants.majorities;
            majorities.on_fetch(now, leadership, caller.node);
        }
        let token = self.network.expect_answer(caller, to);
        self.invariants.votes.on_request(token, &request);
        self.distort_request(&mut request);
        self.nodes[to].give(self.elapsed, Input::Requested { token, request });
        Some(to)
    }

    fn give_caller(&mut self, caller: Caller, input: Input) -> Option<usize> {
        if self.nodes[caller.node].incarnation == caller.incarnation {
            self.nodes[caller.node].give(self.elapsed, input);
        }
        Some(caller.node)
    }

    /// The host of a node that is down resets the connections that were open, and refuses new ones.
    pub fn tell_gone(&mut self, caller: Caller, from: usize) {
        let is_lost = self.network.has_faults && self.random.one_in(5);
        if is_lost || !self.network.connects(caller.node, from) {
            return;
        }
        let at = self.elapsed + self.random.millis(1..5);
        let absence = Absence::Gone;
        self.network.schedule(
            at,
            Event::Failed {
                from,
                caller,
                absence,
            },
        );
    }

    fn on_deadline(&mut self, node: usize, incarnation: u64) -> Option<usize> {
        let keeps_leading = self.has(Mutation::NoResignation);
        let target = &mut self.nodes[node];
        if target.incarnation != incarnation {
            return None;
        }
        target.armed = None;
        let now = target.clock.read(self.elapsed);
        let due = target
            .core
            .as_mut()
            .filter(|core| core.next_deadline() <= Some(now))
            .filter(|core| !(keeps_leading && core.is_leader()));
        if let Some(core) = due {
            let mut effects = Vec::new();
            core.on_deadline(now, &mut effects);
            target.effects.extend(effects);
        }
        let core = target.core.as_ref();
        if let Some(core) = core.filter(|core| core.is_leader()) {
            let leadership = (node, incarnation, core.election().epoch);
            let voters = self.voters.ids().len();
            self.invariants.majorities.check(now, leadership, voters);
        }
        Some(node)
    }

    fn write(&mut self) -> Option<usize> {
        let next = self.elapsed + self.random.millis(1..300);
        self.network.schedule(next, Event::Write);
        let can_write = |node: &Node| {
            let is_leader = node.core.as_ref().is_some_and(RaftNode::is_leader);
            is_leader && node.stalled_until.is_none()
        };
        let leaders: Vec<usize> = (0..self.nodes.len())
            .filter(|id| can_write(&self.nodes[*id]))
            .collect();
        if leaders.is_empty() {
            return None;
        }
        let node = leaders[self.random.below(leaders.len())];
        let epoch = self.nodes[node].core.as_ref()?.election().epoch;
        let batches = (0..=self.random.below(3)).map(|_| {
            let records = 1 + self.random.below(3);
            (0..records)
                .map(|_| {
                    self.writes += 1;
                    Bytes::from(format!("<{}>", self.writes))
                })
                .collect()
        });
        let batches = batches.collect();
        self.nodes[node].give(self.elapsed, Input::Proposed { epoch, batches });
        Some(node)
    }

    /// A node starts with what its disk says.
    pub fn restart(&mut self, node: usize) -> Option<usize> {
        if self.nodes[node].core.is_some() || self.nodes[node].is_off {
            return None;
        }
        let seed = self.random.next();
        let went_back = self.has(Mutation::EpochGoesBack) && self.random.one_in(2);
        let starting = &mut self.nodes[node];
        if went_back && starting.disk.previous_election.is_some() {
            starting.disk.election = starting.disk.previous_election;
        }
        let election = starting.disk.election;
        if let Some(election) = election {
            self.invariants.votes.on_start(node, election);
        }
        self.invariants.epochs.on_start(node, election);
        let votes_at_once = self.mutation == Some(Mutation::WipedVoterVotes);
        let election = election.or(votes_at_once.then(ElectionState::default));
        let identity = Identity {
            local: starting.key,
            voters: self.voters.clone(),
            election,
            log: starting.disk.recover(),
        };
        let core = RaftNode::new(identity, Timeouts::default(), Jitter::new(seed));
        starting.core = Some(core);
        starting.give(self.elapsed, Input::Started);
        Some(node)
    }

    /// Wakes a node at its next deadline.
    fn arm(&mut self, node: usize) {
        // Its leaders would be woken again and again.
        let pause = Duration::from_millis(50 * u64::from(self.has(Mutation::NoResignation)));
        let target = &mut self.nodes[node];
        let Some(deadline) = target.core.as_ref().and_then(RaftNode::next_deadline) else {
            return;
        };
        if target.armed.is_none_or(|armed| deadline < armed) {
            target.armed = Some(deadline);
            let incarnation = target.incarnation;
            let at = target.clock.when(deadline).max(self.elapsed + pause);
            self.network
                .schedule(at, Event::Deadline { node, incarnation });
        }
    }
}

pub fn directory(node: usize, number: u64) -> Option<Uuid> {
    let mut bytes = [node as u8 + 1; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    Some(Uuid::from_bytes(bytes))
}

fn new_node(id: i32, start: Instant) -> Node {
    Node {
        key: ReplicaKey {
            id: BrokerId(id),
            directory_id: directory(id as usize, 0),
        },
        clock: Clock::new(start, 0),
        disk: SimulatedDisk::default(),
        core: None,
        incarnation: 0,
        effects: VecDeque::new(),
        stalled_until: None,
        has_waited: false,
        armed: None,
        is_off: false,
    }
}
