//! How far each replica has come, as far as its leader knows, and the high watermark that follows.
//!
//! Invariant: the high watermark is the offset that a majority of voters have flushed, it is never
//! at or below the start of the leader's epoch (Raft's rule on entries of earlier terms), and it
//! never goes back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::voters::{ReplicaKey, Voters};
use crate::model::{BrokerId, Offset};

/// An observer that has not fetched for this long is forgotten.
const OBSERVER_SESSION: Duration = Duration::from_secs(300);

/// Observers name themselves: more than any cluster has brokers are not remembered.
const MAX_OBSERVERS: usize = 1000;

/// What the leader knows of one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaProgress {
    /// The replica's key, with the directory id that it named last.
    pub key: ReplicaKey,
    /// The offset below which everything is flushed on the replica; `None` before its first fetch in this
    /// epoch.
    pub end_offset: Option<Offset>,
    /// When the replica last fetched.
    pub last_fetch: Option<Instant>,
    /// The last moment at which the replica had everything that the leader had.
    pub last_caught_up: Option<Instant>,
    leader_end_at_last_fetch: Offset,
}

impl ReplicaProgress {
    fn new(key: ReplicaKey) -> Self {
        Self {
            key,
            end_offset: None,
            last_fetch: None,
            last_caught_up: None,
            leader_end_at_last_fetch: Offset::ZERO,
        }
    }

    /// Notes a fetch. A replica that now reaches the offset at which the leader's log ended at its previous
    /// fetch was caught up then: under constant load it never reaches the present end.
    fn fetched(&mut self, now: Instant, offset: Offset, leader_end: Offset) {
        if offset >= leader_end {
            self.last_caught_up = Some(now);
        } else if self.last_fetch.is_some() && offset >= self.leader_end_at_last_fetch {
            self.last_caught_up = self.last_caught_up.max(self.last_fetch);
        }
        self.leader_end_at_last_fetch = leader_end;
        self.last_fetch = Some(now);
        self.end_offset = Some(offset);
    }
}

/// The progress of all replicas in one leader's epoch.
#[derive(Clone, Debug)]
pub struct Progress {
    leader: BrokerId,
    epoch_start_offset: Offset,
    majority: usize,
    voters: BTreeMap<BrokerId, ReplicaProgress>,
    observers: BTreeMap<ReplicaKey, ReplicaProgress>,
    high_watermark: Option<Offset>,
}

impl Progress {
    /// Begins an epoch whose first batch will have this offset. Nothing is known of any replica yet, not
    /// even of the leader until its first flush.
    pub fn new(voters: &Voters, leader: BrokerId, epoch_start_offset: Offset) -> Self {
        let new = |id: &BrokerId| {
            let key = ReplicaKey {
                id: *id,
                directory_id: None,
            };
            (*id, ReplicaProgress::new(key))
        };
        Self {
            leader,
            epoch_start_offset,
            majority: voters.majority(),
            voters: voters.ids().iter().map(new).collect(),
            observers: BTreeMap::new(),
            high_watermark: None,
        }
    }

    /// The offset below which everything is committed; `None` until a batch of this epoch is.
    pub fn high_watermark(&self) -> Option<Offset> {
        self.high_watermark
    }

    /// The voters, by ascending id.
    pub fn voters(&self) -> impl Iterator<Item = &ReplicaProgress> {
        self.voters.values()
    }

    /// Replicas that fetch without a vote.
    pub fn observers(&self) -> impl Iterator<Item = &ReplicaProgress> {
        self.observers.values()
    }

    /// Notes that the leader's own log is flushed up to here. Returns whether the high watermark moved.
    pub fn leader_flushed(&mut self, offset: Offset) -> bool {
        let Some(own) = self.voters.get_mut(&self.leader) else {
            return false;
        };
        assert!(
            own.end_offset.is_none_or(|end| end <= offset),
            "a leader's log only grows"
        );
        own.end_offset = Some(offset);
        self.advance()
    }

    /// Notes that a replica fetches from this offset, so that it has flushed everything below. Returns
    /// whether the high watermark moved.
    pub fn fetched(
        &mut self,
        now: Instant,
        key: ReplicaKey,
        offset: Offset,
        leader_end: Offset,
    ) -> bool {
        let Some(voter) = self.voters.get_mut(&key.id) else {
            if !self.observers.contains_key(&key) && self.observers.len() >= MAX_OBSERVERS {
                self.forget_longest_silent_observer();
            }
            let observer = self
                .observers
                .entry(key)
                .or_insert_with(|| ReplicaProgress::new(key));
            observer.fetched(now, offset, leader_end);
            self.forget_idle_observers(now);
            return false;
        };
        voter.key = key;
        voter.fetched(now, offset, leader_end);
        self.advance()
    }

    /// The voters without the leader, the furthest first: the order in which they should succeed it.
    pub fn successors(&self) -> Vec<ReplicaKey> {
        let others = self
            .voters
            .values()
            .filter(|voter| voter.key.id != self.leader);
        let mut others: Vec<_> = others.collect();
        others.sort_by_key(|voter| (std::cmp::Reverse(voter.end_offset), voter.key.id));
        others.into_iter().map(|voter| voter.key).collect()
    }

