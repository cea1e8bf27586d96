//! The one budget for the memory of requests (`queued.max.request.bytes`), charged as their bytes
//! arrive and given back when a [`MemoryCharge`] is dropped.
//!
//! Why waiting here cannot lock up. A request that has arrived whole needs no more of this budget
//! to be served, so it gives its part back in the end. Only a request that is still arriving both
//! holds and waits. Therefore in each lane the oldest waiting request may overdraw, one at a time:
//! it arrives whole (or its connection is closed at the deadline of a stalled request), and the
//! next one follows. Memory stays below the limit plus one largest request a lane. Small requests
//! never wait, and the bulk lane (Produce of clients) must leave a reserve to all others, so that
//! waiting producers cannot starve the Fetch of a follower that would release them.
//!
//! Answers that their peers do not take hold memory of the budget as well: [`super::untaken`] says how they
//! end.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::untaken::Untaken;
use crate::config::NetworkConfig;

/// Which part of the budget a request may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The lane of Produce requests of clients: it must leave the reserve alone.
    Bulk,
    /// The lane of all other requests: it may use everything.
    Reserved,
    /// The lane of what brokers and controllers send: it may use a tenth beyond everything, so that what
    /// clients hold keeps nobody from replicating.
    Brokers,
}

/// The shared budget. Clones are the same budget.
#[derive(Clone, Debug)]
pub struct RequestMemory(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    limit: u64,
    bulk_limit: u64,
    brokers_limit: u64,
    used: AtomicU64,
    /// Bytes lent beyond the limit. They do not count in `used`, so that they do not shrink what Produce must leave free
    /// for the others.
    lent: AtomicU64,
    /// Requests in the queues of all lanes. A release reads it first, and takes no lock while it is 0.
    waiting: AtomicUsize,
    lanes: [Mutex<Queue>; 3],
    /// What of `used` is answers.
    untaken: Untaken,
}

#[derive(Debug, Default)]
struct Queue {
    waiters: VecDeque<Arc<Waiter>>,
    /// One request of this lane is overdrawn.
    lent: bool,
}

/// One request that waits for its next bytes.
#[derive(Debug)]
struct Waiter {
    bytes: u64,
    turn: Mutex<Turn>,
}

#[derive(Debug)]
enum Turn {
    Waiting(Waker),
    Granted { on_loan: bool },
}

impl RequestMemory {
    /// A budget of `limit` bytes, of which a tenth is kept from the bulk lane, and half is for answers that
    /// are not taken. `None`: without a limit.
    pub fn new(limit: Option<u64>) -> Self {
        // Half of all numbers, so that no sum overflows.
        let limit = limit.unwrap_or(u64::MAX / 2);
        Self(Arc::new(Budget {
            limit,
            bulk_limit: limit - limit / 10,
            brokers_limit: limit + limit / 10,
            used: AtomicU64::new(0),
            lent: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            lanes: Default::default(),
            untaken: Untaken::new(limit / 2),
        }))
    }

    /// The budget of the configuration, where 0 or less means that there is no limit.
    pub fn from_config(config: &NetworkConfig) -> Self {
        let limit = u64::try_from(config.queued_max_request_bytes).ok();
        Self::new(limit.filter(|limit| *limit > 0))
    }

    /// Bytes charged now. They may exceed the limit by small requests and by one request in each lane.
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed) + self.0.lent.load(Ordering::Relaxed)
    }

    /// Whether nothing is left for a peer that has answers to take.
    pub(super) fn is_used_up(&self) -> bool {
        self.used() >= self.0.limit || !self.0.untaken.has_room()
    }

    /// Whether others need the memory of answers that are not taken.
    pub(super) fn wants_answers_taken(&self) -> bool {
        let do_others_wait = self.waiting() > 0 || self.used() >= self.0.limit;
        self.0.untaken.is_wanted(do_others_wait)
    }

    /// A charge of no answers yet.
    pub(super) fn charge_answers(&self) -> AnswerCharge {
        AnswerCharge {
            budget: Arc::clone(&self.0),
            bytes: 0,
        }
    }

    /// Requests that wait for memory now.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// A charge of nothing yet: it grows as the request's bytes arrive.
    pub(super) fn charge(&self, lane: Lane) -> MemoryCharge {
        MemoryCharge {
            budget: Arc::clone(&self.0),
            lane,
            bytes: 0,
            loan: None,
            wait: None,
        }
    }
}

