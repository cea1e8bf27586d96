//! One shard at work: behind a short lock, on the task of whoever asks.
//!
//! A request is decided under the lock; its records join those that are to be appended, and its
//! answer leaves at once, or waits. Appending is in `append_driver.rs`, loading in `load_driver.rs`.
//! Invariant: records are queued in the order in which the shard decided them, and no answer leaves
//! before what it rests on is committed.
//!
//! After a failed append, what writes is refused for a while (see `retry.rs`), and the shard's own
//! deadlines wait as long.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, MutexGuard};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::group::{Caller, DeletedTopic, Effects, GroupShard, Moment, Request, Tally, Token};
use super::memory::MemberMemory;
use super::retry::Retry;
use super::timers_driver::{Alarm, Alarms};
use super::waiters_driver::{Deliveries, Submitted, Waiters};
use crate::clock::wall_clock;
use crate::config::GroupCoordinatorConfig;
use crate::metadata::image::MetadataImage;
use crate::model::{LeaderEpoch, Offset};
use crate::protocol::ErrorCode;
use crate::protocol::messages::offsets_records::OffsetsRecord;
use crate::replication::driver::ReplicaManager;
use crate::replication::partition::Partition;
use crate::telemetry::{LogGate, Metrics};

/// What all shards share.
pub(super) struct Services {
    pub(super) config: GroupCoordinatorConfig,
    pub(super) replicas: ReplicaManager,
    pub(super) runtime: Handle,
    pub(super) alarms: Arc<Alarms>,
    /// So many shards are loaded at a time.
    pub(super) loaders: Arc<Semaphore>,
    pub(super) is_stopped: AtomicBool,
    /// What members of all shards take.
    pub(super) member_memory: MemberMemory,
    /// For those who are refused because that leaves no room.
    pub(super) no_room_gate: LogGate,
    pub(super) metrics: Arc<Metrics>,
    /// The newest that the coordinator was told of.
    pub(super) image: ArcSwap<MetadataImage>,
}

/// One shard, what it waits for, and who waits for it.
pub(super) struct ShardDriver {
    pub(super) partition: Arc<Partition>,
    pub(super) services: Arc<Services>,
    state: Mutex<State>,
}

/// What stands behind the lock.
pub(super) struct State {
    pub(super) phase: Phase,
    /// Counts the phases of loading and running: what was begun in an earlier one is void.
    pub(super) term: u64,
    pub(super) epoch: LeaderEpoch,
    pub(super) waiters: Waiters,
    /// Decided and not appended yet, in order.
    pub(super) queued: Vec<OffsetsRecord>,
    /// The offset that the first queued record gets.
    pub(super) append_offset: Offset,
    /// A task appends what is queued.
    pub(super) is_appending: bool,
    /// What the shard's record limit was made from.
    pub(super) max_message_bytes: usize,
    /// When appends may be tried again that failed.
    pub(super) retry: Retry,
    alarm: Option<Alarm>,
    /// What of the shard is told to the metrics and counted as memory.
    pub(super) told: Tally,
    /// Offsets of topics that were deleted unnoticed are still to be removed.
    has_orphans: bool,
    /// Used again for every request.
    effects: Effects,
}

/// What a shard is doing.
pub(super) enum Phase {
    /// It is read from its log.
    Loading,
    /// It decides.
    Running(Box<GroupShard>),
    /// Nothing: it could not be loaded. Requests get NOT_COORDINATOR, as in Kafka.
    Failed,
    /// Nothing: this broker is not the coordinator, or stops. Requests get NOT_COORDINATOR.
    Over,
}

impl State {
    /// Whether it is loaded, since `term` began.
    pub(super) fn is_loading(&self, term: u64) -> bool {
        self.term == term && matches!(self.phase, Phase::Loading)
    }
}

/// The time now, by both clocks.
pub(super) fn now() -> Moment {
    Moment {
        instant: Instant::now(),
        timestamp: wall_clock(),
    }
}

impl std::fmt::Debug for ShardDriver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ShardDriver")
            .field("partition", self.partition.name())
            .finish_non_exhaustive()
    }
}

