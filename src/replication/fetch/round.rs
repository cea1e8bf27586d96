//! Decides what a Fetch does next: read, wait for news, or answer. It takes the time as an argument;
//! [`super::serve`] carries out what it decides.
//!
//! Invariants: a partition that is taken from a session is answered, or gets its mark back, even when the
//! Fetch is dropped; a Fetch that waits has watched every partition since before its last look.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::answer::{FetchAnswer, PartitionAnswer};
use super::item::{Findings, Item, Look};
use super::job::{Budget, Done, Filled, Job};
use super::request::{FetchParams, SessionRequest};
use crate::protocol::error_code::ErrorCode;
use crate::replication::delayed::FetchWatch;
use crate::replication::fetch_session::{
    FINAL_EPOCH, FetchSession, NO_SESSION, PartitionRequest, SessionError, Sessions, TopicKey,
    TopicRef, is_full,
};
use crate::replication::hosted::Hosted;
use crate::replication::leadership::SessionClock;
use crate::replication::throttle::Throttle;

/// How many marked partitions are taken from a session at a time. When the answer is full, the others keep
/// their turn, and were not touched.
const TAKEN_AT_ONCE: usize = 256;
/// How soon to look again for a descriptor, or at a partition that was locked. Nothing tells when there is
/// one, or when it is not any more: both are rare.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A Fetch that is being served.
pub struct Round {
    params: FetchParams,
    session: SessionRequest,
    kind: Kind,
    phase: Phase,
    items: Vec<Item>,
    watch: Arc<FetchWatch>,
    clock: Option<Arc<SessionClock>>,
}

enum Kind {
    /// The request names all partitions, and wants no session.
    Sessionless,
    /// The request names all partitions. The answer begins a session, if there is room for one.
    Full,
    /// The partitions are those of a session.
    Incremental(Arc<Mutex<FetchSession>>),
}

enum Phase {
    /// The partitions must be looked at.
    Look,
    /// Reads are under way. `taken` of their partitions were marked in the session.
    Reading { taken: usize },
}

/// What the caller must do next.
pub enum Step {
    /// Carry out these reads, and give them to [`Round::take`].
    Read(Vec<Job>, Budget, Findings),
    /// Wait for so many bytes by [`Round::watch`], or no longer than a time if one is given, then call
    /// [`Round::woken`]. When the request's time is over, answer.
    Wait(u64, Option<Duration>),
    /// Answer by [`Round::finish`].
    Answer,
}