impl Budget {
    fn limit_of(&self, lane: Lane) -> u64 {
        match lane {
            Lane::Bulk => self.bulk_limit,
            Lane::Reserved => self.limit,
            Lane::Brokers => self.brokers_limit,
        }
    }

    fn queue(&self, lane: Lane) -> &Mutex<Queue> {
        &self.lanes[lane as usize]
    }

    fn try_take(&self, lane: Lane, bytes: u64) -> bool {
        let limit = self.limit_of(lane);
        let fits = |used: u64| (used.saturating_add(bytes) <= limit).then(|| used + bytes);
        self.used
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits)
            .is_ok()
    }

    /// Joins the queue, or is served at once. A release that races with this sees `waiting` raised, and
    /// serves it.
    fn enqueue(&self, lane: Lane, bytes: u64, waker: &Waker) -> Arc<Waiter> {
        let turn = Mutex::new(Turn::Waiting(waker.clone()));
        let waiter = Arc::new(Waiter { bytes, turn });
        let mut queue = self.queue(lane).lock();
        queue.waiters.push_back(Arc::clone(&waiter));
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.serve(lane, &mut queue);
        waiter
    }

    /// Grants from the front what fits now, or one overdraft when nothing does.
    fn serve(&self, lane: Lane, queue: &mut Queue) {
        while let Some(first) = queue.waiters.front() {
            let on_loan = !self.try_take(lane, first.bytes);
            if on_loan {
                if queue.lent {
                    return;
                }
                queue.lent = true;
                self.lent.fetch_add(first.bytes, Ordering::Relaxed);
            }
            let turn = std::mem::replace(&mut *first.turn.lock(), Turn::Granted { on_loan });
            queue.waiters.pop_front();
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            if let Turn::Waiting(waker) = turn {
                waker.wake();
            }
        }
    }

    /// Takes back what a request held, within the limit and on loan, and serves those that wait.
    fn give_back(&self, lane: Lane, bytes: u64, loan: Option<u64>) {
        self.used.fetch_sub(bytes, Ordering::SeqCst);
        if let Some(loan) = loan {
            self.lent.fetch_sub(loan, Ordering::Relaxed);
            self.queue(lane).lock().lent = false;
        }
        if self.waiting.load(Ordering::SeqCst) > 0 {
            for lane in [Lane::Brokers, Lane::Reserved, Lane::Bulk] {
                self.serve(lane, &mut self.queue(lane).lock());
            }
        }
    }

    fn leave(&self, lane: Lane, waiter: &Arc<Waiter>) {
        let mut queue = self.queue(lane).lock();
        if let Some(place) = queue
            .waiters
            .iter()
            .position(|other| Arc::ptr_eq(other, waiter))
        {
            queue.waiters.remove(place);
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        drop(queue);
        match *waiter.turn.lock() {
            Turn::Waiting(_) => {}
            Turn::Granted { on_loan: true } => self.give_back(lane, 0, Some(waiter.bytes)),
            Turn::Granted { on_loan: false } => self.give_back(lane, waiter.bytes, None),
        }
    }
}

/// The part of the budget that one request holds; dropping it gives the part back.
#[derive(Debug)]
pub struct MemoryCharge {
    budget: Arc<Budget>,
    lane: Lane,
    bytes: u64,
    /// Bytes held beyond the limit, if this is the one request of its lane that may.
    loan: Option<u64>,
    wait: Option<Arc<Waiter>>,
}

impl MemoryCharge {
    /// The bytes that the charge holds.
    pub fn bytes(&self) -> u64 {
        self.bytes + self.loan.unwrap_or(0)
    }

