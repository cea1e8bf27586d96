//! Requests that wait: a Produce for the high watermark, a Fetch for bytes. They are woken, never
//! polled, and a deadline is the driver's business.
//!
//! A partition keeps who waits for it: [`PendingAcks`] in the order of offsets, [`Watchers`] in a
//! slab, so that both are cheap to enter, to leave and to serve. Wakers are handed out and woken
//! after all locks are released.
//!
//! Invariant: who registers first and looks at the partition then, misses nothing.

mod acks;
mod watch;

pub use acks::{AckOutcome, AckTicket, AckWait, PendingAcks};
pub use watch::{Advance, FetchWatch, Interest, Subscription, WatchWait, Watchers};

use std::task::Waker;

/// Wakers to be woken once no lock is held.
#[must_use = "those who wait must be woken"]
#[derive(Debug, Default)]
pub struct Woken(Vec<Waker>);

impl Woken {
    /// Adds one.
    pub fn push(&mut self, waker: Option<Waker>) {
        self.0.extend(waker);
    }

    /// Adds those of another.
    pub fn extend(&mut self, other: Self) {
        if self.0.is_empty() {
            self.0 = other.0;
        } else {
            self.0.extend(other.0);
        }
    }

    /// Wakes them all.
    pub fn wake(self) {
        self.0.into_iter().for_each(Waker::wake);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
