//! A cluster, its clock, and what happens in it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::doubles::{Act, CrashDisk, Simulated, Work, simulate};
use broker::metadata::image::{MetadataImage, PartitionImage};
use broker::model::{BrokerId, Offset, Timestamp, TopicIdPartition, Uuid};
use broker::protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use broker::replication::partition::Moment;

use super::clients::Client;
use super::events::{
    Answer, CLIENTS, CONTROLLER, Caller, Event, Events, FetcherId, Request, broker_of, node_of,
};
use super::faults::{DiskFault, Temper};
use super::ledger::{Ledger, Rules};
use super::lying_disk::Lies;
use super::mutation::Mutation;
use super::process::{Outgoing, Process, partitions_of};
use super::quorum::{Question, Quorum};
use crate::clock::Clock;
use crate::random::Random;

pub const NODES: usize = 3;

/// The topics, of one partition each.
pub const TOPICS: [Rules; 5] = [
    Rules {
        name: "plain",
        min_in_sync: 1,
        syncs: false,
        unclean: false,
    },
    Rules {
        name: "safe",
        min_in_sync: 2,
        syncs: false,
        unclean: false,
    },
    Rules {
        name: "synced",
        min_in_sync: 1,
        syncs: true,
        unclean: false,
    },
    Rules {
        name: "both",
        min_in_sync: 2,
        syncs: true,
        unclean: false,
    },
    Rules {
        name: "unclean",
        min_in_sync: 1,
        syncs: false,
        unclean: true,
    },
];

/// One machine: its disk outlives its process.
pub struct Node {
    pub clock: Clock,
    pub disk: CrashDisk,
    pub paths: Vec<PathBuf>,
    /// `None`: it is down.
    pub process: Option<Box<Process>>,
    pub started: u64,
    pub incarnation: Uuid,
    pub stalled_until: Option<Duration>,
    pub armed: Option<Instant>,
    pub is_syncing: bool,
    pub fault: Option<DiskFault>,
    pub lies: Lies,
    /// What it knew of the metadata when it went down.
    pub image: Arc<MetadataImage>,
    pub read: usize,
    /// Whether the power failed since it last ran, or its disk was replaced.
    pub has_lost_power: bool,
    pub was_wiped: bool,
}

/// See the module.
pub struct World {
    pub nodes: Vec<Node>,
    pub quorum: Quorum<Caller>,
    pub events: Events,
    pub random: Random,
    pub ledgers: BTreeMap<TopicIdPartition, Ledger>,
    pub clients: Vec<Client>,
    pub mutation: Option<Mutation>,
    pub temper: Temper,
    pub start: Instant,
    /// The time.
    pub elapsed: Duration,
    pub steps: usize,
    pub lane_changes: usize,
    /// What the next random bytes of a broker are made of.
    chance: u64,
    commit_is_due: bool,
    at_once: usize,
    pub checks_followers: bool,
    /// Whether followers ask for few records at a time, so that what is behind stays so for a while.
    pub fetches_little: bool,
    /// Whether leaders end while followers are slow to cut what they have said: then a cut may come when its
    /// follower has gone on with another leader.
    ends_leaders_of_cuts: bool,
    /// Clients send nothing more.
    pub clients_rest: bool,
    /// What the last answer of a leader said of high watermarks.
    pub watermarks_told: Vec<(TopicIdPartition, Offset)>,
    /// Kept for whoever looks at a run that failed.
    pub story: Vec<String>,
}