    /// Charges `bytes` more for serving a request that has arrived, its answer among them. Waits as long as
    /// answers that are not taken hold their part of the budget, and until it has the bytes.
    pub async fn grow(&mut self, bytes: u64) {
        self.budget.untaken.wait_for_room().await;
        poll_fn(|context| self.poll_grow(context, bytes)).await;
    }

    /// Another charge of nothing to the same budget.
    pub fn beside(&self) -> Self {
        Self {
            budget: Arc::clone(&self.budget),
            lane: self.lane,
            bytes: 0,
            loan: None,
            wait: None,
        }
    }

    /// Charges `bytes` more at once, even beyond the limit: for memory that is taken already, or is so
    /// small that waiting is not worth it.
    pub fn grow_at_once(&mut self, bytes: u64) {
        self.budget.used.fetch_add(bytes, Ordering::SeqCst);
        self.bytes += bytes;
    }

    /// Charges `bytes` more, first come first served within the lane. Call it again with the same
    /// number after a wake-up.
    pub(super) fn poll_grow(&mut self, context: &mut Context<'_>, bytes: u64) -> Poll<()> {
        if self.wait.is_none() {
            if self.take_without_queue(bytes) {
                return Poll::Ready(());
            }
            self.wait = Some(self.budget.enqueue(self.lane, bytes, context.waker()));
        }
        let waiter = self.wait.as_ref().expect("it was just made");
        debug_assert_eq!(
            waiter.bytes, bytes,
            "a waiting request asks for the same number again"
        );
        let on_loan = match &mut *waiter.turn.lock() {
            Turn::Waiting(waker) => {
                waker.clone_from(context.waker());
                return Poll::Pending;
            }
            Turn::Granted { on_loan } => *on_loan,
        };
        self.wait = None;
        if on_loan {
            self.loan = Some(bytes);
        } else {
            self.bytes += bytes;
        }
        Poll::Ready(())
    }

    fn take_without_queue(&mut self, bytes: u64) -> bool {
        if let Some(loan) = &mut self.loan {
            self.budget.lent.fetch_add(bytes, Ordering::Relaxed);
            *loan += bytes;
            return true;
        }
        let queue_is_empty = self.budget.waiting.load(Ordering::SeqCst) == 0;
        let taken = queue_is_empty && self.budget.try_take(self.lane, bytes);
        if taken {
            self.bytes += bytes;
        }
        taken
    }
}

impl Drop for MemoryCharge {
    fn drop(&mut self) {
        if let Some(waiter) = self.wait.take() {
            self.budget.leave(self.lane, &waiter);
        }
        if self.bytes > 0 || self.loan.is_some() {
            self.budget.give_back(self.lane, self.bytes, self.loan);
        }
    }
}

/// The part of the budget that the answers hold which one peer does not take; dropping it gives the part
/// back.
#[derive(Debug)]
pub(super) struct AnswerCharge {
    budget: Arc<Budget>,
    bytes: u64,
}

impl AnswerCharge {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Charges so many bytes from now on. More are charged even beyond the limit: the answers are there.
    pub(super) fn set(&mut self, bytes: u64) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes >= before {
            self.budget.used.fetch_add(bytes - before, Ordering::SeqCst);
            self.budget.untaken.add(bytes - before);
        } else {
            self.budget.give_back(Lane::Reserved, before - bytes, None);
            self.budget.untaken.remove(before - bytes);
        }
    }
}

impl Drop for AnswerCharge {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;

    use super::*;

    fn poll(charge: &mut MemoryCharge, bytes: u64) -> bool {
        charge
            .poll_grow(&mut Context::from_waker(Waker::noop()), bytes)
            .is_ready()
    }

