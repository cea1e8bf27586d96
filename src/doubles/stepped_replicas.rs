//! The replicas of a broker without threads: what their threads do, a simulation does step by step, under a
//! clock of its own. All decisions, and all that is done to logs, checkpoints and directories, are the
//! broker's own; only who runs them when is not.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::metadata::ReplicaDirectory;
use crate::metadata::delta::MetadataDelta;
use crate::metadata::image::MetadataImage;
use crate::model::{BrokerId, LeaderEpoch, Offset, TopicIdPartition};
use crate::protocol::ErrorCode;
use crate::protocol::messages::fetch::{
    EpochEndOffset, FetchPartition, FetchRequest, FetchResponse, FetchableTopicResponse,
    PartitionData,
};
use crate::replication::delayed::Interest;
use crate::replication::dirs::CheckpointKind;
use crate::replication::fetch::{Fetch, Step};
use crate::replication::fetch_session::{PartitionRequest, SessionError, TopicKey, TopicRef};
use crate::replication::follower::{
    Change, Desk, Fetcher, GiveAway, Given, Inbox, LaneChange, core_settings,
};
use crate::replication::listener::ReplicaListener;
use crate::replication::manager::{
    FetchAnswer, FetchParams, FollowerIdentity, PartitionAnswer, ReplicaManager, Rooms,
    SessionRequest,
};
use crate::replication::partition::{OffsetQuery, OffsetSearch, ReplicaNumber};
use crate::replication::settings::ReplicaSettings;
use crate::replication::threads;
use crate::replication::upkeep::Chores;
use crate::storage::log_dir::LogDirs;
use crate::telemetry::Metrics;

pub use crate::metadata::{PendingIsrChanges, PendingReplicaDirectories};
pub use crate::replication::follower::{Act, Flow, Found, Lane, LeaderLog, Next, Search, Work};
pub use crate::replication::threads::{Simulated, simulate};

/// Asks for the start of a log.
const EARLIEST: i64 = -2;
/// Asks for the end of a log.
const LATEST: i64 = -1;

/// A leader, and the lane on which is fetched from it.
pub type Source = (BrokerId, Lane);

/// See the module.
pub struct SteppedReplicas {
    /// The handle that the rest of the broker has.
    pub manager: ReplicaManager,
    /// What is fetched.
    pub fetchers: BTreeMap<Source, SteppedFetcher>,
    local: BrokerId,
    settings: ReplicaSettings,
    lanes: Arc<Mutex<Lanes>>,
    chores: [Chores; 2],
    /// How many fetchers were started.
    started: u64,
}

/// How a partition is fetched.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Followed {
    source: Source,
    epoch: LeaderEpoch,
    replica: ReplicaNumber,
}

/// Which partition is fetched from where.
#[derive(Default)]
struct Lanes {
    followed: BTreeMap<TopicIdPartition, Followed>,
    /// What has changed its lane, and whose new fetcher does not know it.
    moved: Vec<LaneChange>,
    /// How often one was to.
    asked: u64,
}

/// One fetcher, without its thread and its connection.
pub struct SteppedFetcher {
    /// Tells it from others of the same leader, before and after it.
    pub number: u64,
    /// The core, with what it is told and what it does to logs.
    pub desk: Desk,
    inbox: Arc<Inbox>,
}

/// What the start has found.
pub struct SteppedStart {
    /// The replicas.
    pub replicas: SteppedReplicas,
    /// The broker epoch of the last stop, if that was clean.
    pub previous_broker_epoch: Option<i64>,
    /// The directories of replicas that the controller does not know yet.
    pub replica_directories: Vec<ReplicaDirectory>,
}

impl SteppedReplicas {
    /// Opens the logs in `dirs`, as a broker does at its start.
    ///
    /// # Errors
    /// None that a simulation has: the system gives no thread.
    pub fn start(
        settings: &ReplicaSettings,
        dirs: &LogDirs,
        image: &Arc<MetadataImage>,
        listener: Box<dyn ReplicaListener>,
        metrics: &Arc<Metrics>,
    ) -> std::io::Result<SteppedStart> {
        let rooms = Rooms::new(settings.clone(), dirs, image, listener, metrics);
        // No thread fetches: the fetchers here do.
        rooms.followers.stop();
        let opened = rooms.replicas.open(image)?;
        let mut replicas = Self {
            manager: ReplicaManager {
                rooms: Arc::new(rooms),
            },
            fetchers: BTreeMap::new(),
            local: settings.node_id,
            settings: settings.clone(),
            lanes: Arc::default(),
            chores: [
                Chores::new(&settings.storage),
                Chores::settling(&settings.storage),
            ],
            started: 0,
        };
        replicas.follow();
        Ok(SteppedStart {
            replicas,
            previous_broker_epoch: opened.previous_broker_epoch,
            replica_directories: opened.replica_directories,
        })
    }

