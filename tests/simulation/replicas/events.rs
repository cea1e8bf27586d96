//! What happens when, and the network that it takes: each message has its own time; with faults on some are
//! lost, some come twice, and some links are cut in one direction.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use broker::doubles::{Found, Search, Source, Work};
use broker::model::{BrokerId, TopicIdPartition};
use broker::protocol::messages::fetch::{FetchRequest, FetchResponse};
use bytes::Bytes;

use super::quorum::{Question, Reply};
use crate::random::Random;

/// The place of the controller among the nodes.
pub const CONTROLLER: usize = 99;
/// The place of all clients.
pub const CLIENTS: usize = 98;

/// Who has asked, and waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// A node, or [`CLIENTS`].
    pub from: usize,
    /// Which of the processes of the node, or which client.
    pub process: u64,
    pub correlation: u64,
}

/// A batch to be written.
#[derive(Clone, Debug)]
pub struct Produce {
    pub id: TopicIdPartition,
    pub batch: Bytes,
    pub wants_all: bool,
}

/// What is asked of a broker.
#[derive(Clone, Debug)]
pub enum Request {
    Fetch(FetchRequest),
    LookUp(Vec<Search>),
    Produce(Produce),
}

/// What is answered; `Lost`: the connection broke, or nothing came for too long.
#[derive(Clone, Debug)]
pub enum Answer {
    Fetched(FetchResponse),
    Found(Vec<(Search, Found)>),
    /// The error code, 0 for none.
    Produced(broker::protocol::ErrorCode),
    Controller(Reply),
    Lost,
}

/// From where a fetcher fetches, and which of those it is.
pub type FetcherId = (Source, u64);

/// Something that happens at its time.
#[derive(Debug)]
pub enum Event {
    /// Something arrives at the controller.
    Ask { caller: Caller, question: Question },
    /// A request arrives at a broker.
    Request {
        caller: Caller,
        to: usize,
        request: Request,
    },
    /// An answer arrives at who has asked.
    Answer { caller: Caller, answer: Answer },
    /// The quorum commits.
    Commit,
    /// The controller looks at its clock.
    ControllerTime,
    /// Another controller begins.
    Begin,
    /// A broker reads the committed log on.
    Read { node: usize, process: u64 },
    /// A broker looks at its clock.
    Wake { node: usize, process: u64 },
    /// A broker's disk syncs what waits for that.
    Sync { node: usize, process: u64 },
    /// A fetcher's thread comes to what its leader has said is to be done.
    CarryOut {
        node: usize,
        process: u64,
        fetcher: FetcherId,
        works: Vec<Work>,
    },
    /// A node starts.
    Start { node: usize },
    /// A process ends.
    End { node: usize, process: u64 },
    /// A disk is well again.
    Mend { node: usize, process: u64 },
    /// A client acts.
    Client { client: usize },
    /// Something goes wrong, or ends.
    Weather,
}

impl Event {
    /// The node that deals with it, and can't while it is paused.
    pub fn target(&self) -> Option<usize> {
        match self {
            Self::Request { to, .. } => Some(*to),
            Self::Answer { caller, .. } => (caller.from != CLIENTS).then_some(caller.from),
            Self::Read { node, .. }
            | Self::Wake { node, .. }
            | Self::CarryOut { node, .. }
            | Self::Sync { node, .. } => Some(*node),
            _ => None,
        }
    }
}

/// See the module.
#[derive(Default)]
pub struct Events {
    queue: BTreeMap<(Duration, u64), Event>,
    sequence: u64,
    cut: BTreeSet<(usize, usize)>,
    /// Requests that are not answered yet, by whom.
    open: BTreeMap<u64, (Caller, usize)>,
    pub has_faults: bool,
}

/// How long who asks waits for an answer.
const PATIENCE: Duration = Duration::from_millis(1500);