    #[test]
    fn a_dropped_charge_is_given_back() {
        let memory = RequestMemory::new(Some(1000));
        let mut charge = memory.charge(Lane::Bulk);

        assert!(poll(&mut charge, 900));
        assert_eq!(memory.used(), 900);
        drop(charge);

        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn the_bulk_lane_leaves_the_reserve_to_others() {
        let memory = RequestMemory::new(Some(1000));
        let (mut first, mut second) = (memory.charge(Lane::Bulk), memory.charge(Lane::Bulk));
        let mut third = memory.charge(Lane::Bulk);
        let mut fetch = memory.charge(Lane::Reserved);

        assert!(poll(&mut first, 900));
        assert!(
            poll(&mut second, 50),
            "the oldest waiting request may overdraw"
        );
        assert!(!poll(&mut third, 1), "but only one at a time");

        assert!(poll(&mut fetch, 50), "and the reserve is still there");
    }

    #[test]
    fn brokers_have_memory_when_clients_have_used_up_all() {
        let memory = RequestMemory::new(Some(1000));
        let mut charges = [(); 2].map(|()| memory.charge(Lane::Reserved));
        assert!(charges.iter_mut().all(|it| poll(it, 1000)), "one overdraws");
        let mut brokers = [(); 3].map(|()| memory.charge(Lane::Brokers));

        let granted = brokers.each_mut().map(|it| poll(it, 60));

        // What they have is bounded, too; one of them may overdraw.
        assert_eq!(granted, [true, true, false]);
    }

    #[test]
    fn only_one_request_overdraws_and_the_others_follow_in_order() {
        let memory = RequestMemory::new(Some(1000));
        let mut charges: Vec<_> = (0..4).map(|_| memory.charge(Lane::Bulk)).collect();
        assert!(poll(&mut charges[0], 900));
        assert!(poll(&mut charges[1], 500));
        assert!(
            poll(&mut charges[1], 500),
            "an overdrawn request may finish arriving"
        );
        assert!(!poll(&mut charges[2], 500));
        assert!(!poll(&mut charges[3], 500));
        assert_eq!(memory.waiting(), 2);

        drop(charges.remove(1));

        assert!(poll(&mut charges[1], 500));
        assert!(!poll(&mut charges[2], 500));
        assert_eq!(memory.used(), 1400);
    }

    #[test]
    fn a_waiting_request_that_is_dropped_leaves_the_queue() {
        let memory = RequestMemory::new(Some(1000));
        let mut charges: Vec<_> = (0..4).map(|_| memory.charge(Lane::Bulk)).collect();
        assert!(poll(&mut charges[0], 900));
        assert!(poll(&mut charges[1], 900));
        assert!(!poll(&mut charges[2], 900));
        assert!(!poll(&mut charges[3], 900));

        drop(charges.remove(2));

        assert_eq!(memory.waiting(), 1);
        drop(charges.remove(0));
        assert!(poll(&mut charges[1], 900), "the next one is served");
        drop(charges);
        assert_eq!((memory.used(), memory.waiting()), (0, 0));
    }

    #[test]
    fn a_grant_that_nobody_fetched_is_given_back() {
        let memory = RequestMemory::new(Some(1000));
        let mut charges: Vec<_> = (0..3).map(|_| memory.charge(Lane::Bulk)).collect();
        assert!(poll(&mut charges[0], 900));
        assert!(poll(&mut charges[1], 900));
        assert!(!poll(&mut charges[2], 900));

        drop(charges.remove(0));
        drop(charges);

        assert_eq!((memory.used(), memory.waiting()), (0, 0));
    }

    #[test]
    fn answers_that_are_not_taken_hold_back_heavy_requests_and_nothing_else() {
        let memory = RequestMemory::new(Some(1000));
        let mut deaf = memory.charge_answers();
        let mut context = Context::from_waker(Waker::noop());
        deaf.set(501);
        assert!(memory.is_used_up() && !memory.wants_answers_taken());

        let mut heavy = memory.charge(Lane::Reserved);
        let mut begins = Box::pin(heavy.grow(1));
        assert!(begins.as_mut().poll(&mut context).is_pending());
        assert!(memory.wants_answers_taken());
        assert!(poll(&mut memory.charge(Lane::Bulk), 100));
        deaf.set(500);

        assert!(begins.as_mut().poll(&mut context).is_ready());
        drop(begins);
        drop((deaf, heavy));
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn small_requests_never_wait() {
        let memory = RequestMemory::new(Some(100));
        let mut charge = memory.charge(Lane::Bulk);

        charge.grow_at_once(4096);

        assert_eq!(memory.used(), 4096);
    }
}