    /// Carries out a change of the metadata. Returns what the controller does not know yet about the
    /// directories of replicas.
    pub fn apply(
        &mut self,
        delta: &MetadataDelta,
        image: &Arc<MetadataImage>,
    ) -> Vec<ReplicaDirectory> {
        let placed = self.manager.apply(delta, image);
        self.follow();
        placed
    }

    /// Tells the fetchers whom to follow, as taking a role does.
    fn follow(&mut self) {
        let mut lanes = std::mem::take(&mut *self.lanes.lock());
        let mut wanted = BTreeMap::new();
        for partition in self.manager.partitions() {
            let (leader, epoch) = partition.leader();
            if leader != BrokerId::NONE && leader != self.local {
                let replica = partition.number();
                let before = lanes.followed.get(&partition.id());
                let before = before.filter(|it| it.source.0 == leader && it.replica == replica);
                let lane = before.map_or(Lane::default(), |it| it.source.1);
                let followed = Followed {
                    source: (leader, lane),
                    epoch,
                    replica,
                };
                wanted.insert(partition.id(), followed);
            }
        }
        for (id, before) in &lanes.followed {
            let now = wanted.get(id).map(|now| (now.source, now.replica));
            let stays = now == Some((before.source, before.replica));
            if !stays && let Some(fetcher) = self.fetchers.get(&before.source) {
                fetcher.inbox.push(*id, Change::Unfollow);
            }
        }
        for (id, now) in &wanted {
            if lanes.followed.get(id) != Some(now) {
                let inbox = &self.fetcher(now.source).inbox;
                inbox.push(*id, Change::Follow(now.epoch));
            }
        }
        lanes.followed = wanted;
        *self.lanes.lock() = lanes;
        self.end_idle();
    }

    /// A fetcher without partitions ends.
    fn end_idle(&mut self) {
        let lanes = self.lanes.lock();
        let sources: BTreeSet<Source> = lanes.followed.values().map(|it| it.source).collect();
        self.fetchers.retain(|source, _| sources.contains(source));
    }

    fn fetcher(&mut self, source: Source) -> &mut SteppedFetcher {
        let rooms = &self.manager.rooms;
        self.fetchers.entry(source).or_insert_with(|| {
            let core = core_settings(self.local, &self.settings.follower);
            let inbox = Arc::<Inbox>::default();
            let logs = rooms.followers.logs().clone();
            let backoff = core.backoff;
            let fetcher = Fetcher::new(core, source.1);
            let give_away = give_away_from(source, &self.lanes, &inbox);
            self.started += 1;
            SteppedFetcher {
                number: self.started,
                desk: Desk::new(fetcher, Arc::clone(&inbox), logs, backoff, give_away),
                inbox,
            }
        })
    }

    /// Does works to logs, as the thread of the fetcher that has this number, which may have been told to end
    /// meanwhile. Returns how many partitions are fetched on the other lane from now on.
    pub fn carry_out(&mut self, source: Source, number: u64, works: &[Work]) -> usize {
        match self.fetchers.get_mut(&source) {
            Some(fetcher) if fetcher.number == number => fetcher.desk.carry_out(works),
            _ => {
                let logs = self.manager.rooms.followers.logs();
                logs.carry_out(works);
            }
        }
        let moved = std::mem::take(&mut self.lanes.lock().moved);
        for it in &moved {
            let to = (source.0, source.1.other());
            let inbox = &self.fetcher(to).inbox;
            inbox.push(it.id, Change::TakeOver(*it));
        }
        if !moved.is_empty() {
            self.end_idle();
        }
        moved.len()
    }

    /// When housekeeping has something to do next.
    pub fn next_chore(&self) -> Option<Instant> {
        self.chores.iter().filter_map(Chores::next_due).min()
    }