impl World {
    pub fn new(seed: u64, temper: Temper, mutation: Option<Mutation>) -> Self {
        let mut random = Random::new(seed);
        let start = Instant::now();
        let dirs: &[&str] = if random.one_in(2) {
            &["/a"]
        } else {
            &["/a", "/b"]
        };
        let has_elr = random.one_in(2);
        let checks_followers = random.one_in(2);
        let needs_late_cuts = mutation == Some(Mutation::LateAnswerApplies);
        let nodes = (0..NODES).map(|_| {
            let drift_ppm = random.below(60_000) as i32 - 30_000;
            Node {
                clock: Clock::new(start, drift_ppm),
                disk: CrashDisk::new(),
                paths: dirs.iter().map(PathBuf::from).collect(),
                process: None,
                started: 0,
                incarnation: Uuid::ZERO,
                stalled_until: None,
                armed: None,
                is_syncing: false,
                fault: None,
                lies: Lies::default(),
                image: Arc::default(),
                read: 0,
                has_lost_power: false,
                was_wiped: false,
            }
        });
        let nodes = nodes.collect();
        let mut world = Self {
            nodes,
            quorum: Quorum::new(start, has_elr),
            checks_followers,
            fetches_little: seed % 4 == 1,
            events: Events::default(),
            random,
            ledgers: BTreeMap::new(),
            clients: Vec::new(),
            mutation,
            temper,
            start,
            elapsed: Duration::ZERO,
            steps: 0,
            lane_changes: 0,
            chance: seed << 20,
            commit_is_due: false,
            at_once: 0,
            ends_leaders_of_cuts: needs_late_cuts || seed % 4 == 3,
            clients_rest: false,
            watermarks_told: Vec::new(),
            story: Vec::new(),
        };
        for node in 0..NODES {
            world
                .events
                .schedule(Duration::from_millis(node as u64), Event::Start { node });
        }
        world.events.schedule(Duration::ZERO, Event::ControllerTime);
        world.schedule_commit();
        world.settle();
        world.create_topics();
        world
    }

    /// Until all brokers are unfenced.
    fn settle(&mut self) {
        let is_ready = |world: &Self| {
            let brokers = world.quorum.image().brokers();
            (0..NODES).all(|node| brokers.is_active(broker_of(node)))
        };
        while !is_ready(self) {
            assert!(
                self.elapsed < Duration::from_secs(10),
                "brokers are unfenced"
            );
            self.step();
        }
    }

