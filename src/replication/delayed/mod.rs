//! Requests that wait: a Produce for the high watermark, a Fetch for bytes. They are woken, never polled;
//! the callers keep their deadlines.
//!
//! A partition keeps the requests that wait for it: [`PendingAcks`] in the order of offsets, [`Watchers`]
//! in a slab, so that entering, leaving and serving are cheap in both. Wakers are handed out, and woken
//! after all locks are released.
//!
//! Invariant: a request that registers first, and looks at the partition after that, misses nothing.

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
    /// Adds a waker, if there is one.
    pub fn push(&mut self, waker: Option<Waker>) {
        self.0.extend(waker);
    }

    /// Adds all of `other`.
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

    /// How many wakers there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no wakers.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};

    /// Counts how often a wait was woken.
    #[derive(Default)]
    pub(super) struct Wakes(AtomicUsize);

    impl Wakes {
        pub(super) fn count(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Polls once; true: the wait is over.
    pub(super) fn poll(mut wait: impl Future + Unpin, wakes: &Arc<Wakes>) -> bool {
        let waker = Waker::from(Arc::clone(wakes));
        let mut context = Context::from_waker(&waker);
        Pin::new(&mut wait).poll(&mut context).is_ready()
    }
}
