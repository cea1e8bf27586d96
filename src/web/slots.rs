//! The places of connections: how many there may be, what each is doing, and when it has had its time.
//!
//! A place is never held for nothing. Whoever does not send a request within a while, does not take its
//! answer, or takes it too slowly loses the connection; and where all places are taken, the one that has
//! waited the longest for a request makes room for who comes: strangers cannot keep a scraper out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// How long a connection may be idle: longer than scrapes are apart.
const IDLE: Duration = Duration::from_secs(90);
/// How long the head of a request may take from its first byte on.
const HEAD: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// How long an answer may take that is a stream of what happens: whoever follows it comes again.
const STREAM: Duration = Duration::from_secs(1_800);
/// How long a peer may take nothing of its answer.
const STALL: Duration = Duration::from_secs(5);
/// How long an answer may go on while others wait for its place.
const ANSWER_IN_THE_WAY: Duration = Duration::from_secs(5);

/// In the extensions of an answer that goes on for as long as its reader likes.
#[derive(Clone, Copy, Debug)]
pub(super) struct LongAnswer;

/// All places.
#[derive(Debug)]
pub(super) struct Slots {
    most: usize,
    taken: Mutex<Vec<Arc<Slot>>>,
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Slot {
    state: Mutex<State>,
    /// Told when the deadline may have come nearer.
    changed: Notify,
    given_up: Notify,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// Since when the socket takes nothing.
    blocked_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Nothing of a request has come.
    Idle,
    /// The head of a request is coming.
    Head,
    /// A request is answered.
    Answer,
    /// A request is answered by a stream.
    Stream,
}

/// A place that was taken; dropped, it is free.
#[derive(Debug)]
pub(super) struct Taken {
    slots: Arc<Slots>,
    slot: Arc<Slot>,
}

impl Slots {
    /// So many free places, at least one.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(1),
            taken: Mutex::default(),
        })
    }

    /// Takes a place for a connection that came now. Where all are taken another makes room for it; `None`
    /// if none may.
    pub(super) fn take(self: &Arc<Self>, now: Instant) -> Option<Taken> {
        let mut taken = self.taken.lock();
        if taken.len() >= self.most {
            // Whoever waits for a request comes before who is answered, and of these who began first.
            let first = (0..taken.len()).min_by_key(|at| taken[*at].order())?;
            if !taken[first].makes_room(now) {
                return None;
            }
            taken.swap_remove(first).given_up.notify_one();
        }
        let slot = Arc::new(Slot {
            state: Mutex::new(State::new(Phase::Idle, now)),
            changed: Notify::new(),
            given_up: Notify::new(),
        });
        taken.push(Arc::clone(&slot));
        Some(Taken {
            slots: Arc::clone(self),
            slot,
        })
    }
}

impl Taken {
    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock();
        taken.retain(|slot| !Arc::ptr_eq(slot, &self.slot));
    }
}

impl State {
    fn new(phase: Phase, since: Instant) -> Self {
        Self {
            phase,
            since,
            blocked_since: None,
        }
    }

    fn deadline(&self) -> Instant {
        let of_phase = self.since
            + match self.phase {
                Phase::Idle => IDLE,
                Phase::Head => HEAD,
                Phase::Answer => ANSWER,
                Phase::Stream => STREAM,
            };
        let of_stall = self.blocked_since.map(|since| since + STALL);
        of_stall.map_or(of_phase, |at| at.min(of_phase))
    }
}

impl Slot {
    /// Notes that bytes of the peer have come.
    pub(super) fn note_read(&self, now: Instant) {
        let mut state = self.state.lock();
        if state.phase == Phase::Idle {
            *state = State::new(Phase::Head, now);
            self.changed.notify_one();
        }
    }

    /// Notes that the head of a request is complete.
    pub(super) fn note_request(&self, now: Instant) {
        *self.state.lock() = State::new(Phase::Answer, now);
        self.changed.notify_one();
    }

    /// Notes that the answer is a stream.
    pub(super) fn note_stream(&self, now: Instant) {
        *self.state.lock() = State::new(Phase::Stream, now);
        self.changed.notify_one();
    }