    fn create_topics(&mut self) {
        let mut places: Vec<i32> = (0..NODES as i32).collect();
        let topics = TOPICS.iter().map(|rules| {
            places.rotate_left(1 + self.random.below(NODES));
            let config = |name: &'static str, value: &str| CreatableTopicConfig {
                name: name.into(),
                value: Some(value.to_owned().into()),
            };
            let mut configs = vec![config(
                "min.insync.replicas",
                &rules.min_in_sync.to_string(),
            )];
            if rules.syncs {
                configs.push(config("flush.messages", "1"));
            }
            if rules.unclean {
                configs.push(config("unclean.leader.election.enable", "true"));
            }
            if self.random.one_in(2) {
                configs.push(config("internal.segment.bytes", "1500"));
            }
            CreatableTopic {
                name: rules.name.into(),
                num_partitions: -1,
                replication_factor: -1,
                assignments: vec![CreatableReplicaAssignment {
                    partition_index: 0,
                    broker_ids: places.clone(),
                }],
                configs,
            }
        });
        let request = CreateTopicsRequest {
            topics: topics.collect(),
            ..CreateTopicsRequest::default()
        };
        let caller = self.nobody();
        self.decide(caller, Question::Create(request));
        for rules in TOPICS {
            let topic_id = self.quorum.decided().topics().id_of(rules.name);
            let id = TopicIdPartition {
                topic_id: topic_id.expect("it was just created"),
                partition: 0,
            };
            self.ledgers.insert(id, Ledger::new(rules));
        }
        let known = |world: &Self| world.quorum.image().topics().len();
        while known(self) < TOPICS.len() {
            self.step();
        }
        self.clients = Client::all(self.ledgers.keys().copied());
        for client in 0..self.clients.len() {
            let at = self.elapsed + self.random.millis(1..200);
            self.events.schedule(at, Event::Client { client });
        }
    }

    fn nobody(&mut self) -> Caller {
        Caller {
            from: CLIENTS,
            process: u64::MAX,
            correlation: self.events.correlation(),
        }
    }

    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.story.capacity() > 0 {
            let line = format!("{:?} {}", self.elapsed, what());
            self.story.push(line);
        }
    }

    pub fn run_with_faults(&mut self, events: usize) {
        self.events.has_faults = true;
        self.events.schedule(self.elapsed, Event::Weather);
        for _ in 0..events {
            self.step();
        }
    }

    /// The next event happens.
    pub fn step(&mut self) {
        let (at, event) = self.events.next().expect("clients never stop");
        self.at_once = if at > self.elapsed {
            0
        } else {
            self.at_once + 1
        };
        assert!(self.at_once < 10_000, "time stands still at {event:?}");
        self.elapsed = at.max(self.elapsed);
        self.steps += 1;
        let target = event.target();
        if let Some(until) = target.and_then(|node| self.nodes[node].stalled_until) {
            if until > self.elapsed {
                self.events.schedule(until, event);
                return;
            }
            self.nodes[target.expect("it has one")].stalled_until = None;
        }
        self.happen(event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ask { caller, question } => self.on_question(caller, question),
            Event::Request {
                caller,
                to,
                request,
            } => self.on_request(caller, to, request),
            Event::Answer { caller, answer } => self.on_answer(caller, answer),
            Event::Commit => self.commit(),
            Event::ControllerTime => {
                let now = self.start + self.elapsed;
                if self.quorum.down_until.is_none() {
                    self.quorum.on_time(now);
                }
                let next = self.elapsed + Duration::from_millis(50);
                self.events.schedule(next, Event::ControllerTime);
                self.schedule_commit();
            }
            Event::Begin => self.begin_controller(),
            Event::Read { node, process } => self.read(node, process),
            Event::Wake { node, process } => {
                if self.is_running(node, process) {
                    self.nodes[node].armed = None;
                    self.act(node);
                }
            }
            Event::Sync { node, process } => {
                if self.is_running(node, process) {
                    self.nodes[node].is_syncing = false;
                    self.on(node, |process, _| process.replicas.sync_one());
                    self.act(node);
                }
            }
            Event::CarryOut {
                node,
                process,
                fetcher,
                works,
            } => {
                if self.is_running(node, process) {
                    self.carry_out(node, fetcher, works);
                    self.act(node);
                }
            }
            Event::End { node, process } => {
                if self.is_running(node, process) {
                    let tear = self.tear();
                    self.end(node, tear);
                }
            }
            Event::Start { node } => self.start(node),
            Event::Mend { node, process } => self.mend_disk(node, process),
            Event::Client { client } => self.on_client(client),
            Event::Weather => self.change_weather(),
        }
    }

    pub fn is_running(&self, node: usize, process: u64) -> bool {
        let running = self.nodes[node].process.as_ref();
        running.is_some_and(|running| running.number == process)
    }

    /// What the clocks of a node show.
    fn moment(&self, node: usize) -> Moment {
        let instant = self.nodes[node].clock.read(self.elapsed);
        let since = instant.saturating_duration_since(self.start).as_millis();
        Moment {
            wall: Timestamp(4_000_000_000_000 + i64::try_from(since).expect("a short run")),
            instant,
        }
    }

    /// Runs something under the time of a node.
    pub fn timed<T>(&mut self, node: usize, act: impl FnOnce(&mut Self, Instant) -> T) -> T {
        let moment = self.moment(node);
        let chance = self.chance;
        simulate(Some(Simulated { moment, chance }));
        let done = act(self, moment.instant);
        let after = simulate(None);
        self.chance = after.expect("it was set").chance;
        done
    }

    /// Lets a node's process do something.
    pub fn on<T>(
        &mut self,
        node: usize,
        act: impl FnOnce(&mut Process, Instant) -> T,
    ) -> Option<T> {
        self.timed(node, |world, now| {
            let process = world.nodes[node].process.as_mut()?;
            Some(act(process, now))
        })
    }

    /// A process does what there is to do; then what it has done is looked at, and what it says leaves.
    pub fn act(&mut self, node: usize) {
        let mut out = Vec::new();
        self.timed(node, |world, now| {
            if let Some(process) = world.nodes[node].process.as_mut() {
                out = process.work(now, &mut world.events);
            }
        });
        self.after_act(node, out);
    }

    fn after_act(&mut self, node: usize, out: Vec<Outgoing>) {
        if self.has_lost_power_within(node) {
            self.crash(node);
            return;
        }
        self.forget_proposals(node);
        let running = self.nodes[node].process.as_ref();
        let failed = running.map_or(0, |process| process.failed_dirs());
        if failed > 0 {
            self.tell(|| format!("node {node} has {failed} failed directories"));
        }
        self.observe(node);
        for outgoing in out {
            self.leave(node, outgoing);
        }
        let running = self.nodes[node].process.as_deref();
        if running.is_some_and(|process| process.life.may_stop) {
            self.stop(node);
            return;
        }
        self.arm(node);
    }

    fn arm(&mut self, node: usize) {
        let Some(process) = &self.nodes[node].process else {
            return;
        };
        let number = process.number;
        let wakes_at = process.wakes_at();
        let has_syncs = process.replicas.has_syncs();
        let armed = self.nodes[node].armed;
        if let Some(at) = wakes_at.filter(|at| armed.is_none_or(|armed| *at < armed)) {
            self.nodes[node].armed = Some(at);
            let elapsed = self.nodes[node].clock.when(at).max(self.elapsed);
            let event = Event::Wake {
                node,
                process: number,
            };
            self.events.schedule(elapsed, event);
        }
        if !self.nodes[node].is_syncing && has_syncs {
            let slow = self.events.has_faults && self.random.one_in(15);
            let longest = if slow { 600 } else { 12 };
            let at = self.elapsed + self.random.millis(1..longest);
            self.nodes[node].is_syncing = true;
            let event = Event::Sync {
                node,
                process: number,
            };
            self.events.schedule(at, event);
        }
    }

    /// What a process sends leaves it.
    fn leave(&mut self, node: usize, outgoing: Outgoing) {
        let process = self.nodes[node].started;
        let caller = |correlation| Caller {
            from: node,
            process,
            correlation,
        };
        let (now, random) = (self.elapsed, &mut self.random);
        match outgoing {
            Outgoing::Ask(correlation, question) => {
                self.events.ask(random, now, caller(correlation), &question);
            }
            Outgoing::Send(correlation, to, request @ Request::Fetch(_))
                if self.events.has_faults && random.one_in(200) =>
            {
                // The last word of a follower comes when another process is in its place.
                let (at, end) = (now + random.millis(200..1500), now + random.millis(1..20));
                let caller = caller(correlation);
                self.events.send_late(at, now, caller, to, request);
                self.events.schedule(end, Event::End { node, process });
            }
            Outgoing::Send(correlation, to, request) => {
                self.events
                    .send(random, now, caller(correlation), to, &request);
            }
            Outgoing::Answer(to, answer) => {
                if to.from == CLIENTS
                    && let Answer::Fetched(response) = &answer
                {
                    self.check_consumed(node, response);
                }
                let (now, random) = (self.elapsed, &mut self.random);
                self.events.answer(random, now, node, to, &answer);
            }
            Outgoing::Acknowledge(to, id, epoch, (producer, sequence)) => {
                let ledger = self.ledgers.get_mut(&id).expect("all are known");
                ledger.on_acknowledged(epoch, producer, sequence);
                let answer = Answer::Produced(broker::protocol::ErrorCode::NONE);
                self.events.answer(random, now, node, to, &answer);
            }
        }
    }

    fn on_question(&mut self, caller: Caller, mut question: Question) {
        // A registration of a process that is gone would take the place of the one that is there, which
        // holds the same directories: nothing tells them apart, and that one would be fenced for good.
        let is_registration = matches!(question, Question::Register(_));
        if is_registration && !self.is_running(caller.from, caller.process) {
            return;
        }
        if self.quorum.down_until.is_some() {
            let answer = question.refused(broker::protocol::ErrorCode::NOT_CONTROLLER);
            let answer = Answer::Controller(answer);
            let (now, random) = (self.elapsed, &mut self.random);
            self.events.answer(random, now, CONTROLLER, caller, &answer);
            return;
        }
        self.distort_question(&mut question);
        self.decide(caller, question);
    }

    pub fn decide(&mut self, caller: Caller, question: Question) {
        let now = self.start + self.elapsed;
        self.quorum.ask(now, &mut self.random, caller, question);
        self.elect_anybody();
        self.schedule_commit();
    }

    pub fn schedule_commit(&mut self) {
        if !self.commit_is_due {
            self.commit_is_due = true;
            let slow = self.events.has_faults && self.random.one_in(20);
            let longest = if slow { 1500 } else { 10 };
            let at = self.elapsed + self.random.millis(1..longest);
            self.events.schedule(at, Event::Commit);
        }
    }

    fn commit(&mut self) {
        self.commit_is_due = false;
        self.commit_next();
        for (caller, reply) in self.quorum.released() {
            let answer = Answer::Controller(reply);
            let (now, random) = (self.elapsed, &mut self.random);
            self.events.answer(random, now, CONTROLLER, caller, &answer);
        }
        if self.quorum.has_uncommitted() {
            self.schedule_commit();
        }
    }

    fn on_request(&mut self, caller: Caller, to: usize, mut request: Request) {
        if self.nodes[to].process.is_none() {
            let (now, random) = (self.elapsed, &mut self.random);
            let answer = Answer::Lost;
            self.events.answer(random, now, to, caller, &answer);
            return;
        }
        self.distort_request(to, &mut request);
        let answer = self.on(to, |process, now| process.on_request(caller, request, now));
        let mut out: Vec<Outgoing> = answer.flatten().into_iter().collect();
        self.timed(to, |world, now| {
            if let Some(process) = world.nodes[to].process.as_mut() {
                out.extend(process.work(now, &mut world.events));
            }
        });
        self.after_act(to, out);
    }

    fn on_answer(&mut self, caller: Caller, answer: Answer) {
        if !self.events.is_first(&caller) {
            return;
        }
        if caller.from == CLIENTS {
            self.on_client_answer(caller, &answer);
            return;
        }
        let node = caller.from;
        if !self.is_running(node, caller.process) {
            return;
        }
        let correlation = caller.correlation;
        let is_lost = matches!(answer, Answer::Lost);
        let asked_for_isr = self.nodes[node]
            .process
            .as_ref()
            .is_some_and(|process| process.asks_for_isr(correlation));
        if let Answer::Fetched(response) = &answer {
            let told = partitions_of(response).map(|(id, data)| (id, Offset(data.high_watermark)));
            self.watermarks_told = told.collect();
        }
        let reply = answer.clone();
        self.on(node, |process, now| {
            process.on_reply(correlation, reply, now)
        });
        if asked_for_isr && is_lost {
            self.give_up_proposals(node);
        }
        let works = self.on(node, |process, now| {
            process.fetched(correlation, answer, now)
        });
        if let Some((fetcher, works)) = works.flatten() {
            // Before a cut the checkpoints are synced.
            let cuts = works.iter().any(|work| matches!(work.act, Act::Cut(_)));
            let is_slow = self.events.has_faults
                && !works.is_empty()
                && self.random.one_in(if cuts { 2 } else { 5 });
            let longest = if cuts { 1500 } else { 600 };
            if is_slow {
                self.on(node, |process, _| process.begin_work(fetcher));
                let at = self.elapsed + self.random.millis(1..longest);
                let process = caller.process;
                let event = Event::CarryOut {
                    node,
                    process,
                    fetcher,
                    works,
                };
                self.events.schedule(at, event);
                if cuts && self.ends_leaders_of_cuts {
                    self.end_soon(node_of(fetcher.0.0));
                }
            } else {
                self.carry_out(node, fetcher, works);
            }
        }
        self.act(node);
    }

    /// At times the process of a node ends a moment later.
    fn end_soon(&mut self, node: usize) {
        if self.random.one_in(2)
            && let Some(running) = &self.nodes[node].process
        {
            let process = running.number;
            let at = self.elapsed + self.random.millis(1..50);
            self.events.schedule(at, Event::End { node, process });
        }
    }

    fn carry_out(&mut self, node: usize, fetcher: FetcherId, mut works: Vec<Work>) {
        self.tell_of(node, fetcher.0.0, &works);
        self.distort_works(node, &mut works);
        let moved = self.on(node, |process, _| process.carry_out(fetcher, &works));
        self.lane_changes += moved.unwrap_or(0);
        self.end_distortion(node);
    }

    fn begin_controller(&mut self) {
        while self.quorum.has_uncommitted() {
            self.commit_next();
        }
        let now = self.start + self.elapsed;
        self.quorum.begin(now);
        let lost = self.quorum.released();
        assert!(lost.is_empty(), "who waited was answered");
    }

    /// The state of a partition as it is committed.
    pub fn state(&self, id: &TopicIdPartition) -> Option<&Arc<PartitionImage>> {
        self.quorum
            .image()
            .topics()
            .partition(&id.topic_id, id.partition)
    }

    /// A leader, as some broker believes.
    pub fn believed_leader(&mut self, id: &TopicIdPartition) -> Option<usize> {
        let node = self.random.below(NODES);
        let process = self.nodes[node].process.as_ref()?;
        let state = process
            .image
            .topics()
            .partition(&id.topic_id, id.partition)?;
        (state.leader != BrokerId::NONE).then(|| node_of(state.leader))
    }
}

pub fn partition_in<'a>(
    image: &'a MetadataImage,
    id: &TopicIdPartition,
) -> Option<&'a PartitionImage> {
    image
        .topics()
        .partition(&id.topic_id, id.partition)
        .map(|state| &**state)
}
