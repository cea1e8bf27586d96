//! Runs one shard: behind a short lock, on the task of whoever asks.
//!
//! A request is decided under the lock; its records join those that are to be appended, and its
//! answer leaves at once, or waits. Appending is in `append.rs`, loading in `load.rs`.
//! Invariant: records are queued in the order in which the shard decided them, and no answer leaves
//! before what it rests on is committed.
//!
//! After a failed append, requests that write are refused for a while (see `retry.rs`), and the shard's own
//! deadlines wait as long.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::RuntimeSettings;
use super::alarms::{Alarm, Alarms};
use super::phase::Phase;
use super::retry::Retry;
use super::waiters::{Deliveries, Submitted, Waiters, WaitingList};
use crate::clock::wall_clock;
use crate::coordinator::shard::{
    Caller, Effects, Moment, Shard, ShardCommon, ShardRequest as _, Token,
};
use crate::model::{LeaderEpoch, Offset};
use crate::protocol::ErrorCode;
use crate::replication::manager::ReplicaManager;
use crate::replication::partition::Partition;

/// What the shards of one coordinator share to run.
pub(super) struct Services<S: Shard> {
    pub(super) settings: RuntimeSettings,
    pub(super) common: S::Common,
    pub(super) replicas: ReplicaManager,
    pub(super) tasks: Handle,
    pub(super) alarms: Arc<Alarms<S>>,
    /// Limits how many shards are loaded at a time.
    pub(super) loaders: Arc<Semaphore>,
    pub(super) is_stopped: AtomicBool,
}

impl<S: Shard> Services<S> {
    /// The answer if no shard can decide, because of `error`; if the request itself is wrong, that is the
    /// answer.
    pub(super) fn refuse(
        &self,
        caller: &Caller,
        request: &S::Request,
        error: ErrorCode,
    ) -> Submitted<S::Answer> {
        let wrong = S::check(&self.common, caller, request).err();
        Submitted::Answered(request.refuse(wrong.unwrap_or(error)))
    }
}

/// A shard, the records that wait to be appended, and the requests that wait for answers.
pub(super) struct ShardRunner<S: Shard> {
    pub(super) partition: Arc<Partition>,
    pub(super) services: Arc<Services<S>>,
    state: Mutex<State<S>>,
}

/// The effects of a shard.
type EffectsOf<S> = Effects<<S as Shard>::Record, <S as Shard>::Answer>;

/// The numbers that are known of a shard.
type TallyOf<S> = <<S as Shard>::Common as ShardCommon>::Tally;

/// The state behind the lock.
pub(super) struct State<S: Shard> {
    pub(super) phase: Phase<S>,
    /// Counts the phases of loading and running: work that was begun in an earlier one is void.
    pub(super) term: u64,
    pub(super) epoch: LeaderEpoch,
    pub(super) waiters: Waiters<S::Answer>,
    /// Records that were decided and not appended yet, in order.
    pub(super) queued: Vec<S::Record>,
    /// The offset of the first queued record.
    pub(super) append_offset: Offset,
    /// Whether a task appends what is queued.
    pub(super) is_appending: bool,
    /// The topic's `max.message.bytes` when the limit of the shard's records was last computed from it.
    pub(super) max_message_bytes: usize,
    /// When an append may be tried again after a failure.
    pub(super) retry: Retry,
    alarm: Option<Alarm>,
    /// The numbers that were last counted in the coordinator's metrics.
    told: TallyOf<S>,
    /// Whether [`Shard::catch_up`] must still be called.
    is_behind: bool,
    /// A buffer that is used again for every request.
    effects: EffectsOf<S>,
}

impl<S: Shard> State<S> {
    /// Whether the shard is being loaded, in the phase that `term` began.
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

impl<S: Shard> std::fmt::Debug for ShardRunner<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ShardRunner")
            .field("partition", self.partition.name())
            .finish_non_exhaustive()
    }
}