impl Round {
    /// Begins to serve a Fetch: finds its session, and notes what the request changes in it.
    ///
    /// # Errors
    /// The session is unknown, or the request is not its next.
    pub fn begin<'a>(
        sessions: &Sessions,
        params: FetchParams,
        session: SessionRequest,
        partitions: impl Iterator<Item = (TopicRef<'a>, i32, PartitionRequest)>,
        forgotten: impl Iterator<Item = (TopicRef<'a>, i32)>,
        now: Instant,
    ) -> Result<Self, SessionError> {
        let mut round = Self {
            params,
            session,
            kind: Kind::Sessionless,
            phase: Phase::Look,
            items: Vec::new(),
            watch: Arc::default(),
            clock: None,
        };
        if !is_full(session.epoch) {
            round.join_session(sessions, partitions, forgotten, now)?;
            return Ok(round);
        }
        if session.id != NO_SESSION {
            // A full request ends the session that it names.
            drop(sessions.remove(session.id));
        }
        if session.epoch != FINAL_EPOCH {
            round.kind = Kind::Full;
        }
        let items = (0..).zip(partitions);
        round.items = items
            .map(|(slot, (topic, partition, asked))| {
                Item::new(topic.to_key(), partition, asked, slot)
            })
            .collect();
        Ok(round)
    }

    fn join_session<'a>(
        &mut self,
        sessions: &Sessions,
        partitions: impl Iterator<Item = (TopicRef<'a>, i32, PartitionRequest)>,
        forgotten: impl Iterator<Item = (TopicRef<'a>, i32)>,
        now: Instant,
    ) -> Result<(), SessionError> {
        let found = sessions
            .get(self.session.id)
            .ok_or(SessionError::NotFound)?;
        let mut session = found.lock();
        session.begin(
            self.session.epoch,
            self.params.follower,
            self.session.uses_topic_ids,
            self.params.interest,
        )?;
        for (topic, partition, asked) in partitions {
            session.update(topic, partition, asked);
        }
        for (topic, partition) in forgotten {
            session.forget(topic, partition);
        }
        session.clock().touch(now);
        self.clock = Some(Arc::clone(session.clock()));
        self.watch = Arc::clone(session.watch());
        let partition_count = session.len();
        drop(session);
        if partition_count == 0 {
            // Nothing is left of the session. The answer's session id tells the client so.
            sessions.remove(self.session.id);
        } else {
            sessions.touch(self.session.id, partition_count, now);
            self.kind = Kind::Incremental(found);
        }
        Ok(())
    }

    /// The parameters of the Fetch.
    pub fn params(&self) -> &FetchParams {
        &self.params
    }

    /// The watch on which the partitions mark their news.
    pub fn watch(&self) -> &FetchWatch {
        &self.watch
    }

    /// What the caller must do now.
    pub fn next(&mut self, hosted: &Hosted, throttle: &Throttle, now: Instant) -> Step {
        match self.phase {
            Phase::Look => self.look(hosted, throttle, now),
            // As long as the answer has room, everything that is marked is looked at, a part at a time.
            Phase::Reading { taken } if taken == TAKEN_AT_ONCE && self.goes_on() => {
                self.look(hosted, throttle, now)
            }
            Phase::Reading { .. } if self.is_to_be_answered() => Step::Answer,
            Phase::Reading { .. } => {
                if self.watch_all() {
                    // From now on no news is missed, so a last look decides.
                    return self.look(hosted, throttle, now);
                }
                let missing = u64::from(self.params.min_bytes) - self.filled().bytes;
                Step::Wait(missing, self.looks_again_after(now))
            }
        }
    }

    /// How soon to look again at partitions of which nothing else tells when that is worth it.
    fn looks_again_after(&self, now: Instant) -> Option<Duration> {
        let after = self.items.iter().filter_map(|item| {
            let is_locked = item.lacks_descriptor() || item.is_unheard();
            let throttled = item.throttled_until();
            let throttled = throttled.map(|until| until.saturating_duration_since(now));
            is_locked.then_some(LOOK_AGAIN).or(throttled)
        });
        after.min()
    }

    /// Takes what was read into the answers.
    pub fn take(&mut self, read: Vec<Done>) -> Findings {
        let mut findings = Findings::default();
        for done in read {
            self.items[done.job.index].take(done, &mut findings);
        }
        findings
    }

    /// Ends the wait for news: partitions that have news, or had records, must be read again.
    pub fn woken(&mut self) {
        self.phase = Phase::Look;
        if !matches!(self.kind, Kind::Incremental(_)) {
            let mut marked = Vec::new();
            self.watch.take_ready(usize::MAX, &mut marked);
            for slot in marked {
                // Without a session a slot is the place of its partition in the request.
                if let Some(item) = self.items.get_mut(slot as usize) {
                    item.answer = None;
                }
            }
        }
        for item in &mut self.items {
            let is_held_up = item.lacks_descriptor() || item.throttled_until().is_some();
            if item.filled().bytes > 0 || is_held_up || item.is_unheard() {
                item.answer = None;
            }
        }
    }

    /// Plans the reads of all partitions without an answer. A refusal is an answer.
    fn look(&mut self, hosted: &Hosted, throttle: &Throttle, now: Instant) -> Step {
        let taken = self.take_marked();
        self.phase = Phase::Reading { taken };
        let budget = Budget::after(self.filled(), self.params.max_bytes);
        let image = hosted.image();
        let look = Look {
            params: &self.params,
            hosted,
            image: &image,
            clock: self.clock.as_ref(),
            throttle,
            now,
        };
        let (mut jobs, mut findings) = (Vec::new(), Findings::default());
        for (index, item) in self.items.iter_mut().enumerate() {
            if item.answer.is_some() {
                continue;
            }
            if item.find(&look)
                && let Kind::Incremental(session) = &self.kind
            {
                watch_in_session(&mut session.lock(), item);
            }
            if let Some((partition, plan)) = item.plan(&look, &mut findings) {
                jobs.push(Job {
                    index,
                    partition,
                    plan,
                    max_bytes: u32::try_from(item.request.max_bytes).unwrap_or(0),
                });
            }
        }
        Step::Read(jobs, budget, findings)
    }

    /// Adds marked partitions of the session; those that were added before must be read again. Returns how
    /// many were taken.
    fn take_marked(&mut self) -> usize {
        let Kind::Incremental(session) = &self.kind else {
            return 0;
        };
        let taken = session.lock().take_ready(TAKEN_AT_ONCE);
        let count = taken.len();
        if count == 0 {
            return 0;
        }
        let slots = self.items.iter().map(|item| item.slot);
        let known: BTreeMap<u32, usize> = slots.zip(0..).collect();
        for ready in taken {
            match known.get(&ready.slot) {
                Some(&index) => self.items[index].answer = None,
                None => self.items.push(Item::of(ready)),
            }
        }
        count
    }

    /// Watches all partitions from now on, for a request without a session. Returns false if they are
    /// watched already.
    fn watch_all(&mut self) -> bool {
        if matches!(self.kind, Kind::Incremental(_)) {
            return false;
        }
        let mut is_any_new = false;
        for item in &mut self.items {
            is_any_new |= item.watch(&self.watch, &self.params);
        }
        is_any_new
    }

    fn filled(&self) -> Filled {
        let filled = self.items.iter().map(Item::filled);
        filled.fold(Filled::default(), |sum, one| Filled {
            bytes: sum.bytes + one.bytes,
            partitions: sum.partitions + one.partitions,
        })
    }

    /// Whether records of more partitions could be added.
    fn goes_on(&self) -> bool {
        !self.filled().is_full(self.params.max_bytes)
            && !self.items.iter().any(Item::lacks_descriptor)
    }

    /// Whether it is time to answer: there is enough, or no room for more, or something urgent, or nothing to
    /// wait for.
    fn is_to_be_answered(&self) -> bool {
        let mut answers = self.items.iter().filter_map(|item| item.answer.as_ref());
        let is_empty = match &self.kind {
            Kind::Incremental(session) => session.lock().is_empty(),
            Kind::Sessionless | Kind::Full => self.items.is_empty(),
        };
        let filled = self.filled();
        filled.bytes >= u64::from(self.params.min_bytes)
            || filled.is_full(self.params.max_bytes)
            || answers.any(PartitionAnswer::is_urgent)
            || is_empty
            || self.params.max_wait.is_zero()
    }

    /// Makes the answer, and has the session remember it. `random` draws ids of sessions.
    pub fn finish(
        mut self,
        sessions: &Sessions,
        random: impl Fn() -> u32,
        now: Instant,
    ) -> FetchAnswer {
        let mut items = Vec::new();
        let mut partitions = Vec::new();
        let mut unanswered = Vec::new();
        let may_leave_out = matches!(self.kind, Kind::Incremental(_));
        let is_of_follower = self.params.follower.is_some();
        for mut item in std::mem::take(&mut self.items) {
            let is_left_out = may_leave_out && item.is_unheard();
            let answer = item.take_answer().filter(|_| !is_left_out);
            if let Some(answer) = answer {
                item.count(&answer, is_of_follower);
                partitions.push(answer);
                items.push(item);
            } else {
                unanswered.push(item.slot);
            }
        }
        match &self.kind {
            Kind::Sessionless => FetchAnswer {
                error: ErrorCode::NONE,
                session_id: NO_SESSION,
                partitions,
            },
            Kind::Full => FetchAnswer {
                error: ErrorCode::NONE,
                session_id: self.create_session(sessions, &items, &partitions, random, now),
                partitions,
            },
            Kind::Incremental(session) => {
                let mut session = session.lock();
                session.put_back(unanswered.into_iter());
                answer_in_session(&mut session, self.session.epoch, &items, partitions)
            }
        }
    }

    /// Makes a session, if there is room for one, so that the next requests can name only what changes.
    /// Returns its id.
    fn create_session(
        &self,
        sessions: &Sessions,
        items: &[Item],
        partitions: &[PartitionAnswer],
        random: impl Fn() -> u32,
        now: Instant,
    ) -> i32 {
        let follower = self.params.follower;
        let uses_topic_ids = self.session.uses_topic_ids;
        let fill = |id| {
            let interest = self.params.interest;
            let mut session = FetchSession::new(id, follower, uses_topic_ids, interest, now);
            let mut answers = Vec::with_capacity(partitions.len());
            for (item, answer) in items.iter().zip(partitions) {
                let topic = match &answer.topic {
                    TopicKey::Id(id) => TopicRef::Id(*id),
                    TopicKey::Name(name) => TopicRef::Name(name),
                };
                let slot = session.update(topic, answer.partition, item.request);
                session.note_name(slot, item.name());
                answers.push((slot, answer.for_session()));
            }
            // The slots stay marked, because nobody watched them while they were read.
            session.answered(&answers);
            session
        };
        sessions.create(follower.is_some(), partitions.len(), now, random, fill)
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        // Partitions that were taken from the session and not answered keep their marks.
        if let Kind::Incremental(session) = &self.kind {
            session
                .lock()
                .put_back(self.items.iter().map(|item| item.slot));
        }
    }
}

/// Subscribes the session's slot to the partition of an item, unless it is subscribed.
fn watch_in_session(session: &mut FetchSession, item: &Item) {
    session.note_name(item.slot, item.name());
    let (watch, interest) = (Arc::clone(session.watch()), session.interest());
    let Some(subscription) = session.subscription_mut(item.slot) else {
        return;
    };
    let watchers = item.found().map(|partition| partition.watchers());
    let is_there = match (&*subscription, watchers) {
        (Some(subscription), Some(watchers)) => subscription.is_to(watchers),
        (None, None) => true,
        _ => false,
    };
    if !is_there {
        *subscription = watchers.map(|it| it.subscribe(&watch, item.slot, interest));
    }
}

/// The part of a session's answer to its request of `epoch` that is news.
fn answer_in_session(
    session: &mut FetchSession,
    epoch: i32,
    items: &[Item],
    mut partitions: Vec<PartitionAnswer>,
) -> FetchAnswer {
    // While this request waited, another one of the client went on with the session.
    if !session.is_current(epoch) {
        session.put_back(items.iter().map(|item| item.slot));
        return FetchAnswer {
            error: ErrorCode::INVALID_FETCH_SESSION_EPOCH,
            session_id: session.id(),
            partitions: Vec::new(),
        };
    }
    let answers: Vec<_> = items
        .iter()
        .zip(&partitions)
        .map(|(item, answer)| (item.slot, answer.for_session()))
        .collect();
    let mut is_news = session.answered(&answers).into_iter();
    partitions.retain(|_| is_news.next().unwrap_or(false));
    FetchAnswer {
        error: ErrorCode::NONE,
        session_id: session.id(),
        partitions,
    }
}