    /// Does what is due of housekeeping.
    pub fn run_chores(&mut self) {
        for chores in &mut self.chores {
            chores.run_due(&self.manager.rooms.upkeep);
        }
    }

    /// Whether syncs wait.
    pub fn has_syncs(&self) -> bool {
        let mut online = self.manager.rooms.dirs.online();
        online.any(|dir| !dir.syncs.is_empty())
    }

    /// Carries out one of the syncs that wait. Returns whether there was one.
    pub fn sync_one(&self) -> bool {
        let dirs = &self.manager.rooms.dirs;
        for dir in dirs.online() {
            if let Some(job) = dir.syncs.take() {
                dirs.carry_out(dir, job);
                return true;
            }
        }
        false
    }

    /// Writes all checkpoints now.
    pub fn write_checkpoints(&self) {
        let dirs = &self.manager.rooms.dirs;
        dirs.write_checkpoints(&CheckpointKind::ALL);
    }

    /// Begins to serve a Fetch of version 17 or above.
    ///
    /// # Errors
    /// The answer to a Fetch whose session is unknown, or which is not the next in it.
    pub fn begin_fetch(&self, request: &FetchRequest) -> Result<SteppedFetch, FetchResponse> {
        let session = SessionRequest {
            id: request.session_id,
            epoch: request.session_epoch,
            uses_topic_ids: true,
        };
        let partitions = request.topics.iter().flat_map(|topic| {
            let asked = topic.partitions.iter();
            asked.map(|asked| (TopicRef::Id(topic.topic_id), asked.partition, asks(asked)))
        });
        let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| {
            let indexes = topic.partitions.iter();
            indexes.map(|index| (TopicRef::Id(topic.topic_id), *index))
        });
        let params = params(request);
        let max_wait = params.max_wait;
        let begun = self
            .manager
            .begin_fetch(params, session, partitions, forgotten);
        match begun {
            Ok(fetch) => Ok(SteppedFetch {
                fetch: Some(fetch),
                deadline: threads::now().instant + max_wait,
                waits: None,
            }),
            Err(error) => Err(FetchResponse {
                error_code: match error {
                    SessionError::NotFound => ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
                    SessionError::InvalidEpoch => ErrorCode::INVALID_FETCH_SESSION_EPOCH,
                    SessionError::TopicIds => ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
                },
                ..FetchResponse::default()
            }),
        }
    }

    /// Where the logs of partitions start and end that this broker leads.
    pub fn look_up(&self, searches: &[Search]) -> Vec<(Search, Found)> {
        let looked_up = searches.iter().map(|search| (*search, self.found(search)));
        looked_up.collect()
    }

    fn found(&self, search: &Search) -> Found {
        let partition = self.manager.partition(&search.id);
        let partition = partition.map_err(|error| error.code())?;
        let edge = |timestamp| {
            let query = OffsetQuery {
                timestamp,
                isolation: None,
                current_leader_epoch: search.leader_epoch,
                only_leader: true,
            };
            match partition.list_offset(&query) {
                Ok(OffsetSearch::Known(listed)) => Ok(listed.offset),
                Ok(OffsetSearch::Search(_)) => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
                Err(error) => Err(error.code()),
            }
        };
        Ok(LeaderLog {
            log_start_offset: edge(EARLIEST)?,
            end_offset: edge(LATEST)?,
        })
    }
}

/// Gives partitions of a fetcher to the other lane, as the pool of threads does: at times its table is in use.
fn give_away_from(source: Source, lanes: &Arc<Mutex<Lanes>>, inbox: &Arc<Inbox>) -> GiveAway {
    let (lanes, inbox) = (Arc::clone(lanes), Arc::clone(inbox));
    Box::new(move |it| {
        let mut lanes = lanes.lock();
        lanes.asked += 1;
        if lanes.asked.is_multiple_of(5) {
            return Given::NotNow;
        }
        let followed = lanes.followed.get_mut(&it.id);
        let followed = followed.filter(|now| (now.source, now.epoch) == (source, it.leader_epoch));
        let Some(followed) = followed else {
            return Given::Stays;
        };
        followed.source.1 = source.1.other();
        lanes.moved.push(*it);
        inbox.forget(&it.id);
        Given::Away
    })
}

