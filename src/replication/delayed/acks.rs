//! Produce requests with acks=all, which wait from their append until every partition's high watermark has
//! passed it; and DeleteRecords requests, which wait in the same way for the low watermark.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::Woken;
use crate::model::Offset;

/// How the wait for one partition has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckOutcome {
    /// The wait has not ended.
    Waiting,
    /// The high watermark has passed, or there was nothing to wait for.
    Committed,
    /// The high watermark has passed, but fewer than `min.insync.replicas` are in sync by now.
    NotEnoughReplicas,
    /// This broker stopped being the leader.
    NotLeader,
    /// The disk failed.
    StorageFailed,
}

/// The wait of one Produce request for all of its partitions.
///
/// A future: it ends when no partition is [`AckOutcome::Waiting`] any more. To give up, drop it.
#[derive(Debug)]
pub struct AckWait {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    outcomes: Vec<AckOutcome>,
    waiting: usize,
    is_abandoned: bool,
    waker: Option<Waker>,
}

impl AckWait {
    /// A wait for `partition_count` partitions, of which none has handed in its ticket yet.
    pub fn new(partition_count: usize) -> Self {
        let state = State {
            outcomes: vec![AckOutcome::Committed; partition_count],
            waiting: 0,
            is_abandoned: false,
            waker: None,
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
            }),
        }
    }

    /// The ticket of the partition at `index` of the request. It counts once it is handed in.
    pub fn ticket(&self, index: usize) -> AckTicket {
        AckTicket {
            shared: Arc::clone(&self.shared),
            index,
        }
    }

    /// Whether no partition is waited for. That does not say how the waits have ended: others than those who
    /// wait ask for [`Self::into_outcomes`].
    pub(in crate::replication) fn is_done(&self) -> bool {
        self.shared.state.lock().waiting == 0
    }

    /// The outcomes, if the wait is over, and else the wait. It may be over before anybody looks, and have
    /// failed, as when this broker stops leading just after an append.
    pub fn into_outcomes(self) -> Result<Vec<AckOutcome>, Self> {
        if self.is_done() {
            Ok(self.outcomes())
        } else {
            Err(self)
        }
    }

    /// The outcome for each partition, in the order of the request.
    pub fn outcomes(&self) -> Vec<AckOutcome> {
        self.shared.state.lock().outcomes.clone()
    }
}

impl Drop for AckWait {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.is_abandoned = true;
        // The tickets stay with their partitions for a while, but nobody asks them any more.
        state.outcomes = Vec::new();
        state.waker = None;
    }
}

