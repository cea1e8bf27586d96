//! The timers of a shard: a heap that is never searched and hardly ever changed.
//!
//! A [`Deadline`] is kept beside what it belongs to, and knows the one entry of the heap that counts for
//! it. Moving a deadline back, as every heartbeat does, does not touch the heap: the entry comes up at its
//! old time, finds the deadline later, and is put in again. So a heartbeat costs the same whatever the
//! number of members, and each member costs one entry per session time-out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::protocol::Str;

/// With fewer entries than this it is not worth clearing up.
const MIN_CROWD: usize = 1024;

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// A member is silent for too long, or somebody who was given a member id does not join with it.
    Session { group: Str, member: Str },
    /// Members have not joined in time.
    Join { group: Str },
    /// Members have not asked for their assignments in time.
    Sync { group: Str },
    /// Time to look for expired offsets.
    Expiry,
}

/// When something is due, and the entry that stands for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deadline {
    due: Option<Instant>,
    /// The time of its entry, which is never after `due`.
    armed: Option<Instant>,
}

/// What an entry that has come up means for its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ring {
    /// The deadline is due.
    Due,
    /// Nothing: the deadline was cancelled or moved, or has another entry.
    Nothing,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    /// Orders entries of the same time by when they were made.
    number: u64,
    timer: Timer,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// The entries of all deadlines of a shard.
#[derive(Debug)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    next_number: u64,
    /// With this many entries, those that count for nothing are cleared away.
    crowd: usize,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            next_number: 0,
            crowd: MIN_CROWD,
        }
    }
}

impl Deadline {
    /// Cancels the deadline.
    pub(super) fn cancel(&mut self) {
        self.due = None;
    }

    /// Whether the entry at `at` counts for the deadline.
    pub(super) fn is_armed_at(&self, at: Instant) -> bool {
        self.armed == Some(at)
    }
}

impl Timers {
    /// Makes `deadline` due at `due` only.
    pub(super) fn set(
        &mut self,
        deadline: &mut Deadline,
        due: Instant,
        timer: impl FnOnce() -> Timer,
    ) {
        deadline.due = Some(due);
        if deadline.armed.is_none_or(|armed| armed > due) {
            deadline.armed = Some(due);
            self.push(due, timer());
        }
    }

    /// The time of the next entry.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// Takes the next entry whose time is `now` or earlier.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Instant, Timer)> {
        if self.next()? > now {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        Some((entry.at, entry.timer))
    }

    /// What the entry for `at`, which has come up at `now`, means for its deadline.
    pub(super) fn ring(
        &mut self,
        deadline: &mut Deadline,
        at: Instant,
        now: Instant,
        timer: impl FnOnce() -> Timer,
    ) -> Ring {
        if !deadline.is_armed_at(at) {
            return Ring::Nothing;
        }
        deadline.armed = None;
        match deadline.due {
            Some(due) if due <= now => {
                deadline.due = None;
                Ring::Due
            }
            Some(due) => {
                self.set(deadline, due, timer);
                Ring::Nothing
            }
            None => Ring::Nothing,
        }
    }

    /// Whether it is time for [`Self::clear_up`].
    pub(super) fn is_crowded(&self) -> bool {
        self.heap.len() >= self.crowd
    }

    /// Drops entries that count for nothing, such as those of members that have left.
    pub(super) fn clear_up(&mut self, counts: impl Fn(&Timer, Instant) -> bool) {
        self.heap
            .retain(|Reverse(entry)| counts(&entry.timer, entry.at));
        self.crowd = (self.heap.len() * 2).max(MIN_CROWD);
    }

    fn push(&mut self, at: Instant, timer: Timer) {
        let number = self.next_number;
        self.next_number += 1;
        self.heap.push(Reverse(Entry { at, number, timer }));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sync() -> Timer {
        Timer::Sync { group: "g".into() }
    }

    #[test]
    fn a_deadline_that_moves_back_makes_no_entries() {
        let start = Instant::now();
        let mut timers = Timers::default();
        let mut deadline = Deadline::default();
        for second in 1..100 {
            timers.set(&mut deadline, start + Duration::from_secs(second), sync);
        }

        assert_eq!(timers.heap.len(), 1);
        let first = start + Duration::from_secs(1);
        assert_eq!(timers.pop(first), Some((first, sync())));
        let ring = timers.ring(&mut deadline, first, first, sync);
        assert_eq!(ring, Ring::Nothing);
        let last = start + Duration::from_secs(99);
        assert_eq!(timers.pop(last), Some((last, sync())));
        assert_eq!(timers.ring(&mut deadline, last, last, sync), Ring::Due);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_deadline_that_moves_forward_is_due_once() {
        let start = Instant::now();
        let (soon, late) = (
            start + Duration::from_secs(1),
            start + Duration::from_secs(9),
        );
        let mut timers = Timers::default();
        let mut deadline = Deadline::default();
        timers.set(&mut deadline, late, sync);
        timers.set(&mut deadline, soon, sync);

        timers.pop(soon).expect("the earlier entry");
        assert_eq!(timers.ring(&mut deadline, soon, soon, sync), Ring::Due);
        timers.pop(late).expect("the later entry");
        assert_eq!(timers.ring(&mut deadline, late, late, sync), Ring::Nothing);
    }

    #[test]
    fn a_cancelled_deadline_is_never_due() {
        let start = Instant::now();
        let mut timers = Timers::default();
        let mut deadline = Deadline::default();
        timers.set(&mut deadline, start, sync);
        deadline.cancel();

        timers.pop(start).expect("the entry");
        assert_eq!(
            timers.ring(&mut deadline, start, start, sync),
            Ring::Nothing
        );
    }

    #[test]
    fn entries_of_members_that_are_gone_are_cleared_away() {
        let start = Instant::now();
        let mut timers = Timers::default();
        for _ in 0..MIN_CROWD {
            timers.set(&mut Deadline::default(), start, sync);
        }

        assert!(timers.is_crowded());
        timers.clear_up(|_, _| false);
        assert_eq!(timers.next(), None);
        assert!(!timers.is_crowded());
    }
}