impl Events {
    pub fn schedule(&mut self, at: Duration, event: Event) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), event);
    }

    pub fn next(&mut self) -> Option<(Duration, Event)> {
        let ((at, _), event) = self.queue.pop_first()?;
        Some((at, event))
    }

    pub fn correlation(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn arrivals(
        &self,
        random: &mut Random,
        now: Duration,
        from: usize,
        to: usize,
    ) -> Vec<Duration> {
        if !self.has_faults {
            return vec![now + random.millis(1..5)];
        }
        if self.cut.contains(&(from, to)) || random.one_in(25) {
            return Vec::new();
        }
        let slow = if random.one_in(12) { 2500 } else { 15 };
        let copies = if random.one_in(25) { 2 } else { 1 };
        (0..copies).map(|_| now + random.millis(1..slow)).collect()
    }

    /// Sends something to a broker. Its sender hears something in the end.
    pub fn send(
        &mut self,
        random: &mut Random,
        now: Duration,
        caller: Caller,
        to: usize,
        request: &Request,
    ) {
        for at in self.arrivals(random, now, caller.from, to) {
            let request = request.clone();
            self.schedule(
                at,
                Event::Request {
                    caller,
                    to,
                    request,
                },
            );
        }
        self.expect(now, caller, to);
    }

    /// Sends something to the controller.
    pub fn ask(&mut self, random: &mut Random, now: Duration, caller: Caller, question: &Question) {
        for at in self.arrivals(random, now, caller.from, CONTROLLER) {
            let question = question.clone();
            self.schedule(at, Event::Ask { caller, question });
        }
        self.expect(now, caller, CONTROLLER);
    }

    /// Sends something that takes its time.
    pub fn send_late(
        &mut self,
        at: Duration,
        now: Duration,
        caller: Caller,
        to: usize,
        request: Request,
    ) {
        self.schedule(
            at,
            Event::Request {
                caller,
                to,
                request,
            },
        );
        self.expect(now, caller, to);
    }

    fn expect(&mut self, now: Duration, caller: Caller, of: usize) {
        self.open.insert(caller.correlation, (caller, of));
        let answer = Answer::Lost;
        self.schedule(now + PATIENCE, Event::Answer { caller, answer });
    }

    /// Answers.
    pub fn answer(
        &mut self,
        random: &mut Random,
        now: Duration,
        from: usize,
        caller: Caller,
        answer: &Answer,
    ) {
        for at in self.arrivals(random, now, from, caller.from) {
            let answer = answer.clone();
            self.schedule(at, Event::Answer { caller, answer });
        }
    }

    /// Whether this is the first answer to a request: later ones come on connections that are closed.
    pub fn is_first(&mut self, caller: &Caller) -> bool {
        self.open.remove(&caller.correlation).is_some()
    }

    /// A process is gone: who waits for it is told, or notices when nothing comes.
    pub fn reset(&mut self, random: &mut Random, now: Duration, node: usize) {
        let waiting = self.open.values().filter(|(_, of)| *of == node);
        let waiting: Vec<Caller> = waiting.map(|(caller, _)| *caller).collect();
        for caller in waiting {
            if !self.has_faults || !random.one_in(4) {
                let answer = Answer::Lost;
                let at = now + random.millis(1..5);
                self.schedule(at, Event::Answer { caller, answer });
            }
        }
    }

    /// Cuts some links in one direction or both, or mends them all.
    pub fn change_weather(&mut self, random: &mut Random, nodes: usize) {
        self.cut.clear();
        if random.one_in(2) {
            return;
        }
        let mut places: Vec<usize> = (0..nodes).collect();
        places.push(CONTROLLER);
        let side = random.next();
        let is_split = random.one_in(2);
        for (one, from) in places.iter().enumerate() {
            for (other, to) in places.iter().enumerate() {
                let crosses = (side >> one) & 1 != (side >> other) & 1;
                if if is_split { crosses } else { random.one_in(4) } {
                    self.cut.insert((*from, *to));
                }
            }
        }
    }

    /// Whether a link is cut.
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cut.contains(&(from, to))
    }

    pub fn mend(&mut self) {
        self.has_faults = false;
        self.cut.clear();
    }
}

/// The node of a broker's id.
pub fn node_of(id: BrokerId) -> usize {
    usize::try_from(id.0).expect("brokers are nodes")
}

/// The id of a node's broker.
pub fn broker_of(node: usize) -> BrokerId {
    BrokerId(i32::try_from(node).expect("there are few nodes"))
}
