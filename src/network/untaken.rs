//! Answers that are made and that their peers do not take. They hold memory of the budget like requests, but
//! nobody can promise that they end: the peer must read, or be closed.
//!
//! Three rules bound them. Half of the budget is theirs. While they hold it, nothing heavy is begun for
//! anybody, and nothing at all for a peer that has answers to take: what is begun for others is light, and
//! its answer is small. And if somebody waits because of them, peers are closed that have taken nothing for
//! half a second (`LONGEST_SILENCE` of their tasks), until an eighth of it is free: closing takes its time,
//! too.
//!
//! Why this holds up nobody who reads. A peer that reads takes a part of its answers all the time, or is never
//! charged at all, so the clock that it is measured by starts anew; one that does not read is closed, and
//! its memory is free. So who waits does so for half a second at the most, and not again before as much has
//! been answered as was freed. It is mostly less: half of the budget takes some thousand heavy answers,
//! which are begun one at a time, so the first of those who do not read have been silent for long when
//! the last one fills it.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The answers of all peers that are not taken.
#[derive(Debug)]
pub(super) struct Untaken {
    limit: u64,
    bytes: AtomicU64,
    /// Heavy requests that wait for room.
    waiting: AtomicUsize,
    /// Peers that take nothing are closed until an eighth of the limit is free.
    is_clearing: AtomicBool,
    /// Notified when there is room again.
    room: Notify,
}

impl Untaken {
    /// None yet; there is room up to `limit` bytes.
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            bytes: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            is_clearing: AtomicBool::new(false),
            room: Notify::new(),
        }
    }

    /// Whether another answer may be begun that is not small.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.load(Ordering::SeqCst) <= self.limit
    }

    /// Whether a request waits for room.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Whether peers that take nothing must be closed: as there is no room and others need some, or
    /// since then, until an eighth of it is free.
    pub(super) fn is_wanted(&self, do_others_wait: bool) -> bool {
        if !self.has_room() && (do_others_wait || self.is_waited_for()) {
            self.is_clearing.store(true, Ordering::Relaxed);
        } else if self.bytes.load(Ordering::Relaxed) <= self.limit - self.limit / 8 {
            self.is_clearing.store(false, Ordering::Relaxed);
        }
        self.is_clearing.load(Ordering::Relaxed)
    }

    /// Waits until there is room.
    pub(super) async fn wait_for_room(&self) {
        if self.has_room() {
            return;
        }
        let _waits = Waits::begin(&self.waiting);
        loop {
            let mut told = pin!(self.room.notified());
            told.as_mut().enable();
            // An answer that is taken from here on finds `waiting` raised, and tells.
            if self.has_room() {
                return;
            }
            told.await;
        }
    }

    pub(super) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
    }

    pub(super) fn remove(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::SeqCst);
        if self.is_waited_for() && self.has_room() {
            self.room.notify_waiters();
        }
    }
}

/// Counts one that waits, until it is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn who_waits_for_room_goes_on_when_answers_are_taken() {
        let untaken = Untaken::new(100);
        let mut context = Context::from_waker(Waker::noop());
        untaken.add(100);
        assert!(pin!(untaken.wait_for_room()).poll(&mut context).is_ready());
        untaken.add(1);

        let mut waits = Box::pin(untaken.wait_for_room());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        assert!(untaken.is_waited_for());
        untaken.remove(1);

        assert!(waits.as_mut().poll(&mut context).is_ready());
        assert!(!untaken.is_waited_for());
    }

    #[test]
    fn once_others_need_room_an_eighth_of_it_is_cleared() {
        let untaken = Untaken::new(100);
        untaken.add(101);
        assert!(!untaken.is_wanted(false));
        assert!(untaken.is_wanted(true));

        untaken.remove(12);
        assert!(untaken.is_wanted(false));
        untaken.remove(1);
        assert!(!untaken.is_wanted(false));
        untaken.add(12);
        assert!(!untaken.is_wanted(true), "there is room");
    }

    #[test]
    fn who_leaves_waits_no_more() {
        let untaken = Untaken::new(0);
        untaken.add(1);
        let mut waits = Box::pin(untaken.wait_for_room());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waits.as_mut().poll(&mut context).is_pending());

        drop(waits);

        assert!(!untaken.is_waited_for());
    }
}