    /// Notes that a voter was heard from by something else than a fetch of the log.
    pub fn heard_of(&mut self, now: Instant, id: BrokerId) {
        if let Some(voter) = self.voters.get_mut(&id) {
            voter.last_fetch = Some(now);
        }
    }

    /// The last moment since which a majority of voters, the leader among them, was heard from; `None` if
    /// that was never so in this epoch.
    pub fn majority_heard_since(&self, now: Instant) -> Option<Instant> {
        let last_heard = |voter: &ReplicaProgress| {
            let is_leader = voter.key.id == self.leader;
            if is_leader {
                Some(now)
            } else {
                voter.last_fetch
            }
        };
        let mut heard: Vec<_> = self.voters.values().map(last_heard).collect();
        heard.sort_unstable_by(|a, b| b.cmp(a));
        heard[self.majority - 1]
    }

    fn advance(&mut self) -> bool {
        let mut ends: Vec<_> = self.voters.values().map(|voter| voter.end_offset).collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let Some(reached) = ends[self.majority - 1] else {
            return false;
        };
        // A voter that lost its disk fetches from further back. What it once had made the watermark, and
        // the watermark stays.
        let moves = reached > self.epoch_start_offset
            && self.high_watermark.is_none_or(|current| reached > current);
        if moves {
            self.high_watermark = Some(reached);
        }
        moves
    }

    fn forget_longest_silent_observer(&mut self) {
        let observers = self.observers.iter();
        let silent = observers.min_by_key(|(_, observer)| observer.last_fetch);
        if let Some(key) = silent.map(|(key, _)| *key) {
            self.observers.remove(&key);
        }
    }

    fn forget_idle_observers(&mut self, now: Instant) {
        let is_live = |last: Instant| now.saturating_duration_since(last) < OBSERVER_SESSION;
        self.observers
            .retain(|_, observer| observer.last_fetch.is_some_and(is_live));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: i32) -> ReplicaKey {
        ReplicaKey {
            id: BrokerId(id),
            directory_id: None,
        }
    }

    fn progress(voters: i32, start: i64) -> Progress {
        Progress::new(
            &Voters::new((1..=voters).map(BrokerId)),
            BrokerId(1),
            Offset(start),
        )
    }

    #[test]
    fn the_only_voters_flush_commits() {
        let mut progress = progress(1, 10);

        assert!(progress.leader_flushed(Offset(11)));
        assert_eq!(progress.high_watermark(), Some(Offset(11)));
    }

    #[test]
    fn nothing_is_committed_before_a_batch_of_the_epoch_is() {
        let mut progress = progress(3, 10);
        let now = Instant::now();

        progress.leader_flushed(Offset(11));
        assert!(!progress.fetched(now, key(2), Offset(10), Offset(11)));
        assert_eq!(progress.high_watermark(), None);

        assert!(progress.fetched(now, key(2), Offset(11), Offset(11)));
        assert_eq!(progress.high_watermark(), Some(Offset(11)));
    }

    #[test]
    fn the_majority_rule_holds_for_every_size() {
        let now = Instant::now();
        for count in 1..=7 {
            let mut progress = progress(count, 0);
            progress.leader_flushed(Offset(i64::from(count) * 10));
            for id in 2..=count {
                let end = Offset(i64::from(count - id + 1) * 10);
                progress.fetched(now, key(id), end, Offset(100));
            }

            // Voter i of n has (n - i + 1) * 10; the majority-th best of them is committed.
            let majority = count / 2 + 1;
            let expected = Offset(i64::from(count - majority + 1) * 10);
            assert_eq!(progress.high_watermark(), Some(expected), "{count} voters");
        }
    }

    #[test]
    fn the_high_watermark_stays_when_a_voter_loses_its_log() {
        let mut progress = progress(3, 0);
        let now = Instant::now();
        progress.leader_flushed(Offset(20));
        progress.fetched(now, key(2), Offset(20), Offset(20));

        assert!(!progress.fetched(now, key(2), Offset(3), Offset(20)));

        assert_eq!(progress.high_watermark(), Some(Offset(20)));
    }

    #[test]
    fn an_observer_does_not_count() {
        let mut progress = progress(3, 0);
        progress.leader_flushed(Offset(20));

        assert!(!progress.fetched(Instant::now(), key(7), Offset(20), Offset(20)));

        assert_eq!(progress.high_watermark(), None);
        assert_eq!(progress.observers().count(), 1);
    }

    #[test]
    fn observers_that_make_up_ids_push_out_the_ones_that_are_silent() {
        let mut progress = progress(3, 0);
        let start = Instant::now();
        for id in 0..2000 {
            let now = start + Duration::from_millis(id);
            progress.fetched(now, key(7), Offset(0), Offset(20));
            progress.fetched(now, key(100 + id as i32), Offset(0), Offset(20));
        }

        assert_eq!(progress.observers().count(), 1000);
        assert!(progress.observers().any(|observer| observer.key == key(7)));
    }

    #[test]
    fn the_furthest_voter_is_the_first_successor() {
        let mut progress = progress(4, 0);
        let now = Instant::now();
        progress.fetched(now, key(3), Offset(9), Offset(10));
        progress.fetched(now, key(4), Offset(5), Offset(10));

        assert_eq!(progress.successors(), [key(3), key(4), key(2)]);
    }
}