/// A Fetch that is being served.
pub struct SteppedFetch {
    fetch: Option<Fetch>,
    deadline: Instant,
    /// For how many bytes it waits, and until when.
    waits: Option<(u64, Instant)>,
}

impl SteppedFetch {
    /// When it goes on, whatever happens.
    pub fn wakes_at(&self) -> Option<Instant> {
        self.waits.map(|(_, until)| until)
    }

    /// Goes on as far as it can: the answer, if it has come to its end.
    pub fn step(&mut self) -> Option<FetchResponse> {
        let fetch = self.fetch.as_mut()?;
        let (fetches, round) = (&fetch.fetches, &mut fetch.round);
        loop {
            if let Some((bytes, until)) = self.waits {
                let mut context = Context::from_waker(Waker::noop());
                let is_woken =
                    pin!(round.watch().wait(bytes)).poll(&mut context) == Poll::Ready(());
                if !is_woken && threads::now().instant < until {
                    return None;
                }
                self.waits = None;
                if !is_woken && until == self.deadline {
                    break;
                }
                round.woken();
            }
            match fetches.next(round) {
                Step::Read(jobs, mut budget, findings) => {
                    fetches.tell(findings);
                    let read = jobs.into_iter().map(|job| job.run(&mut budget)).collect();
                    fetches.tell(round.take(read));
                }
                Step::Wait(bytes, at_most) => {
                    let soon = at_most.map(|at_most| threads::now().instant + at_most);
                    let until = soon.map_or(self.deadline, |soon| soon.min(self.deadline));
                    self.waits = Some((bytes, until));
                }
                Step::Answer => break,
            }
        }
        let Fetch { fetches, round } = self.fetch.take()?;
        let random = || {
            let [first, second, third, fourth, ..] = threads::random_bytes();
            u32::from_be_bytes([first, second, third, fourth])
        };
        let now = threads::now().instant;
        Some(response(round.finish(&fetches.sessions, random, now)))
    }
}

fn asks(asked: &FetchPartition) -> PartitionRequest {
    PartitionRequest {
        fetch_offset: Offset(asked.fetch_offset),
        max_bytes: asked.partition_max_bytes,
        current_leader_epoch: LeaderEpoch(asked.current_leader_epoch).max(LeaderEpoch::NONE),
        last_fetched_epoch: LeaderEpoch(asked.last_fetched_epoch).max(LeaderEpoch::NONE),
        log_start_offset: Offset(asked.log_start_offset),
    }
}

fn params(request: &FetchRequest) -> FetchParams {
    let state = &request.replica_state;
    let follower = (state.replica_id >= 0).then_some(FollowerIdentity {
        id: BrokerId(state.replica_id),
        epoch: state.replica_epoch,
    });
    let unsigned = |number: i32| u32::try_from(number).unwrap_or(0);
    FetchParams {
        follower,
        max_wait: Duration::from_millis(u64::from(unsigned(request.max_wait_ms))),
        min_bytes: unsigned(request.min_bytes),
        max_bytes: unsigned(request.max_bytes),
        interest: if follower.is_some() {
            Interest::LogEnd
        } else {
            Interest::HighWatermark
        },
        only_leader: true,
        near: None,
    }
}

fn response(answer: FetchAnswer) -> FetchResponse {
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    for partition in answer.partitions {
        let TopicKey::Id(topic_id) = partition.topic else {
            continue;
        };
        let data = partition_data(partition);
        match responses.last_mut() {
            Some(topic) if topic.topic_id == topic_id => topic.partitions.push(data),
            _ => responses.push(FetchableTopicResponse {
                topic_id,
                partitions: vec![data],
                ..FetchableTopicResponse::default()
            }),
        }
    }
    FetchResponse {
        error_code: answer.error,
        session_id: answer.session_id,
        responses,
        ..FetchResponse::default()
    }
}

fn partition_data(answer: PartitionAnswer) -> PartitionData {
    let diverging = answer.diverging.map(|end| EpochEndOffset {
        epoch: end.epoch.0,
        end_offset: end.end_offset.0,
    });
    PartitionData {
        partition_index: answer.partition,
        error_code: answer.error,
        high_watermark: answer.high_watermark.0,
        last_stable_offset: answer.last_stable_offset.0,
        log_start_offset: answer.log_start_offset.0,
        diverging_epoch: diverging.unwrap_or_default(),
        records: answer.records,
        ..PartitionData::default()
    }
}