impl Future for &AckWait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.state.lock();
        if state.waiting == 0 {
            return Poll::Ready(());
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

/// One partition's place in an [`AckWait`].
#[derive(Debug)]
pub struct AckTicket {
    shared: Arc<Shared>,
    index: usize,
}

impl AckTicket {
    fn begin(&self) {
        let mut state = self.shared.state.lock();
        if let Some(own) = state.outcomes.get_mut(self.index) {
            *own = AckOutcome::Waiting;
        }
        state.waiting += 1;
    }

    fn end(self, outcome: AckOutcome) -> Option<Waker> {
        let mut state = self.shared.state.lock();
        if let Some(own) = state.outcomes.get_mut(self.index) {
            *own = outcome;
        }
        state.waiting -= 1;
        if state.waiting == 0 {
            state.waker.take()
        } else {
            None
        }
    }

    fn is_abandoned(&self) -> bool {
        self.shared.state.lock().is_abandoned
    }
}

/// The requests that wait for a watermark of one partition. The partition's lock protects them.
#[derive(Debug, Default)]
pub struct PendingAcks {
    /// The waiting requests, by the high watermark that they need.
    waiting: VecDeque<(Offset, AckTicket)>,
    /// At this length, those that were given up are searched for and dropped.
    purge_at: usize,
}

const FIRST_PURGE: usize = 64;

impl PendingAcks {
    /// Adds a request that waits until the high watermark is at or above `needed`.
    pub fn push(&mut self, needed: Offset, ticket: AckTicket) {
        if self.waiting.len() >= self.purge_at.max(FIRST_PURGE) {
            self.waiting.retain(|(_, ticket)| !ticket.is_abandoned());
            self.purge_at = 2 * self.waiting.len();
        }
        ticket.begin();
        // Batches come in ascending order, except for one that was sent again.
        let place = self.waiting.partition_point(|&(other, _)| other <= needed);
        self.waiting.insert(place, (needed, ticket));
    }

    /// Ends the waits that `high_watermark` fulfils, with `outcome`.
    pub fn advance(&mut self, high_watermark: Offset, outcome: AckOutcome) -> Woken {
        let mut woken = Woken::default();
        while self
            .waiting
            .front()
            .is_some_and(|&(needed, _)| needed <= high_watermark)
        {
            if let Some((_, ticket)) = self.waiting.pop_front() {
                woken.push(ticket.end(outcome));
            }
        }
        woken
    }

    /// Ends all waits.
    pub fn fail(&mut self, outcome: AckOutcome) -> Woken {
        self.purge_at = 0;
        let mut woken = Woken::default();
        for (_, ticket) in std::mem::take(&mut self.waiting) {
            woken.push(ticket.end(outcome));
        }
        woken
    }

    /// How many requests wait, including those that were given up but not dropped yet.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Wakes, poll};
    use super::*;

    #[test]
    fn a_wait_without_tickets_is_over() {
        assert!(poll(&AckWait::new(3), &Arc::default()));
    }

    #[test]
    fn a_wait_that_has_failed_before_anybody_looks_says_so() {
        let (wait, mut pending) = (AckWait::new(2), PendingAcks::default());
        pending.push(Offset(10), wait.ticket(1));
        let wait = wait.into_outcomes().expect_err("it waits");

        pending.fail(AckOutcome::NotLeader).wake();

        let outcomes = wait.into_outcomes().expect("it is over");
        assert_eq!(outcomes, [AckOutcome::Committed, AckOutcome::NotLeader]);
    }

    #[test]
    fn a_wait_ends_with_its_last_partition_and_is_woken_once() {
        let wakes = Arc::new(Wakes::default());
        let wait = AckWait::new(2);
        let (mut first, mut second) = (PendingAcks::default(), PendingAcks::default());
        first.push(Offset(10), wait.ticket(0));
        second.push(Offset(5), wait.ticket(1));
        assert!(!poll(&wait, &wakes));

        first.advance(Offset(9), AckOutcome::Committed).wake();
        second
            .advance(Offset(5), AckOutcome::NotEnoughReplicas)
            .wake();
        assert!(!poll(&wait, &wakes));
        assert_eq!(wakes.count(), 0);

        first.advance(Offset(12), AckOutcome::Committed).wake();
        assert_eq!(wakes.count(), 1);
        assert!(poll(&wait, &wakes));
        let expected = [AckOutcome::Committed, AckOutcome::NotEnoughReplicas];
        assert_eq!(wait.outcomes(), expected);
    }

    #[test]
    fn only_the_waits_that_the_watermark_passed_end() {
        let waits: Vec<_> = (0..4).map(|_| AckWait::new(1)).collect();
        let mut pending = PendingAcks::default();
        for (wait, needed) in waits.iter().zip([3, 5, 4, 8]) {
            pending.push(Offset(needed), wait.ticket(0));
        }

        let _ = pending.advance(Offset(5), AckOutcome::Committed);

        let done: Vec<_> = waits.iter().map(AckWait::is_done).collect();
        assert_eq!(done, [true, true, true, false]);
        assert_eq!(pending.len(), 1);
    }

    #[test]
    fn losing_leadership_ends_all_waits() {
        let wait = AckWait::new(1);
        let mut pending = PendingAcks::default();
        pending.push(Offset(3), wait.ticket(0));

        let _ = pending.fail(AckOutcome::NotLeader);

        assert_eq!(wait.outcomes(), [AckOutcome::NotLeader]);
        assert!(pending.is_empty());
    }

    #[test]
    fn requests_that_gave_up_do_not_pile_up() {
        let patient = AckWait::new(1);
        let mut pending = PendingAcks::default();
        pending.push(Offset(0), patient.ticket(0));
        for needed in 1..10_000 {
            pending.push(Offset(needed), AckWait::new(1).ticket(0));
            assert!(pending.len() <= FIRST_PURGE + 1);
        }

        let _ = pending.advance(Offset(10_000), AckOutcome::Committed);
        assert!(patient.is_done());
    }

    #[test]
    fn a_wait_that_is_dropped_keeps_no_waker_and_wakes_nobody() {
        let wakes = Arc::new(Wakes::default());
        let mut pending = PendingAcks::default();
        let wait = AckWait::new(1);
        pending.push(Offset(1), wait.ticket(0));
        assert!(!poll(&wait, &wakes));
        assert_eq!(Arc::strong_count(&wakes), 2);

        drop(wait);

        assert_eq!(Arc::strong_count(&wakes), 1, "what waited is gone at once");
        assert!(pending.advance(Offset(1), AckOutcome::Committed).is_empty());
        assert!(pending.is_empty());
    }
}
