//! Fetch requests and fetch sessions that watch partitions.
//!
//! A partition that has something new marks its slot in every [`FetchWatch`] that subscribed to it; a Fetch
//! takes the marked slots and looks only at those. A waiting Fetch is woken when enough bytes were marked.
//! The bytes are a hint: a Fetch that is woken reads, and waits again if it must.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::Woken;

/// Up to where a reader may see a partition, which decides what is news for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// A follower sees everything in the log.
    LogEnd,
    /// A consumer sees what is committed.
    HighWatermark,
    /// A consumer with read_committed sees only what is also decided.
    LastStable,
}

/// What is new in a partition. The default means that nothing is new in the log, but an answer is worth it
/// (as when the log start has moved).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// Bytes that were appended.
    pub log_end_bytes: u64,
    /// Bytes that the high watermark passed.
    pub high_watermark_bytes: u64,
    /// Bytes that the last stable offset passed; an upper bound.
    pub last_stable_bytes: u64,
    /// Whether to answer at once: the leader changed, the disk failed, or the partition is gone.
    pub is_urgent: bool,
}

impl Advance {
    /// News that cannot wait.
    pub const URGENT: Self = Self {
        log_end_bytes: 0,
        high_watermark_bytes: 0,
        last_stable_bytes: 0,
        is_urgent: true,
    };

    fn bytes_for(&self, interest: Interest) -> u64 {
        match interest {
            Interest::LogEnd => self.log_end_bytes,
            Interest::HighWatermark => self.high_watermark_bytes,
            Interest::LastStable => self.last_stable_bytes,
        }
    }
}

/// The partitions that a fetch session, or one Fetch without a session, watches. Each has a slot.
#[derive(Debug, Default)]
pub struct FetchWatch {
    state: Mutex<WatchState>,
}

#[derive(Debug, Default)]
struct WatchState {
    /// The marked slots; the one that was marked first comes first.
    ready: VecDeque<u32>,
    /// The state of each slot.
    marks: Vec<Mark>,
    bytes: u64,
    is_urgent: bool,
    needed: u64,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    None,
    /// The slot is in the queue.
    Ready,
    /// The slot goes back to the front of the queue.
    PutBack,
}

impl WatchState {
    fn mark(&mut self, slot: u32) {
        let mark = self.mark_of(slot);
        if *mark == Mark::None {
            *mark = Mark::Ready;
            self.ready.push_back(slot);
        }
    }

    fn put_back(&mut self, slots: impl DoubleEndedIterator<Item = u32> + Clone) {
        let mut is_any_marked_again = false;
        for slot in slots.clone() {
            let before = std::mem::replace(self.mark_of(slot), Mark::PutBack);
            is_any_marked_again |= before == Mark::Ready;
        }
        if is_any_marked_again {
            let marks = &self.marks;
            self.ready
                .retain(|&slot| marks[slot as usize] == Mark::Ready);
        }
        for slot in slots.rev() {
            *self.mark_of(slot) = Mark::Ready;
            self.ready.push_front(slot);
        }
    }

    fn mark_of(&mut self, slot: u32) -> &mut Mark {
        let index = slot as usize;
        if index >= self.marks.len() {
            self.marks.resize(index + 1, Mark::None);
        }
        &mut self.marks[index]
    }

    fn is_satisfied(&self) -> bool {
        self.is_urgent || self.bytes >= self.needed
    }
}

impl FetchWatch {
    /// Marks a slot that has no news, because its reader has not finished with it.
    pub fn mark(&self, slot: u32) {
        self.state.lock().mark(slot);
    }

    /// Puts back slots that were taken and got no turn: they come before all others.
    pub fn put_back(&self, slots: impl DoubleEndedIterator<Item = u32> + Clone) {
        self.state.lock().put_back(slots);
    }

    /// Marks a slot. Returns the waker of a wait that this ends.
    fn notify(&self, slot: u32, bytes: u64, is_urgent: bool) -> Option<Waker> {
        let mut state = self.state.lock();
        state.mark(slot);
        state.bytes = state.bytes.saturating_add(bytes);
        state.is_urgent |= is_urgent;
        if state.is_satisfied() {
            state.waker.take()
        } else {
            None
        }
    }

