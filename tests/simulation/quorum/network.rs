//! The network: every message takes its own time; with faults on some are lost, some come twice,
//! and some links are cut in one direction.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use broker::raft::{Absence, Correlation, Request, RequestToken, Response};

use crate::random::Random;

/// One message on its way, or another thing that happens at its time.
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
    /// The node's own deadline.
    Deadline {
        node: usize,
        incarnation: u64,
    },
    /// The disk has done what it was slow with.
    Resume {
        node: usize,
        incarnation: u64,
    },
    /// The disk may have space again.
    BeginAgain {
        node: usize,
        incarnation: u64,
    },
    /// A node that was asked to stop does.
    Stop {
        node: usize,
        incarnation: u64,
    },
    Restart {
        node: usize,
    },
    /// A client writes, somewhere.
    Write,
    /// A node writes a snapshot.
    Snapshot,
    /// Links are cut, or mended.
    Weather,
}

impl Event {
    /// The node that has to deal with it, and can't while it waits for its disk.
    pub fn target(&self) -> Option<usize> {
        match self {
            Self::Request { to, .. } => Some(*to),
            Self::Response { caller, .. } | Self::Failed { caller, .. } => Some(caller.node),
            Self::Deadline { node, .. } | Self::Stop { node, .. } => Some(*node),
            _ => None,
        }
    }
}

/// Who asked, to whom the answer goes.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    pub node: usize,
    pub incarnation: u64,
    pub correlation: Correlation,
}

/// What is on its way, by time and then by order of sending.
pub struct Network<E> {
    queue: BTreeMap<(Duration, u64), E>,
    sequence: u64,
    cut: BTreeSet<(usize, usize)>,
    /// Who waits for an answer, and of whom.
    callers: BTreeMap<RequestToken, (Caller, usize)>,
    pub has_faults: bool,
}

impl<E> Default for Network<E> {
    fn default() -> Self {
        Self {
            queue: BTreeMap::new(),
            sequence: 0,
            cut: BTreeSet::new(),
            callers: BTreeMap::new(),
            has_faults: false,
        }
    }
}

impl<E> Network<E> {
    pub fn schedule(&mut self, at: Duration, event: E) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), event);
    }

    pub fn next(&mut self) -> Option<(Duration, E)> {
        let ((at, _), event) = self.queue.pop_first()?;
        Some((at, event))
    }

    /// When copies of a message from one node to another arrive: usually one.
    pub fn arrivals(
        &self,
        random: &mut Random,
        now: Duration,
        from: usize,
        to: usize,
    ) -> Vec<Duration> {
        if !self.has_faults {
            return vec![now + random.millis(1..5)];
        }
        if self.cut.contains(&(from, to)) || random.one_in(20) {
            return Vec::new();
        }
        let slow = if random.one_in(10) { 3000 } else { 20 };
        let copies = if random.one_in(20) { 2 } else { 1 };
        (0..copies).map(|_| now + random.millis(1..slow)).collect()
    }

    /// Whether a host that is up can tell another that its process is gone.
    pub fn connects(&self, one: usize, other: usize) -> bool {
        !self.cut.contains(&(one, other)) && !self.cut.contains(&(other, one))
    }

    /// Cuts some links in one direction or both, or mends them all.
    pub fn change_weather(&mut self, random: &mut Random, nodes: usize) {
        self.cut.clear();
        if random.one_in(3) {
            return;
        }
        // One side of a split, or single links.
        let side = random.next();
        let is_split = random.one_in(2);
        for from in 0..nodes {
            for to in 0..nodes {
                let crosses = (side >> from) & 1 != (side >> to) & 1;
                if if is_split { crosses } else { random.one_in(4) } {
                    self.cut.insert((from, to));
                }
            }
        }
    }

    /// Cuts the links between two nodes, until the weather changes.
    pub fn cut_between(&mut self, one: usize, other: usize) {
        self.cut.extend([(one, other), (other, one)]);
    }

    pub fn mend(&mut self) {
        self.has_faults = false;
        self.cut.clear();
    }

    pub fn expect_answer(&mut self, caller: Caller, of: usize) -> RequestToken {
        self.sequence += 1;
        let token = RequestToken(self.sequence);
        self.callers.insert(token, (caller, of));
        token
    }

    pub fn caller_of(&mut self, token: RequestToken) -> Option<Caller> {
        self.callers.remove(&token).map(|(caller, _)| caller)
    }

    /// Who waits for answers that a node will not give any more.
    pub fn abandoned_by(&mut self, node: usize) -> Vec<Caller> {
        let waiting = self.callers.extract_if(.., |_, (_, of)| *of == node);
        waiting.map(|(_, (caller, _))| caller).collect()
    }
}
