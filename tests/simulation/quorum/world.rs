//! A cluster, its clock, and what happens in it.

use std::time::{Duration, Instant};

use broker::model::{BrokerId, Offset, Uuid};
use broker::raft::{Effect, Identity, Input, Jitter, RaftNode, ReplicaKey, Timeouts, Voters};
use bytes::Bytes;

use super::disk::SimulatedDisk;
use super::invariants::Invariants;
use super::network::{Caller, Event, Network};
use crate::random::Random;

/// One machine: its disk outlives its process.
pub struct Node {
    pub key: ReplicaKey,
    pub disk: SimulatedDisk,
    /// `None`: it is down.
    pub core: Option<RaftNode>,
    /// Counts its starts: messages to an earlier one are lost.
    pub incarnation: u64,
    pub effects: Vec<Effect>,
    armed: Option<Instant>,
}

impl Node {
    pub fn give(&mut self, now: Instant, input: Input) {
        if let Some(core) = &mut self.core {
            core.handle(now, input, &mut self.effects);
        }
    }
}

/// See the module.
pub struct World {
    seed: u64,
    voters: Voters,
    pub nodes: Vec<Node>,
    pub network: Network,
    pub random: Random,
    pub invariants: Invariants,
    start: Instant,
    pub now: Instant,
    writes: u64,
}