    /// Moves up to `limit` marked slots to `slots`, the longest marked first, and removes their marks. The
    /// bytes of a wait count from 0 again.
    pub fn take_ready(&self, limit: usize, slots: &mut Vec<u32>) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.bytes = 0;
        state.is_urgent = false;
        let count = limit.min(state.ready.len());
        for slot in state.ready.drain(..count) {
            state.marks[slot as usize] = Mark::None;
            slots.push(slot);
        }
    }

    /// Waits until `needed` bytes (at least 1) were marked since [`Self::take_ready`], or something
    /// urgent happened.
    pub fn wait(&self, needed: u64) -> WatchWait<'_> {
        WatchWait {
            watch: self,
            needed: needed.max(1),
        }
    }
}

/// The wait of a Fetch for news.
#[derive(Debug)]
pub struct WatchWait<'a> {
    watch: &'a FetchWatch,
    needed: u64,
}

impl Future for WatchWait<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.watch.state.lock();
        state.needed = self.needed;
        if state.is_satisfied() {
            state.waker = None;
            return Poll::Ready(());
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for WatchWait<'_> {
    fn drop(&mut self) {
        self.watch.state.lock().waker = None;
    }
}

/// The watchers of one partition.
#[derive(Debug, Default)]
pub struct Watchers {
    slab: Mutex<Slab>,
}

#[derive(Debug, Default)]
struct Slab {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Entry {
    watch: Arc<FetchWatch>,
    slot: u32,
    interest: Interest,
}

impl Watchers {
    /// Marks the slot of `watch` at news from now on, until the subscription is dropped.
    pub fn subscribe(
        self: &Arc<Self>,
        watch: &Arc<FetchWatch>,
        slot: u32,
        interest: Interest,
    ) -> Subscription {
        let entry = Some(Entry {
            watch: Arc::clone(watch),
            slot,
            interest,
        });
        let mut slab = self.slab.lock();
        let key = match slab.free.pop() {
            Some(key) => {
                slab.entries[key as usize] = entry;
                key
            }
            None => {
                slab.entries.push(entry);
                u32::try_from(slab.entries.len() - 1).expect("watchers are connections: few")
            }
        };
        Subscription {
            watchers: Arc::clone(self),
            key,
        }
    }

    /// Tells all watchers what is new.
    pub fn notify(&self, advance: &Advance) -> Woken {
        let mut woken = Woken::default();
        for entry in self.slab.lock().entries.iter().flatten() {
            let bytes = advance.bytes_for(entry.interest);
            woken.push(entry.watch.notify(entry.slot, bytes, advance.is_urgent));
        }
        woken
    }

    /// How many watchers there are.
    pub fn len(&self) -> usize {
        let slab = self.slab.lock();
        slab.entries.len() - slab.free.len()
    }