impl ShardDriver {
    /// A shard that does nothing yet.
    pub(super) fn new(partition: Arc<Partition>, services: Arc<Services>) -> Arc<Self> {
        let state = State {
            phase: Phase::Over,
            term: 0,
            epoch: LeaderEpoch::NONE,
            waiters: Waiters::default(),
            queued: Vec::new(),
            append_offset: Offset::ZERO,
            is_appending: false,
            max_message_bytes: 0,
            retry: Retry::default(),
            alarm: None,
            told: Tally::default(),
            has_orphans: false,
            effects: Effects::default(),
        };
        Arc::new(Self {
            partition,
            services,
            state: Mutex::new(state),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Decides a request, or refuses it while the shard does not run.
    pub(super) fn submit(self: &Arc<Self>, mut caller: Caller, request: &Request) -> Submitted {
        let now = now();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        caller.token = state.waiters.token();
        let may_write = state.retry.pause(now.instant).is_none();
        let shard = match &mut state.phase {
            Phase::Running(shard) => shard,
            Phase::Loading => {
                let error = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
                return Submitted::Answered(request.refuse(error));
            }
            Phase::Failed | Phase::Over => {
                return Submitted::Answered(request.refuse(ErrorCode::NOT_COORDINATOR));
            }
        };
        if !may_write && request.may_write() {
            let error = ErrorCode::COORDINATOR_NOT_AVAILABLE;
            return Submitted::Answered(request.refuse(error));
        }
        shard.set_spare_bytes(self.services.member_memory.left());
        let mut effects = std::mem::take(&mut state.effects);
        shard.handle(now, &caller, request, &mut effects);
        let (submitted, deliveries) = self.carry_out(state, &mut effects, Some(caller.token));
        state.effects = effects;
        drop(guard);
        deliveries.send();
        submitted.expect("the caller was named")
    }

    /// Does what is due.
    pub(super) fn on_deadline(self: &Arc<Self>) {
        let now = now();
        let mut state = self.state.lock();
        state.alarm = None;
        if state.retry.pause(now.instant).is_some() {
            return self.set_alarm(&mut state);
        }
        let orphans = std::mem::take(&mut state.has_orphans);
        self.input(state, |shard, effects| {
            if orphans {
                self.delete_orphans(shard, effects);
            }
            shard.on_deadline(now, effects);
        });
    }

    /// Topics are gone, and so are their offsets.
    pub(super) fn topics_deleted(self: &Arc<Self>, topics: &[DeletedTopic]) {
        // One that is loaded looks at the image when it begins.
        self.input(self.state.lock(), |shard, effects| {
            shard.topics_deleted(topics, effects);
        });
    }

    /// Removes what is left of topics that were deleted unnoticed.
    fn delete_orphans(&self, shard: &mut GroupShard, effects: &mut Effects) {
        let image = self.services.image.load();
        let count = shard.delete_orphans(|name| image.topics().id_of(name), effects);
        if count > 0 {
            let partition = self.partition.name();
            tracing::info!(%partition, count, "removing offsets of topics that are gone");
        }
    }

    fn input(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        act: impl FnOnce(&mut GroupShard, &mut Effects),
    ) {
        let Phase::Running(shard) = &mut state.phase else {
            return;
        };
        shard.set_spare_bytes(self.services.member_memory.left());
        let mut effects = Effects::default();
        act(shard, &mut effects);
        let (_, deliveries) = self.carry_out(&mut state, &mut effects, None);
        drop(state);
        deliveries.send();
    }

    /// Carries out what the shard decided; `own` is the request that it was for.
    fn carry_out(
        self: &Arc<Self>,
        state: &mut State,
        effects: &mut Effects,
        own: Option<Token>,
    ) -> (Option<Submitted>, Deliveries) {
        let mut deliveries = Deliveries::default();
        let high_watermark = self.partition.high_watermark();
        let own_place = own.and_then(|token| {
            let mut replies = effects.replies.iter();
            replies.position(|reply| reply.token == token)
        });
        let own_reply = own_place.map(|place| effects.replies.swap_remove(place));
        let replies = effects.replies.drain(..);
        state.waiters.take(replies, high_watermark, &mut deliveries);
        let submitted = own.map(|token| state.waiters.submitted(token, own_reply, high_watermark));
        if !effects.records.is_empty() {
            state.queued.append(&mut effects.records);
            self.append_soon(state);
        }
        self.set_alarm(state);
        self.tell(state);
        (submitted, deliveries)
    }

    fn set_alarm(self: &Arc<Self>, state: &mut State) {
        let Phase::Running(shard) = &state.phase else {
            return;
        };
        let pause = state.retry.not_before();
        let orphans = pause.filter(|_| state.has_orphans);
        let Some(at) = shard.next_deadline().into_iter().chain(orphans).min() else {
            return;
        };
        let at = pause.map_or(at, |pause| pause.max(at));
        if state.alarm.is_none_or(|alarm| at < alarm.at()) {
            state.alarm = Some(self.services.alarms.set(state.alarm, at, self));
        }
    }

    /// A shard that it `took` so long to load begins to decide; whether it does: the load may be void
    /// by now. `end_offset` is the log's.
    pub(super) fn begin(
        self: &Arc<Self>,
        term: u64,
        mut shard: GroupShard,
        end_offset: Offset,
        took: Duration,
    ) -> bool {
        let now = now();
        let mut state = self.state.lock();
        if !state.is_loading(term) {
            return false;
        }
        state.retry.loaded(took);
        let mut effects = Effects::default();
        shard.begin(now, end_offset, &mut effects);
        state.has_orphans = state.retry.pause(now.instant).is_some();
        if !state.has_orphans {
            self.delete_orphans(&mut shard, &mut effects);
        }
        self.enter(&mut state, Phase::Running(Box::new(shard)));
        state.append_offset = end_offset;
        let (_, deliveries) = self.carry_out(&mut state, &mut effects, None);
        drop(state);
        deliveries.send();
        true
    }

    /// The shard cannot be loaded. Nothing happens if the load is void by now.
    pub(super) fn load_failed(&self, term: u64, phase: Phase) {
        let state = self.state.lock();
        if state.is_loading(term) {
            self.end(state, phase, ErrorCode::NOT_COORDINATOR);
        }
    }

    /// This broker is not the coordinator any more.
    pub(super) fn resign(&self) {
        self.end(self.state.lock(), Phase::Over, ErrorCode::NOT_COORDINATOR);
    }

    /// Ends loading or running: all who wait get `error`, also for what is appended and not yet
    /// committed. Returns the term that begins. Whoever has looked at the term that ends gives the lock
    /// with which it has: so nobody ends it a second time.
    pub(super) fn end(
        &self,
        mut state: MutexGuard<'_, State>,
        phase: Phase,
        error: ErrorCode,
    ) -> u64 {
        let mut deliveries = Deliveries::default();
        self.abandon(&mut state, phase, error, &mut deliveries);
        state.queued.clear();
        state.waiters.fail(error, &mut deliveries);
        state.term += 1;
        let term = state.term;
        drop(state);
        deliveries.send();
        term
    }

    /// Ends deciding: what was decided is still appended and answered, what waits for other members
    /// is refused.
    pub(super) fn stop(&self) {
        let mut deliveries = Deliveries::default();
        let error = ErrorCode::NOT_COORDINATOR;
        let mut state = self.state.lock();
        self.abandon(&mut state, Phase::Over, error, &mut deliveries);
        drop(state);
        deliveries.send();
    }

    /// Whether it will not decide anything before this broker leads the partition anew: it could not
    /// be loaded, or was stopped.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Failed | Phase::Over)
    }

    fn abandon(
        &self,
        state: &mut State,
        phase: Phase,
        error: ErrorCode,
        deliveries: &mut Deliveries,
    ) {
        if let Phase::Running(shard) = self.enter(state, phase) {
            let mut effects = Effects::default();
            shard.abandon(error, &mut effects);
            let replies = effects.replies;
            state.waiters.take(replies, Offset(i64::MAX), deliveries);
        }
        self.tell(state);
    }
}

impl Drop for ShardDriver {
    /// What was counted of it is not there any more.
    fn drop(&mut self) {
        let mut state = self.state.lock();
        self.enter(&mut state, Phase::Over);
        self.tell(&mut state);
    }
}