impl<S: Shard> ShardRunner<S> {
    /// A runner whose shard does nothing yet.
    pub(super) fn new(partition: Arc<Partition>, services: Arc<Services<S>>) -> Arc<Self> {
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
            told: TallyOf::<S>::default(),
            is_behind: false,
            effects: EffectsOf::<S>::default(),
        };
        Arc::new(Self {
            partition,
            services,
            state: Mutex::new(state),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock()
    }

    /// Decides a request, or refuses it while the shard does not run.
    pub(super) fn submit(
        self: &Arc<Self>,
        mut caller: Caller,
        request: &S::Request,
    ) -> Submitted<S::Answer> {
        let now = now();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        caller.token = state.waiters.token();
        let may_write = state.retry.pause(now.instant).is_none();
        let shard = match &mut state.phase {
            Phase::Running(shard) => shard,
            Phase::Loading => {
                let error = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
                return self.services.refuse(&caller, request, error);
            }
            Phase::Failed | Phase::Over => {
                let error = ErrorCode::NOT_COORDINATOR;
                return self.services.refuse(&caller, request, error);
            }
        };
        if !may_write && request.may_write() {
            let error = ErrorCode::COORDINATOR_NOT_AVAILABLE;
            return self.services.refuse(&caller, request, error);
        }
        shard.refresh(&self.services.common);
        let mut effects = std::mem::take(&mut state.effects);
        shard.handle(now, &caller, request, &mut effects);
        let (submitted, deliveries) = self.carry_out(state, &mut effects, Some(caller.token));
        state.effects = effects;
        // Answers wake tasks, which may come back with their next request at once.
        drop(guard);
        deliveries.send();
        submitted.expect("the caller was named")
    }

    /// Lets the shard do what is due.
    pub(super) fn on_deadline(self: &Arc<Self>) {
        let now = now();
        let mut state = self.state.lock();
        state.alarm = None;
        if state.retry.pause(now.instant).is_some() {
            return self.set_alarm(&mut state);
        }
        let is_behind = std::mem::take(&mut state.is_behind);
        self.input(state, |shard, effects| {
            if is_behind {
                self.catch_up(shard, effects);
            }
            shard.on_deadline(now, effects);
        });
    }

    fn catch_up(&self, shard: &mut S, effects: &mut EffectsOf<S>) {
        shard.catch_up(&self.services.common, self.partition.name(), effects);
    }

    /// Lets a running shard decide on an event.
    pub(super) fn input(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State<S>>,
        act: impl FnOnce(&mut S, &mut EffectsOf<S>),
    ) {
        let Phase::Running(shard) = &mut state.phase else {
            return;
        };
        shard.refresh(&self.services.common);
        let mut effects = EffectsOf::<S>::default();
        act(shard, &mut effects);
        let (_, deliveries) = self.carry_out(&mut state, &mut effects, None);
        drop(state);
        deliveries.send();
    }

    /// Carries out what the shard decided; `own` is the request that it decided on.
    fn carry_out(
        self: &Arc<Self>,
        state: &mut State<S>,
        effects: &mut EffectsOf<S>,
        own: Option<Token>,
    ) -> (Option<Submitted<S::Answer>>, Deliveries<S::Answer>) {
        let mut deliveries = Deliveries::default();
        let high_watermark = self.partition.high_watermark();
        let own_place = own.and_then(|token| {
            let mut replies = effects.replies.iter();
            replies.position(|reply| reply.token == token)
        });
        let own_reply = own_place.map(|place| effects.replies.swap_remove(place));
        let replies = effects.replies.drain(..);
        state.waiters.take(replies, high_watermark, &mut deliveries);
        let submitted = own.map(|token| {
            let waiters = &mut state.waiters;
            let list: Weak<Self> = Arc::downgrade(self);
            waiters.submitted(token, own_reply, high_watermark, list)
        });
        if !effects.records.is_empty() {
            state.queued.append(&mut effects.records);
            self.append_soon(state);
        }
        self.set_alarm(state);
        self.tell(state);
        (submitted, deliveries)
    }

    fn set_alarm(self: &Arc<Self>, state: &mut State<S>) {
        let Phase::Running(shard) = &state.phase else {
            return;
        };
        let pause = state.retry.not_before();
        let catch_up = pause.filter(|_| state.is_behind);
        let Some(at) = shard.next_deadline().into_iter().chain(catch_up).min() else {
            return;
        };
        let at = pause.map_or(at, |pause| pause.max(at));
        if state.alarm.is_none_or(|alarm| at < alarm.at()) {
            state.alarm = Some(self.services.alarms.set(state.alarm, at, self));
        }
    }

    /// Begins to run a shard that it `took` so long to load. Returns whether it runs: the load may be void
    /// by now. `end_offset` is the log's end.
    pub(super) fn begin(
        self: &Arc<Self>,
        term: u64,
        mut shard: S,
        end_offset: Offset,
        took: Duration,
    ) -> bool {
        let now = now();
        let mut state = self.state.lock();
        if !state.is_loading(term) {
            return false;
        }
        state.retry.loaded(took);
        let mut effects = EffectsOf::<S>::default();
        shard.begin(now, end_offset, &mut effects);
        state.is_behind = state.retry.pause(now.instant).is_some();
        if !state.is_behind {
            self.catch_up(&mut shard, &mut effects);
        }
        self.enter(&mut state, Phase::Running(Box::new(shard)));
        state.append_offset = end_offset;
        let (_, deliveries) = self.carry_out(&mut state, &mut effects, None);
        drop(state);
        deliveries.send();
        true
    }

    /// Notes that the shard cannot be loaded. Nothing happens if the load is void by now.
    pub(super) fn load_failed(&self, term: u64, phase: Phase<S>) {
        let state = self.state.lock();
        if state.is_loading(term) {
            self.end(state, phase, ErrorCode::NOT_COORDINATOR);
        }
    }

    /// Gives the shard up, because this broker is not the coordinator any more.
    pub(super) fn resign(&self) {
        self.end(self.state.lock(), Phase::Over, ErrorCode::NOT_COORDINATOR);
    }

    /// Ends loading or running. All who wait get `error`, even for records that are appended but not
    /// committed. Returns the new term. A caller that means to end only a certain term passes the lock
    /// under which it compared that: so two callers never end the same term.
    pub(super) fn end(
        &self,
        mut state: MutexGuard<'_, State<S>>,
        phase: Phase<S>,
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

    /// Stops deciding: what was decided is still appended and answered; requests that wait in the shard are
    /// refused.
    pub(super) fn stop(&self) {
        let mut deliveries = Deliveries::default();
        let error = ErrorCode::NOT_COORDINATOR;
        let mut state = self.state.lock();
        self.abandon(&mut state, Phase::Over, error, &mut deliveries);
        drop(state);
        deliveries.send();
    }

    /// Whether the shard will not decide anything until this broker leads the partition anew: it could not
    /// be loaded, or was stopped.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Failed | Phase::Over)
    }

    fn abandon(
        &self,
        state: &mut State<S>,
        phase: Phase<S>,
        error: ErrorCode,
        deliveries: &mut Deliveries<S::Answer>,
    ) {
        if let Phase::Running(shard) = self.enter(state, phase) {
            let mut effects = EffectsOf::<S>::default();
            shard.abandon(error, &mut effects);
            let replies = effects.replies;
            state.waiters.take(replies, Offset(i64::MAX), deliveries);
        }
        self.tell(state);
    }

    /// Counts in the metrics what has changed in the shard since the last time.
    fn tell(&self, state: &mut State<S>) {
        let now = match &state.phase {
            Phase::Running(shard) => *shard.tally(),
            Phase::Loading | Phase::Failed | Phase::Over => TallyOf::<S>::default(),
        };
        if now != state.told {
            self.services.common.count(&state.told, &now);
            state.told = now;
        }
    }
}

impl<S: Shard> WaitingList for ShardRunner<S> {
    fn leave(&self, token: Token) {
        self.lock().waiters.leave(token);
    }
}

impl<S: Shard> Drop for ShardRunner<S> {
    /// Takes the shard's numbers out of the metrics.
    fn drop(&mut self) {
        let mut state = self.state.lock();
        self.enter(&mut state, Phase::Over);
        self.tell(&mut state);
    }
}
