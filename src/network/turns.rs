//! Turns of connections that have more to do than others should wait for.
//!
//! The runtime gives a task that wakes itself its place before those that it had to put off, so thousands of
//! busy connections would keep it from all others for as long as they are busy. Therefore only [`AT_ONCE`]
//! of them wait for the runtime. The others wait here, in order, until one of these has begun its turn. And
//! the more there are, the shorter is the turn that each has.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How many busy connections wait for the runtime at a time.
const AT_ONCE: usize = 16;
/// How long it takes one worker of the runtime, about, until each busy connection has had its turn.
const ROUND: Duration = Duration::from_millis(10);

/// The connections that have more to do than fits in a turn. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    size: AtomicUsize,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    /// How many wait for the runtime.
    called: usize,
    /// Those that wait to be called; some may be gone.
    waiting: VecDeque<Weak<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    is_called: AtomicBool,
    waker: Waker,
}

/// The place of a connection that waits for its next turn: held until the turn begins, or the connection
/// ends.
#[derive(Debug)]
pub(super) struct InCrowd {
    crowd: Crowd,
    this: Arc<Waiting>,
}

impl Crowd {
    /// Waits for the next turn; `waker` is woken when it comes.
    pub(super) fn join(&self, waker: &Waker) -> InCrowd {
        let this = Arc::new(Waiting {
            is_called: AtomicBool::new(false),
            waker: waker.clone(),
        });
        self.0.size.fetch_add(1, Ordering::Relaxed);
        let mut line = self.0.line.lock();
        if line.called < AT_ONCE {
            line.call(&this);
        } else {
            line.waiting.push_back(Arc::downgrade(&this));
        }
        drop(line);
        let crowd = self.clone();
        InCrowd { crowd, this }
    }

    /// Whether not all of them wait for the runtime.
    pub(super) fn is_large(&self) -> bool {
        self.0.size.load(Ordering::Relaxed) > AT_ONCE
    }

    /// How long a turn is now.
    fn turn(&self) -> Duration {
        let others = self.0.size.load(Ordering::Relaxed);
        ROUND / u32::try_from(others + 1).unwrap_or(u32::MAX)
    }
}

impl Line {
    fn call(&mut self, next: &Waiting) {
        self.called += 1;
        next.is_called.store(true, Ordering::Relaxed);
        next.waker.wake_by_ref();
    }
}

impl InCrowd {
    /// Whether the turn has come.
    pub(super) fn is_called(&self) -> bool {
        self.this.is_called.load(Ordering::Relaxed)
    }
}

impl Drop for InCrowd {
    fn drop(&mut self) {
        self.crowd.0.size.fetch_sub(1, Ordering::Relaxed);
        let mut line = self.crowd.0.line.lock();
        if !self.is_called() {
            return;
        }
        line.called -= 1;
        while let Some(next) = line.waiting.pop_front() {
            if let Some(next) = next.upgrade() {
                line.call(&next);
                return;
            }
        }
    }
}

/// The turn that a connection has.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// When its first request was read.
    begin: Option<Instant>,
    is_over: bool,
}

impl Turn {
    /// Notes that a request was read at this time. It may be the last of this turn.
    pub(super) fn note(&mut self, at: Instant, crowd: &Crowd) {
        let begin = *self.begin.get_or_insert(at);
        self.is_over |= at > begin && at.duration_since(begin) >= crowd.turn();
    }

    /// Whether others should have theirs.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_shorter_the_more_wait_for_one() {
        let (crowd, begin) = (Crowd::default(), Instant::now());
        let is_over_after = |wait| {
            let mut turn = Turn::default();
            turn.note(begin, &crowd);
            turn.note(begin + wait, &crowd);
            turn.is_over()
        };
        let (short, long) = (ROUND / 1_000, ROUND - Duration::from_nanos(1));
        assert!(!is_over_after(long));

        let waiting: Vec<_> = (0..999).map(|_| crowd.join(Waker::noop())).collect();
        assert!(is_over_after(short));

        drop(waiting);
        assert!(!is_over_after(short));
    }

    #[test]
    fn few_are_called_at_a_time_and_all_in_order() {
        let crowd = Crowd::default();
        let join = || crowd.join(Waker::noop());
        let mut called: VecDeque<_> = (0..AT_ONCE).map(|_| join()).collect();
        let mut waiting: VecDeque<_> = (0..3).map(|_| join()).collect();
        assert!(called.iter().all(InCrowd::is_called));
        assert!(!waiting.iter().any(InCrowd::is_called));

        // One that is gone before its turn is passed over.
        drop(waiting.pop_front());
        called.pop_front();
        assert!(waiting[0].is_called() && !waiting[1].is_called());
        // One that is gone in its turn makes room.
        waiting.pop_front();
        assert!(waiting[0].is_called());

        drop((called, waiting));
        assert_eq!(crowd.0.line.lock().called, 0);
        assert!(join().is_called());
    }
}
