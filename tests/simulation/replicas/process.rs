//! The process of a broker: its replicas, which are the broker's own code, and what is modelled around them:
//! its life in the cluster, the connections of its fetchers, the requests that it serves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::config::{BrokerConfig, Layers, Settings};
use broker::doubles::{
    Act, Flow, Next, PendingIsrChanges, PendingReplicaDirectories, Search, SteppedFetch,
    SteppedReplicas, SteppedStart, Work,
};
use broker::metadata::delta::MetadataDelta;
use broker::metadata::image::{MetadataImage, SUPPORTED_FEATURES};
use broker::metadata::{IsrChange, ReplicaDirectory};
use broker::model::{BrokerId, DirectoryId, LeaderEpoch, TopicIdPartition, Uuid};
use broker::protocol::ErrorCode;
use broker::protocol::messages::alter_partition::AlterPartitionResponse;
use broker::protocol::messages::broker_heartbeat::BrokerHeartbeatRequest;
use broker::protocol::messages::broker_registration::{
    BrokerRegistrationRequest, Feature, Listener as Endpoint,
};
use broker::protocol::messages::fetch::{
    FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use broker::records::validate::ValidatedBatch;
use broker::replication::delayed::{AckOutcome, AckWait};
use broker::replication::listener::ReplicaListener;
use broker::replication::partition::LeaderWrite;
use broker::replication::settings::ReplicaSettings;
use broker::storage::disk::Disk;
use broker::storage::log_dir::{Identity, LogDirs};
use broker::storage::producer_state::Origin;
use broker::telemetry::Metrics;
use parking_lot::Mutex;

use super::events::{Answer, Caller, Events, FetcherId, Produce, Request, broker_of, node_of};
use super::lying_disk::LyingDisk;
use super::quorum::{CLUSTER, Question, Reply};

const HEARTBEAT: Duration = Duration::from_millis(400);
const AGAIN: Duration = Duration::from_millis(100);
/// How long a Produce waits for replicas.
const ACKS: Duration = Duration::from_millis(1200);
/// How long a stop waits for others to take over.
const HANDOVER: Duration = Duration::from_secs(4);
/// See the driver of the fetcher.
const LEAST_PATIENCE: Duration = Duration::from_millis(20);

/// What the replicas tell the rest of the broker.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<News>>);

#[derive(Default)]
struct News {
    isr_changes: Vec<IsrChange>,
    placed: Vec<ReplicaDirectory>,
    failed: Vec<DirectoryId>,
    is_last_failed: bool,
}

impl ReplicaListener for Told {
    fn log_dir_failed(&self, dir: DirectoryId, is_last: bool) {
        let mut news = self.0.lock();
        news.failed.push(dir);
        news.is_last_failed |= is_last;
    }

    fn replica_placed(&self, replica_directory: ReplicaDirectory) {
        self.0.lock().placed.push(replica_directory);
    }

    fn isr_change_wanted(&self, change: IsrChange) {
        self.0.lock().isr_changes.push(change);
    }
}

/// What leaves a process.
pub enum Outgoing {
    Ask(u64, Question),
    Send(u64, usize, Request),
    Answer(Caller, Answer),
    /// A producer's batch is committed: in which partition, by the leader of which epoch.
    Acknowledge(Caller, TopicIdPartition, LeaderEpoch, (i64, i32)),
}

/// How far the broker has come in the cluster (`metadata::lifecycle_driver`).
pub struct Life {
    pub request: BrokerRegistrationRequest,
    /// -1 before it is registered.
    pub epoch: i64,
    is_ready: bool,
    pub wants_to_stop: bool,
    stops_at: Option<Instant>,
    /// Nothing keeps the process any more.
    pub may_stop: bool,
    offline: Vec<DirectoryId>,
    asked: Option<u64>,
    next_at: Instant,
}

/// What the fetcher of a leader waits for.
struct Asking {
    correlation: u64,
    sent_at: Instant,
    is_search: bool,
    give_up_at: Option<Instant>,
}

/// A Produce that waits for replicas.
struct Waiting {
    caller: Caller,
    id: TopicIdPartition,
    epoch: LeaderEpoch,
    batch: (i64, i32),
    wait: AckWait,
    until: Instant,
}

/// Something that is told to the controller, one request at a time.
struct Telling<T> {
    pending: T,
    asked: Option<u64>,
    next_at: Instant,
}

/// See the module.
pub struct Process {
    pub node: usize,
    pub number: u64,
    pub replicas: SteppedReplicas,
    pub image: Arc<MetadataImage>,
    /// How many records of the metadata log it has acted on.
    pub read: usize,
    pub life: Life,
    told: Told,
    isr: Telling<PendingIsrChanges>,
    /// What was asked for, and not answered yet.
    pub proposed: BTreeMap<TopicIdPartition, IsrChange>,
    places: Telling<PendingReplicaDirectories>,
    fetches: Vec<(Caller, SteppedFetch)>,
    produces: Vec<Waiting>,
    asking: BTreeMap<FetcherId, Asking>,
    patience: BTreeMap<FetcherId, Duration>,
    wakes: BTreeMap<FetcherId, Instant>,
    /// Fetchers that are at work on logs.
    busy: BTreeSet<FetcherId>,
    /// Its listeners are open.
    is_serving: bool,
    /// Partitions whose logs may have become others than before at the same offsets.
    pub cut: BTreeSet<TopicIdPartition>,
    /// For a planted fault: in which epochs logs were looked at.
    pub cut_in: BTreeMap<TopicIdPartition, LeaderEpoch>,
    /// Whether a Fetch is refused at the door that is not of the process that is registered (`api::followers`).
    pub checks_followers: bool,
    /// Held as long as the process runs.
    _dirs: LogDirs,
}

/// What a process is started with.
pub struct Beginning {
    pub node: usize,
    pub number: u64,
    pub incarnation: Uuid,
    pub disk: LyingDisk,
    pub paths: Vec<PathBuf>,
    pub image: Arc<MetadataImage>,
    pub read: usize,
    pub checks_followers: bool,
    /// Whether leaders are asked for few records at a time.
    pub fetches_little: bool,
}

fn settings(node: usize, fetches_little: bool) -> ReplicaSettings {
    let texts = [
        ("replica.lag.time.max.ms", "1500"),
        ("replica.fetch.wait.max.ms", "100"),
        ("replica.fetch.backoff.ms", "150"),
        ("replica.high.watermark.checkpoint.interval.ms", "700"),
        ("log.flush.offset.checkpoint.interval.ms", "900"),
        ("log.flush.start.offset.checkpoint.interval.ms", "1100"),
    ];
    let layer: Settings = texts
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let config = BrokerConfig::read(&Layers::of(&layer)).expect("a config");
    let mut settings = ReplicaSettings {
        node_id: broker_of(node),
        ..ReplicaSettings::of(&config)
    };
    settings.storage.cleaner.enable = false;
    if fetches_little {
        settings.follower.partition_max_bytes = 500;
        settings.follower.response_max_bytes = 800;
    }
    settings
}

impl Process {
    /// Starts. The error says that the disk failed.
    pub fn start(
        beginning: Beginning,
        now: Instant,
        mut new_id: impl FnMut() -> Uuid,
    ) -> Result<Self, String> {
        let Beginning {
            node,
            number,
            incarnation,
            disk,
            paths,
            image,
            read,
            checks_followers,
            fetches_little,
        } = beginning;
        let shared: Arc<dyn Disk> = Arc::new(disk);
        let identity = Identity {
            node_id: broker_of(node),
            cluster_id: Some(CLUSTER.to_owned()),
        };
        let dirs = LogDirs::open(&shared, &paths, &identity, &mut new_id);
        let dirs = dirs.map_err(|error| error.to_string())?;
        let told = Told::default();
        let metrics = Arc::new(Metrics::new([]));
        let listener = Box::new(told.clone());
        let settings = settings(node, fetches_little);
        let started = SteppedReplicas::start(&settings, &dirs, &image, listener, &metrics);
        let SteppedStart {
            replicas,
            previous_broker_epoch,
            replica_directories,
        } = started.map_err(|error| error.to_string())?;
        if told.0.lock().is_last_failed {
            return Err("its last directory failed".to_owned());
        }
        told.0.lock().placed.extend(replica_directories);
        let life = Life {
            request: registration(node, incarnation, &replicas, previous_broker_epoch),
            epoch: -1,
            is_ready: false,
            wants_to_stop: false,
            stops_at: None,
            may_stop: false,
            offline: Vec::new(),
            asked: None,
            next_at: now,
        };
        Ok(Self {
            node,
            number,
            replicas,
            image,
            read,
            life,
            told,
            isr: Telling::new(now),
            proposed: BTreeMap::new(),
            places: Telling::new(now),
            fetches: Vec::new(),
            produces: Vec::new(),
            asking: BTreeMap::new(),
            patience: BTreeMap::new(),
            wakes: BTreeMap::new(),
            busy: BTreeSet::new(),
            is_serving: false,
            cut: BTreeSet::new(),
            cut_in: BTreeMap::new(),
            checks_followers,
            _dirs: dirs,
        })
    }

    /// Does what there is to do. What leaves the process is in the order in which it does.
    pub fn work(&mut self, now: Instant, events: &mut Events) -> Vec<Outgoing> {
        let mut out = Vec::new();
        if self.replicas.next_chore().is_some_and(|due| due <= now) {
            self.replicas.run_chores();
        }
        self.fetch(now, events, &mut out);
        self.fetches
            .retain_mut(|(caller, fetch)| match fetch.step() {
                Some(response) => {
                    out.push(Outgoing::Answer(*caller, Answer::Fetched(response)));
                    false
                }
                None => true,
            });
        self.answer_produces(now, &mut out);
        self.hear(now);
        self.live(now, events, &mut out);
        self.tell(now, events, &mut out);
        out
    }

    /// When there is something to do, if nothing happens before.
    pub fn wakes_at(&self) -> Option<Instant> {
        let fetches = self
            .fetches
            .iter()
            .filter_map(|(_, fetch)| fetch.wakes_at());
        let produces = self.produces.iter().map(|waiting| waiting.until);
        let given_up = self.asking.values().filter_map(|asking| asking.give_up_at);
        let idle = self.replicas.fetchers.iter();
        let idle = idle.filter(|(source, it)| !self.busy.contains(&(**source, it.number)));
        let desks = idle.filter_map(|(_, it)| it.desk.retry_at());
        let wakes = self.wakes.values().copied();
        let all = fetches
            .chain(produces)
            .chain(given_up)
            .chain(desks)
            .chain(wakes);
        let is_unknown = self.life.epoch < 0;
        let others = [
            self.replicas.next_chore(),
            self.life.asked.is_none().then_some(self.life.next_at),
            self.life.stops_at,
            self.isr.wakes_at(is_unknown || self.isr.pending.is_empty()),
            self.places
                .wakes_at(is_unknown || self.places.pending.is_empty()),
        ];
        all.chain(others.into_iter().flatten()).min()
    }

    /// Takes what the replicas have told.
    fn hear(&mut self, now: Instant) {
        let news = std::mem::take(&mut *self.told.0.lock());
        for change in news.isr_changes {
            self.proposed.insert(change.partition, change.clone());
            self.isr.pending.add(change);
        }
        for placed in news.placed {
            self.places.pending.add(placed);
        }
        // The driver stops the broker with its last directory.
        self.life.may_stop |= news.is_last_failed;
        if !news.failed.is_empty() {
            self.life.offline.extend(news.failed);
            self.life.next_at = now;
        }
    }

    /// As `fetcher_driver`: one request at a time by each fetcher.
    fn fetch(&mut self, now: Instant, events: &mut Events, out: &mut Vec<Outgoing>) {
        self.wakes.clear();
        let fetchers = &self.replicas.fetchers;
        self.asking.retain(|(source, number), _| {
            let fetcher = fetchers.get(source);
            fetcher.is_some_and(|fetcher| fetcher.number == *number)
        });
        let epoch = self.life.is_ready.then_some(self.life.epoch);
        for (source, fetcher) in &mut self.replicas.fetchers {
            let fetcher_id = (*source, fetcher.number);
            if self.busy.contains(&fetcher_id) {
                continue;
            }
            let desk = &mut fetcher.desk;
            let Flow::GoOn = desk.take_changes() else {
                continue;
            };
            let patience = self.patience.entry(fetcher_id).or_insert(LEAST_PATIENCE);
            if let Some(asking) = self.asking.get_mut(&fetcher_id) {
                if !asking.is_search && asking.give_up_at.is_none() && desk.fetcher.has_news() {
                    let soon = now + LEAST_PATIENCE;
                    asking.give_up_at = Some(soon.max(asking.sent_at + *patience));
                }
                if asking.give_up_at.is_none_or(|at| at > now) {
                    continue;
                }
                desk.fetcher.abandoned();
                *patience *= 2;
                self.asking.remove(&fetcher_id);
            }
            let Some(epoch) = epoch else {
                continue;
            };
            let (request, is_search) = match desk.next(epoch) {
                Next::Wait(until) => {
                    self.wakes.extend(until.map(|until| (fetcher_id, until)));
                    continue;
                }
                Next::Search(searches) => (Request::LookUp(searches), true),
                Next::Fetch(request) => (Request::Fetch(request), false),
            };
            let correlation = events.correlation();
            self.asking.insert(
                fetcher_id,
                Asking {
                    correlation,
                    sent_at: now,
                    is_search,
                    give_up_at: None,
                },
            );
            out.push(Outgoing::Send(correlation, node_of(source.0), request));
        }
    }

    /// What a leader has said is to be done to logs; `None` if it says nothing that counts.
    pub fn fetched(
        &mut self,
        correlation: u64,
        answer: Answer,
        now: Instant,
    ) -> Option<(FetcherId, Vec<Work>)> {
        let asking = self.asking.iter();
        let mut asking = asking.filter(|(_, asking)| asking.correlation == correlation);
        let fetcher_id = *asking.next()?.0;
        self.asking.remove(&fetcher_id);
        self.patience.remove(&fetcher_id);
        let stepped = self.replicas.fetchers.get_mut(&fetcher_id.0)?;
        if stepped.number != fetcher_id.1 {
            return None;
        }
        let fetcher = &mut stepped.desk.fetcher;
        let works = match answer {
            Answer::Fetched(response) => fetcher.answered(response, now),
            Answer::Found(found) => fetcher.searched(&found, now),
            _ => {
                fetcher.failed(now);
                Vec::new()
            }
        };
        Some((fetcher_id, works))
    }

    /// A fetcher begins to work on logs: it asks for nothing before that is done.
    pub fn begin_work(&mut self, fetcher: FetcherId) {
        self.busy.insert(fetcher);
    }

    /// Does works to logs. Returns how many partitions are fetched on the other lane from now on.
    pub fn carry_out(&mut self, fetcher: FetcherId, works: &[Work]) -> usize {
        self.busy.remove(&fetcher);
        let cuts = works.iter().filter(|work| matches!(work.act, Act::Cut(_)));
        self.cut.extend(cuts.map(|work| work.id));
        let (source, number) = fetcher;
        self.replicas.carry_out(source, number, works)
    }

    /// How far it is, for whoever looks at a run that failed.
    pub fn describe(&self) -> String {
        let life = &self.life;
        let fetchers = self.replicas.fetchers.iter();
        let fetchers = fetchers.map(|(source, fetcher)| {
            let asking = self
                .asking
                .get(&(*source, fetcher.number))
                .map(|asking| asking.sent_at);
            format!(
                "from {source:?}: asked at {asking:?}, {:?}",
                fetcher.desk.fetcher
            )
        });
        format!(
            "node {} in epoch {}, ready {}, serving {}, heartbeat under way {:?} or at {:?}, read {}; {}",
            self.node,
            life.epoch,
            life.is_ready,
            self.is_serving,
            life.asked,
            life.next_at,
            self.read,
            fetchers.collect::<Vec<_>>().join("; ")
        )
    }

    /// The directories that have failed, for whoever looks at a run that failed.
    pub fn failed_dirs(&self) -> usize {
        self.replicas.manager.offline_dirs().len()
    }

    /// Acts on a change of the metadata.
    pub fn apply(&mut self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        let placed = self.replicas.apply(delta, image);
        self.told.0.lock().placed.extend(placed);
    }

    /// A request arrives. The answer, if it is there at once.
    pub fn on_request(
        &mut self,
        caller: Caller,
        request: Request,
        now: Instant,
    ) -> Option<Outgoing> {
        // Nobody listens yet.
        if !self.is_serving {
            return Some(Outgoing::Answer(caller, Answer::Lost));
        }
        let answer = match request {
            Request::Fetch(request) if self.is_stranger(&request) => {
                Answer::Fetched(refused(&request))
            }
            Request::Fetch(request) => match self.replicas.begin_fetch(&request) {
                Ok(fetch) => {
                    self.fetches.push((caller, fetch));
                    return None;
                }
                Err(response) => Answer::Fetched(response),
            },
            Request::LookUp(searches) => Answer::Found(self.look_up(&searches)),
            Request::Produce(produce) => Answer::Produced(self.produce(caller, &produce, now)?),
        };
        Some(Outgoing::Answer(caller, answer))
    }

    fn is_stranger(&self, request: &FetchRequest) -> bool {
        let state = &request.replica_state;
        let known = self.image.brokers().get(BrokerId(state.replica_id));
        let is_known = known.is_some_and(|broker| broker.epoch == state.replica_epoch);
        self.checks_followers && state.replica_id >= 0 && !is_known
    }

    fn look_up(&self, searches: &[Search]) -> Vec<(Search, broker::doubles::Found)> {
        self.replicas.look_up(searches)
    }

    fn produce(&mut self, caller: Caller, produce: &Produce, now: Instant) -> Option<ErrorCode> {
        let manager = &self.replicas.manager;
        let partition = match manager.partition(&produce.id) {
            Ok(partition) => partition,
            Err(error) => return Some(error.code()),
        };
        let batch = ValidatedBatch::trusted(&produce.batch).expect("clients build batches");
        let wait = AckWait::new(1);
        let write = LeaderWrite {
            batch: &batch,
            origin: Origin::Client,
            expected_epoch: None,
            guard: None,
            transaction_version: 0,
            ticket: produce.wants_all.then(|| wait.ticket(0)),
        };
        match manager.append(&partition, write) {
            Err(error) => Some(error.code()),
            Ok(_) if !produce.wants_all => Some(ErrorCode::NONE),
            Ok(appended) => {
                let header = batch.header();
                self.produces.push(Waiting {
                    caller,
                    id: produce.id,
                    epoch: appended.leader_epoch,
                    batch: (header.producer_id().0, header.base_sequence()),
                    wait,
                    until: now + ACKS,
                });
                None
            }
        }
    }

    fn answer_produces(&mut self, now: Instant, out: &mut Vec<Outgoing>) {
        self.produces.retain(|waiting| {
            let code = match waiting.wait.outcomes()[0] {
                AckOutcome::Waiting if now < waiting.until => return true,
                AckOutcome::Waiting => ErrorCode::REQUEST_TIMED_OUT,
                AckOutcome::Committed => {
                    let Waiting {
                        caller,
                        id,
                        epoch,
                        batch,
                        ..
                    } = waiting;
                    out.push(Outgoing::Acknowledge(*caller, *id, *epoch, *batch));
                    return false;
                }
                AckOutcome::NotEnoughReplicas => ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
                AckOutcome::NotLeader => ErrorCode::NOT_LEADER_OR_FOLLOWER,
                AckOutcome::StorageFailed => ErrorCode::KAFKA_STORAGE_ERROR,
            };
            let answer = Answer::Produced(code);
            out.push(Outgoing::Answer(waiting.caller, answer));
            false
        });
    }

    /// An operator stops it.
    pub fn stop(&mut self, now: Instant) {
        self.life.wants_to_stop = true;
        self.life.next_at = now;
        self.life.stops_at = Some(now + HANDOVER);
    }

    fn live(&mut self, now: Instant, events: &mut Events, out: &mut Vec<Outgoing>) {
        let life = &mut self.life;
        life.may_stop |= life.stops_at.is_some_and(|at| at <= now);
        let seen = self.image.brokers().get(broker_of(self.node));
        let is_seen = seen.is_some_and(|broker| broker.epoch == life.epoch && !broker.fenced);
        self.is_serving |= is_seen && life.is_ready;
        if life.asked.is_some() || life.next_at > now {
            return;
        }
        let correlation = events.correlation();
        life.asked = Some(correlation);
        let question = if life.epoch < 0 {
            Question::Register(life.request.clone())
        } else {
            Question::Heartbeat(BrokerHeartbeatRequest {
                broker_id: broker_of(self.node).0,
                broker_epoch: life.epoch,
                current_metadata_offset: self.read as i64 - 1,
                want_fence: !life.is_ready && !life.wants_to_stop,
                want_shut_down: life.wants_to_stop,
                offline_log_dirs: life.offline.clone(),
                cordoned_log_dirs: None,
            })
        };
        out.push(Outgoing::Ask(correlation, question));
    }

    fn tell(&mut self, now: Instant, events: &mut Events, out: &mut Vec<Outgoing>) {
        let (broker, epoch) = (broker_of(self.node), self.life.epoch);
        if epoch < 0 {
            return;
        }
        if self.isr.is_due(now, self.isr.pending.is_empty()) {
            let request = self.isr.pending.next_request(broker, epoch, &self.image);
            if let Some(request) = request {
                let correlation = events.correlation();
                self.isr.asked = Some(correlation);
                out.push(Outgoing::Ask(
                    correlation,
                    Question::AlterPartition(request),
                ));
            }
        }
        if self.places.is_due(now, self.places.pending.is_empty()) {
            let request = self.places.pending.next_request(broker, epoch);
            let correlation = events.correlation();
            self.places.asked = Some(correlation);
            out.push(Outgoing::Ask(correlation, Question::Assign(request)));
        }
    }

    /// The controller has answered, or nothing has come. Returns the changes of in-sync sets whose fate is
    /// not known.
    pub fn on_reply(&mut self, correlation: u64, answer: Answer, now: Instant) {
        if self.life.asked == Some(correlation) {
            self.life.asked = None;
            self.on_life(answer, now);
        } else if self.isr.asked == Some(correlation) {
            self.isr.asked = None;
            let lost = AlterPartitionResponse {
                error_code: ErrorCode::REQUEST_TIMED_OUT,
                ..AlterPartitionResponse::default()
            };
            let Answer::Controller(Reply::AlterPartition(response)) =
                answer_or(answer, Reply::AlterPartition(lost))
            else {
                unreachable!("it was asked for that");
            };
            let ended = self.isr.pending.answered(&response, &self.image);
            self.isr.next_at = now + self.isr.pending.pause();
            for (change, outcome) in ended {
                self.proposed.remove(&change.partition);
                self.replicas.manager.isr_change_ended(&change, &outcome);
            }
        } else if self.places.asked == Some(correlation) {
            self.places.asked = None;
            let Answer::Controller(Reply::Assigned(response)) =
                answer_or(answer, Reply::Assigned(Default::default()))
            else {
                unreachable!("it was asked for that");
            };
            self.places.pending.answered(&response);
            self.places.next_at = now + self.places.pending.pause().max(AGAIN);
        }
    }

    /// Whether this is the request for in-sync sets that is under way.
    pub fn asks_for_isr(&self, correlation: u64) -> bool {
        self.isr.asked == Some(correlation)
    }

    fn on_life(&mut self, answer: Answer, now: Instant) {
        let life = &mut self.life;
        life.next_at = now + AGAIN;
        match answer {
            Answer::Controller(Reply::Registered(response))
                if life.epoch < 0 && !response.error_code.is_error() =>
            {
                life.epoch = response.broker_epoch;
                life.next_at = now;
            }
            Answer::Controller(Reply::Heartbeat(response)) if !response.error_code.is_error() => {
                life.may_stop |= response.should_shut_down;
                let was_ready = life.is_ready;
                life.is_ready |= response.is_caught_up;
                life.next_at = if was_ready == life.is_ready && !life.wants_to_stop {
                    now + if life.is_ready { HEARTBEAT } else { AGAIN }
                } else if was_ready {
                    now + LEAST_PATIENCE
                } else {
                    now
                };
            }
            _ => {}
        }
    }
}

/// What stands for an answer that never came: all is as open as before.
fn answer_or(answer: Answer, none: Reply) -> Answer {
    match answer {
        Answer::Controller(_) => answer,
        _ => Answer::Controller(none),
    }
}

impl<T: Default> Telling<T> {
    fn new(now: Instant) -> Self {
        Self {
            pending: T::default(),
            asked: None,
            next_at: now,
        }
    }
}

impl<T> Telling<T> {
    fn is_due(&self, now: Instant, is_empty: bool) -> bool {
        !is_empty && self.asked.is_none() && self.next_at <= now
    }

    fn wakes_at(&self, is_empty: bool) -> Option<Instant> {
        (!is_empty && self.asked.is_none()).then_some(self.next_at)
    }
}

fn registration(
    node: usize,
    incarnation: Uuid,
    replicas: &SteppedReplicas,
    previous_broker_epoch: Option<i64>,
) -> BrokerRegistrationRequest {
    let features = SUPPORTED_FEATURES.iter();
    let features = features.map(|(name, min, max)| Feature {
        name: (*name).into(),
        min_supported_version: *min,
        max_supported_version: *max,
    });
    BrokerRegistrationRequest {
        broker_id: broker_of(node).0,
        cluster_id: CLUSTER.into(),
        incarnation_id: incarnation,
        listeners: vec![Endpoint {
            name: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 9092,
            security_protocol: 0,
        }],
        features: features.collect(),
        log_dirs: replicas.manager.online_dirs(),
        previous_broker_epoch: previous_broker_epoch.unwrap_or(-1),
        ..BrokerRegistrationRequest::default()
    }
}

fn refused(request: &FetchRequest) -> FetchResponse {
    let responses = request.topics.iter().map(|topic| FetchableTopicResponse {
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|asked| PartitionData {
                partition_index: asked.partition,
                error_code: ErrorCode::NOT_LEADER_OR_FOLLOWER,
                ..PartitionData::default()
            })
            .collect(),
        ..FetchableTopicResponse::default()
    });
    FetchResponse {
        responses: responses.collect(),
        ..FetchResponse::default()
    }
}

/// What an answer says of partitions.
pub fn partitions_of(
    response: &FetchResponse,
) -> impl Iterator<Item = (TopicIdPartition, &PartitionData)> {
    response.responses.iter().flat_map(|topic| {
        topic.partitions.iter().map(|data| {
            let id = TopicIdPartition {
                topic_id: topic.topic_id,
                partition: data.partition_index,
            };
            (id, data)
        })
    })
}