impl World {
    /// The last node is an observer. Node ids are places in the list.
    pub fn new(seed: u64, voters: i32) -> Self {
        let start = Instant::now();
        let mut world = Self {
            seed,
            voters: Voters::new((0..voters).map(BrokerId)),
            nodes: (0..=voters).map(new_node).collect(),
            network: Network::default(),
            random: Random::new(seed),
            invariants: Invariants::default(),
            start,
            now: start,
            writes: 0,
        };
        for node in 0..world.nodes.len() {
            world.restart(node);
        }
        for event in [Event::Write, Event::Snapshot, Event::Weather] {
            world.network.schedule(Duration::ZERO, event);
        }
        world
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub fn run_with_faults(&mut self, duration: Duration) {
        self.network.has_faults = true;
        self.run(duration);
    }

    pub fn run_without_faults(&mut self, duration: Duration) {
        self.network.mend();
        self.run(duration);
    }

    /// There is a leader, all nodes follow it, and a write is committed everywhere.
    pub fn assert_at_work(&self) {
        let seed = self.seed;
        let cores = || {
            self.nodes
                .iter()
                .map(|node| node.core.as_ref().expect("all are up"))
        };
        assert_eq!(
            cores().filter(|core| core.is_leader()).count(),
            1,
            "seed {seed}"
        );
        let epoch = cores().map(|core| core.election().epoch).max();
        for core in cores() {
            assert_eq!(Some(core.election().epoch), epoch, "seed {seed}");
            let committed = core.high_watermark().unwrap_or(Offset::ZERO);
            // Writes come every 100 ms at most; a fetch later they are everywhere.
            let lag = core.log().end_offset() - committed;
            assert!(
                committed > Offset::ZERO && lag < 50,
                "seed {seed}: lag {lag}"
            );
        }
        self.invariants.committed.assert_grew_since_faults(seed);
    }

    fn run(&mut self, duration: Duration) {
        self.invariants.committed.mark();
        let end = self.elapsed() + duration;
        while let Some((at, event)) = self.network.next() {
            if at >= end {
                self.network.schedule(at, event);
                self.now = self.start + end;
                return;
            }
            self.now = self.start + at;
            let touched = self.happen(event);
            if let Some(node) = touched {
                self.carry_out_all(node);
                self.arm(node);
            }
            if self.random.one_in(500) {
                self.invariants.logs.check(&self.nodes, self.seed);
            }
        }
    }

    /// Which node may have something to do now.
    fn happen(&mut self, event: Event) -> Option<usize> {
        let now = self.now;
        match event {
            Event::Request {
                from,
                from_incarnation,
                to,
                correlation,
                request,
            } => {
                let caller = Caller {
                    node: from,
                    incarnation: from_incarnation,
                    correlation,
                };
                self.nodes[to].core.as_ref()?;
                let token = self.network.expect_answer(caller);
                self.invariants.votes.on_request(token, &request);
                self.nodes[to].give(now, Input::Requested { token, request });
                Some(to)
            }
            Event::Response {
                from,
                to,
                to_incarnation,
                correlation,
                response,
            } => {
                if self.nodes[to].incarnation == to_incarnation {
                    let from = BrokerId(from as i32);
                    self.nodes[to].give(
                        now,
                        Input::Responded {
                            from,
                            correlation,
                            response,
                        },
                    );
                }
                Some(to)
            }
            Event::Deadline { node, incarnation } => {
                let target = &mut self.nodes[node];
                if target.incarnation == incarnation {
                    target.armed = None;
                    let due = target
                        .core
                        .as_mut()
                        .filter(|core| core.next_deadline() <= Some(now));
                    if let Some(core) = due {
                        core.on_deadline(now, &mut target.effects);
                    }
                }
                Some(node)
            }
            Event::Restart { node } => {
                self.restart(node);
                Some(node)
            }
            Event::Write => self.write(),
            Event::Snapshot => {
                self.write_snapshot();
                let next = self.elapsed() + self.random.millis(100..3000);
                self.network.schedule(next, Event::Snapshot);
                None
            }
            Event::Weather => self.change_weather(),
        }
    }

    fn write(&mut self) -> Option<usize> {
        let next = self.elapsed() + self.random.millis(1..100);
        self.network.schedule(next, Event::Write);
        let is_leader = |node: &Node| node.core.as_ref().is_some_and(RaftNode::is_leader);
        let leaders: Vec<usize> = (0..self.nodes.len())
            .filter(|id| is_leader(&self.nodes[*id]))
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
        self.nodes[node].give(self.now, Input::Proposed { epoch, batches });
        Some(node)
    }

    fn change_weather(&mut self) -> Option<usize> {
        if !self.network.has_faults {
            return None;
        }
        let next = self.elapsed() + self.random.millis(500..8000);
        self.network.schedule(next, Event::Weather);
        self.network
            .change_weather(&mut self.random, self.nodes.len());
        match self.random.below(4) {
            0 => {
                let node = self.random.below(self.nodes.len());
                self.crash(node);
                None
            }
            // An operator stops a leader in order.
            1 => {
                let node = self.random.below(self.nodes.len());
                let epoch = self.nodes[node].core.as_ref()?.election().epoch;
                self.nodes[node].give(self.now, Input::ResignRequested { epoch });
                Some(node)
            }
            _ => None,
        }
    }

    pub fn crash(&mut self, node: usize) {
        let crashed = &mut self.nodes[node];
        if crashed.core.take().is_none() {
            return;
        }
        crashed.effects.clear();
        crashed.incarnation += 1;
        crashed.armed = None;
        crashed.disk.crash(&mut self.random);
        let back = self.elapsed() + self.random.millis(1..5000);
        self.network.schedule(back, Event::Restart { node });
    }

    fn restart(&mut self, node: usize) {
        let seed = self.random.next();
        let starting = &mut self.nodes[node];
        let identity = Identity {
            local: starting.key,
            voters: self.voters.clone(),
            election: starting.disk.election,
            log: starting.disk.recover(),
        };
        let core = RaftNode::new(identity, Timeouts::default(), Jitter::new(seed));
        starting.core = Some(core);
        starting.give(self.now, Input::Started);
        self.carry_out_all(node);
        self.arm(node);
    }

    /// Wakes a node at its next deadline.
    fn arm(&mut self, node: usize) {
        let target = &mut self.nodes[node];
        let Some(deadline) = target.core.as_ref().and_then(RaftNode::next_deadline) else {
            return;
        };
        if target.armed.is_none_or(|armed| deadline < armed) {
            target.armed = Some(deadline);
            let incarnation = target.incarnation;
            let at = deadline.max(self.now) - self.start;
            self.network
                .schedule(at, Event::Deadline { node, incarnation });
        }
    }
}

fn new_node(id: i32) -> Node {
    Node {
        key: ReplicaKey {
            id: BrokerId(id),
            directory_id: Some(Uuid::from_bytes([id as u8 + 1; 16])),
        },
        disk: SimulatedDisk::default(),
        core: None,
        incarnation: 0,
        effects: Vec::new(),
        armed: None,
    }
}