    /// Whether nobody watches the partition.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A subscription of a slot to a partition. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription {
    watchers: Arc<Watchers>,
    key: u32,
}

impl Subscription {
    /// Whether the subscription is to the partition of these `watchers`.
    pub fn is_to(&self, watchers: &Arc<Watchers>) -> bool {
        Arc::ptr_eq(&self.watchers, watchers)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut slab = self.watchers.slab.lock();
        let entry = slab.entries[self.key as usize].take();
        if slab.free.len() + 1 == slab.entries.len() {
            *slab = Slab::default();
        } else {
            slab.free.push(self.key);
        }
        drop(slab);
        // Dropping the last reference to a watch may take long, so it happens outside the lock.
        drop(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Wakes, poll};
    use super::*;

    fn ready(watch: &FetchWatch) -> Vec<u32> {
        let mut slots = Vec::new();
        watch.take_ready(usize::MAX, &mut slots);
        slots
    }

    fn committed(bytes: u64) -> Advance {
        Advance {
            log_end_bytes: bytes,
            high_watermark_bytes: bytes,
            ..Advance::default()
        }
    }

    #[test]
    fn a_wait_ends_when_the_bytes_of_all_partitions_suffice() {
        let wakes = Arc::new(Wakes::default());
        let watch = Arc::new(FetchWatch::default());
        let partitions: Vec<_> = (0..2).map(|_| Arc::new(Watchers::default())).collect();
        let _subscriptions: Vec<_> = (0..)
            .zip(&partitions)
            .map(|(slot, partition)| partition.subscribe(&watch, slot, Interest::HighWatermark))
            .collect();
        let mut wait = watch.wait(100);
        assert!(!poll(&mut wait, &wakes));

        partitions[1].notify(&committed(60)).wake();
        assert!(!poll(&mut wait, &wakes));
        assert_eq!(wakes.count(), 0);

        partitions[0].notify(&committed(40)).wake();
        assert_eq!(wakes.count(), 1);
        assert!(poll(&mut wait, &wakes));
        drop(wait);
        assert_eq!(ready(&watch), [1, 0]);
    }

    #[test]
    fn news_before_the_wait_count() {
        let watch = Arc::new(FetchWatch::default());
        let partition = Arc::new(Watchers::default());
        let _subscription = partition.subscribe(&watch, 0, Interest::HighWatermark);

        partition.notify(&committed(1)).wake();

        assert!(poll(watch.wait(1), &Arc::default()));
        assert_eq!(ready(&watch), [0]);
        assert!(!poll(watch.wait(1), &Arc::default()));
    }

    #[test]
    fn each_reader_waits_for_what_it_may_see() {
        let appended = Advance {
            log_end_bytes: 10,
            ..Advance::default()
        };
        for (interest, is_over) in [
            (Interest::LogEnd, true),
            (Interest::HighWatermark, false),
            (Interest::LastStable, false),
        ] {
            let watch = Arc::new(FetchWatch::default());
            let partition = Arc::new(Watchers::default());
            let _subscription = partition.subscribe(&watch, 0, interest);

            partition.notify(&appended).wake();

            assert_eq!(
                poll(watch.wait(1), &Arc::default()),
                is_over,
                "{interest:?}"
            );
            assert_eq!(
                ready(&watch),
                [0],
                "a marked slot is looked at by the next Fetch"
            );
        }
    }

    #[test]
    fn urgent_news_end_any_wait() {
        let watch = Arc::new(FetchWatch::default());
        let partition = Arc::new(Watchers::default());
        let _subscription = partition.subscribe(&watch, 3, Interest::LogEnd);
        let mut wait = watch.wait(u64::MAX);
        assert!(!poll(&mut wait, &Arc::default()));

        assert_eq!(partition.notify(&Advance::URGENT).len(), 1);

        assert!(poll(&mut wait, &Arc::default()));
    }

    #[test]
    fn a_slot_is_ready_once_however_often_it_is_marked() {
        let watch = FetchWatch::default();
        for slot in [5, 2, 5, 2, 9] {
            watch.mark(slot);
        }

        assert_eq!(ready(&watch), [5, 2, 9]);
        assert_eq!(ready(&watch), [] as [u32; 0]);
    }

    #[test]
    fn slots_put_back_come_first_in_their_order_even_if_marked_again() {
        let watch = FetchWatch::default();
        (0..5).for_each(|slot| watch.mark(slot));
        let mut taken = Vec::new();
        watch.take_ready(3, &mut taken);
        assert_eq!(taken, [0, 1, 2]);
        watch.mark(2);
        watch.mark(7);

        watch.put_back([1, 2].into_iter());

        assert_eq!(ready(&watch), [1, 2, 3, 4, 7]);
    }

    #[test]
    fn a_dropped_subscription_hears_nothing_and_leaves_no_memory() {
        let watch = Arc::new(FetchWatch::default());
        let partition = Arc::new(Watchers::default());
        let first = partition.subscribe(&watch, 0, Interest::LogEnd);
        let second = partition.subscribe(&watch, 1, Interest::LogEnd);
        assert_eq!(partition.len(), 2);

        drop(first);
        let third = partition.subscribe(&watch, 2, Interest::LogEnd);
        assert_eq!(partition.slab.lock().entries.len(), 2);
        let _ = partition.notify(&committed(1));
        assert_eq!(ready(&watch), [2, 1]);

        drop((second, third));
        assert!(partition.is_empty());
        assert_eq!(partition.slab.lock().entries.capacity(), 0);
    }
}