    /// Notes that all of an answer was made. Some of it may not be sent yet.
    pub(super) fn note_answered(&self, now: Instant) {
        let mut state = self.state.lock();
        let blocked_since = state.blocked_since;
        *state = State {
            blocked_since,
            ..State::new(Phase::Idle, now)
        };
    }

    /// Notes whether the socket took something of what there is to send, or nothing.
    pub(super) fn note_write(&self, took: bool, now: Instant) {
        let mut state = self.state.lock();
        if took {
            state.blocked_since = None;
        } else if state.blocked_since.is_none() {
            state.blocked_since = Some(now);
            self.changed.notify_one();
        }
    }

    /// Waits until the connection has had its time, or has to make room.
    pub(super) async fn over(&self) {
        loop {
            let deadline = self.state.lock().deadline();
            tokio::select! {
                () = self.given_up.notified() => return,
                () = self.changed.notified() => continue,
                () = tokio::time::sleep_until(deadline.into()) => {}
            }
            if self.state.lock().deadline() <= Instant::now() {
                return;
            }
        }
    }

    fn order(&self) -> (bool, Instant) {
        let state = self.state.lock();
        (state.phase >= Phase::Answer, state.since)
    }

    fn makes_room(&self, now: Instant) -> bool {
        let state = self.state.lock();
        state.phase < Phase::Answer
            || now.saturating_duration_since(state.since) >= ANSWER_IN_THE_WAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_given_up(taken: &Taken) -> bool {
        let slots = taken.slots.taken.lock();
        !slots.iter().any(|slot| Arc::ptr_eq(slot, &taken.slot))
    }

    #[test]
    fn who_waits_the_longest_for_a_request_makes_room() {
        let (slots, start) = (Slots::new(2), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let answered = slots.take(at(0)).unwrap();
        answered.slot().note_request(at(0));
        let idle = slots.take(at(1)).unwrap();

        let newest = slots.take(at(2)).unwrap();

        assert!(is_given_up(&idle) && !is_given_up(&answered) && !is_given_up(&newest));
        drop(idle);
        assert_eq!(slots.taken.lock().len(), 2);
    }

    #[test]
    fn who_is_answered_makes_room_after_a_while_only() {
        let (slots, start) = (Slots::new(1), Instant::now());
        let first = slots.take(start).unwrap();
        first.slot().note_request(start);

        assert!(slots.take(start + Duration::from_secs(1)).is_none());
        assert!(!is_given_up(&first));
        assert!(slots.take(start + ANSWER_IN_THE_WAY).is_some());
        assert!(is_given_up(&first));
    }

    #[tokio::test]
    async fn a_deadline_that_comes_nearer_is_noticed() {
        let taken = Slots::new(1).take(Instant::now()).unwrap();
        let slot = Arc::clone(taken.slot());
        let over = tokio::spawn(async move { slot.over().await });
        tokio::task::yield_now().await;

        let before = Instant::now().checked_sub(HEAD).unwrap();
        taken.slot().note_read(before);

        over.await.unwrap();
    }

    #[test]
    fn each_phase_has_its_time_and_a_stall_is_shorter() {
        let start = Instant::now();
        let slot = Slot {
            state: Mutex::new(State::new(Phase::Idle, start)),
            changed: Notify::new(),
            given_up: Notify::new(),
        };
        let left = || slot.state.lock().deadline() - start;

        assert_eq!(left(), IDLE);
        slot.note_read(start);
        slot.note_read(start + Duration::from_secs(3));
        assert_eq!(left(), HEAD, "a head that drips in has no more time");
        slot.note_request(start);
        assert_eq!(left(), ANSWER);
        slot.note_write(false, start);
        slot.note_write(false, start + Duration::from_secs(3));
        assert_eq!(left(), STALL);
        slot.note_write(true, start);
        assert_eq!(left(), ANSWER);
        slot.note_stream(start);
        assert_eq!(left(), STREAM);
        slot.note_write(false, start);
        slot.note_answered(start);
        assert_eq!(left(), STALL, "the rest of the answer is still to be sent");
    }
}
