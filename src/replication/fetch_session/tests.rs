//! The rules of fetch sessions, each as a claim.

use std::time::{Duration, Instant};

use super::*;
use crate::model::{BrokerId, LeaderEpoch, Offset};
use crate::replication::delayed::{Advance, Interest, Watchers};

const FOLLOWER: FollowerIdentity = FollowerIdentity {
    id: BrokerId(2),
    epoch: 5,
};

fn request(fetch_offset: i64) -> PartitionRequest {
    PartitionRequest {
        fetch_offset: Offset(fetch_offset),
        max_bytes: 1_000,
        current_leader_epoch: LeaderEpoch(0),
        last_fetched_epoch: LeaderEpoch::NONE,
        log_start_offset: Offset::NONE,
    }
}

fn answer(high_watermark: i64, outcome: Outcome) -> Answer {
    Answer {
        high_watermark: Offset(high_watermark),
        log_start_offset: Offset(0),
        outcome,
    }
}

/// A consumer's session on partitions 0 to `count` of topic `t`, all of which are caught up.
fn session(count: i32) -> FetchSession {
    let mut session = FetchSession::new(7, None, false, Interest::HighWatermark, Instant::now());
    for partition in 0..count {
        let slot = session.update(TopicRef::Name("t"), partition, request(10));
        answered(&mut session, slot, answer(10, Outcome::CaughtUp));
    }
    session.take_ready(usize::MAX);
    session
}

fn begin(session: &mut FetchSession, epoch: i32) -> Result<(), SessionError> {
    session.begin(epoch, None, false, Interest::HighWatermark)
}

/// Answers one slot; true: the answer is sent.
fn answered(session: &mut FetchSession, slot: u32, answer: Answer) -> bool {
    session.answered(&[(slot, answer)])[0]
}

/// The indexes of the partitions that are taken now.
fn ready(session: &FetchSession) -> Vec<i32> {
    session
        .take_ready(usize::MAX)
        .iter()
        .map(|ready| ready.partition)
        .collect()
}

#[test]
fn epochs_count_from_one_and_wrap_to_one() {
    assert_eq!(next_epoch(INITIAL_EPOCH), 1);
    assert_eq!(next_epoch(1), 2);
    assert_eq!(next_epoch(i32::MAX), 1);
    assert_eq!(next_epoch(FINAL_EPOCH), FINAL_EPOCH);
    assert!(is_full(0) && is_full(-1) && !is_full(1));
}

#[test]
fn a_request_of_another_epoch_is_refused_and_changes_nothing() {
    let mut session = session(1);

    assert_eq!(begin(&mut session, 2), Err(SessionError::InvalidEpoch));
    assert_eq!(begin(&mut session, 1), Ok(()));
    assert_eq!(
        begin(&mut session, 1),
        Err(SessionError::InvalidEpoch),
        "it came twice"
    );
    assert_eq!(begin(&mut session, 2), Ok(()));
    assert!(session.is_current(2));
    assert!(!session.is_current(1));
}

#[test]
fn names_and_ids_of_topics_do_not_mix() {
    let mut by_name = session(1);
    let changed = by_name.begin(1, None, true, Interest::HighWatermark);
    assert_eq!(changed, Err(SessionError::TopicIds));

    let mut by_id = FetchSession::new(7, None, true, Interest::HighWatermark, Instant::now());
    assert_eq!(begin(&mut by_id, 1), Err(SessionError::TopicIds));
    assert_eq!(by_id.begin(1, None, true, Interest::HighWatermark), Ok(()));
}

#[test]
fn a_new_partition_is_looked_at_and_answered_even_without_records() {
    let mut session = session(0);
    let slot = session.update(TopicRef::Name("t"), 4, request(0));

    assert_eq!(ready(&session), [4]);
    assert!(answered(&mut session, slot, answer(0, Outcome::CaughtUp)));
}

#[test]
fn an_unchanged_partition_is_neither_looked_at_nor_answered() {
    let mut session = session(2);
    assert_eq!(ready(&session), [] as [i32; 0]);

    let slot = session.update(TopicRef::Name("t"), 1, request(10));
    assert_eq!(ready(&session), [1]);
    assert!(!answered(&mut session, slot, answer(10, Outcome::CaughtUp)));
    assert_eq!(ready(&session), [] as [i32; 0]);
}

#[test]
fn records_a_new_high_watermark_and_a_new_log_start_are_answered() {
    let mut session = session(1);
    assert!(answered(&mut session, 0, answer(10, Outcome::Records)));
    assert!(answered(&mut session, 0, answer(11, Outcome::CaughtUp)));
    let moved = Answer {
        log_start_offset: Offset(3),
        ..answer(11, Outcome::CaughtUp)
    };
    assert!(answered(&mut session, 0, moved));
    assert!(!answered(&mut session, 0, moved));
}

#[test]
fn redirects_are_answered_each_time() {
    let mut session = session(1);
    for _ in 0..2 {
        assert!(answered(&mut session, 0, answer(10, Outcome::Redirect)));
        assert_eq!(ready(&session), [0]);
    }
}

#[test]
fn errors_are_answered_each_time_and_their_end_too() {
    let mut session = session(1);
    let failed = Answer {
        high_watermark: Offset::NONE,
        log_start_offset: Offset::NONE,
        outcome: Outcome::Error,
    };
    for _ in 0..2 {
        assert!(answered(&mut session, 0, failed));
        assert_eq!(ready(&session), [0]);
    }

    assert!(answered(&mut session, 0, answer(10, Outcome::CaughtUp)));
    assert!(!answered(&mut session, 0, answer(10, Outcome::CaughtUp)));
}

#[test]
fn partitions_take_turns_when_the_limits_leave_room_for_one() {
    let mut session = session(3);
    for partition in 0..3 {
        session.update(TopicRef::Name("t"), partition, request(0));
    }
    let mut served = Vec::new();
    for _ in 0..6 {
        let ready = session.take_ready(usize::MAX);
        served.push(ready[0].partition);
        let outcomes = [Outcome::Records]
            .into_iter()
            .chain(std::iter::repeat(Outcome::NoRoom));
        let answers = ready.iter().zip(outcomes);
        let answers: Vec<_> = answers
            .map(|(it, outcome)| (it.slot, answer(10, outcome)))
            .collect();
        let sent = session.answered(&answers);
        session.update(TopicRef::Name("t"), ready[0].partition, request(5));
        assert_eq!(sent, [true, false, false]);
    }

    // Each answer moves its partition behind those that had to wait.
    assert_eq!(served[..3], [0, 1, 2]);
    assert_eq!(served[3..], [0, 1, 2]);
}

#[test]
fn what_was_taken_and_not_answered_can_be_put_back() {
    let mut session = session(2);
    let slot = session.update(TopicRef::Name("t"), 1, request(0));
    session.take_ready(usize::MAX);

    session.put_back([slot].into_iter());

    assert_eq!(ready(&session), [1]);
}

#[test]
fn a_forgotten_partition_is_gone_and_its_slot_is_used_again() {
    let mut session = session(2);
    session.update(TopicRef::Name("t"), 0, request(1));
    session.forget(TopicRef::Name("t"), 0);
    session.forget(TopicRef::Name("t"), 99);
    assert_eq!(session.len(), 1);
    assert_eq!(ready(&session), [] as [i32; 0]);

    let slot = session.update(TopicRef::Name("u"), 8, request(0));
    assert_eq!((slot, session.len()), (0, 2));
    assert!(
        answered(&mut session, slot, answer(10, Outcome::CaughtUp)),
        "it is new"
    );
}

#[test]
fn an_append_makes_its_partition_ready_and_no_other() {
    let mut session = session(3);
    let watchers: Vec<_> = (0..3).map(|_| Arc::new(Watchers::default())).collect();
    for (slot, partition) in (0..).zip(&watchers) {
        let subscription = partition.subscribe(session.watch(), slot, Interest::HighWatermark);
        *session.subscription_mut(slot).unwrap() = Some(subscription);
    }
    let appended = Advance {
        high_watermark_bytes: 100,
        ..Advance::default()
    };

    watchers[1].notify(&appended).wake();

    assert_eq!(ready(&session), [1]);

    session.forget(TopicRef::Name("t"), 1);
    assert!(
        watchers[1].is_empty(),
        "a forgotten partition is not watched"
    );
    drop(session);
    assert!(watchers[0].is_empty(), "a dropped session watches nothing");
}

#[test]
fn another_isolation_level_looks_at_all_partitions_again() {
    let mut session = session(3);
    session.begin(1, None, false, Interest::LastStable).unwrap();

    assert_eq!(ready(&session), [0, 1, 2]);
}

/// A follower's session on partitions 0 to 2, all of which are caught up, that began before the follower
/// was registered.
fn session_of_a_newcomer() -> FetchSession {
    let newcomer = FollowerIdentity {
        epoch: -1,
        ..FOLLOWER
    };
    let (now, interest) = (Instant::now(), Interest::LogEnd);
    let mut session = FetchSession::new(7, Some(newcomer), false, interest, now);
    for partition in 0..3 {
        let slot = session.update(TopicRef::Name("t"), partition, request(10));
        answered(&mut session, slot, answer(10, Outcome::CaughtUp));
    }
    session.take_ready(usize::MAX);
    session
}

#[test]
fn a_follower_that_has_registered_meanwhile_is_looked_at_again_in_all_its_partitions() {
    let mut session = session_of_a_newcomer();

    session
        .begin(1, Some(FOLLOWER), false, Interest::LogEnd)
        .unwrap();

    assert_eq!(ready(&session), [0, 1, 2]);
    session
        .begin(2, Some(FOLLOWER), false, Interest::LogEnd)
        .unwrap();
    assert!(ready(&session).is_empty());
}

#[test]
fn a_followers_session_is_nobody_elses() {
    let mut session = session_of_a_newcomer();
    let other = FollowerIdentity {
        id: BrokerId(3),
        ..FOLLOWER
    };

    for reader in [Some(other), None] {
        let begun = session.begin(1, reader, false, Interest::LogEnd);
        assert_eq!(begun, Err(SessionError::NotFound));
    }
}

// The cache: who gives way to whom.

fn new_session(id: i32, is_follower: bool, count: i32) -> FetchSession {
    let mut session = FetchSession::new(
        id,
        is_follower.then_some(FOLLOWER),
        false,
        Interest::HighWatermark,
        Instant::now(),
    );
    for partition in 0..count {
        session.update(TopicRef::Name("t"), partition, request(0));
    }
    session
}

struct Cache {
    cache: SessionCache,
    start: Instant,
    next_id: i32,
}

impl Cache {
    /// A full cache of consumers' sessions with these numbers of partitions; their ids are 1, 2, ...
    fn of(partition_counts: &[i32]) -> Self {
        let mut this = Self {
            cache: SessionCache::new(partition_counts.len()),
            start: Instant::now(),
            next_id: 1,
        };
        for &count in partition_counts {
            assert!(this.create(0, false, count).is_some());
        }
        this
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    /// Creates a session; the ids that are left then, or `None` if it found no room.
    fn create(&mut self, seconds: u64, is_follower: bool, count: i32) -> Option<Vec<i32>> {
        let now = self.at(seconds);
        let size = usize::try_from(count).unwrap();
        self.cache.make_room(is_follower, size, now).ok()?;
        self.cache
            .insert(new_session(self.next_id, is_follower, count), now);
        self.next_id += 1;
        Some(
            (1..self.next_id)
                .filter(|&id| self.cache.contains(id))
                .collect(),
        )
    }

    fn touch(&mut self, id: i32, seconds: u64) {
        let count = self.cache.get(id).unwrap().lock().len();
        let now = self.at(seconds);
        self.cache.touch(id, count, now);
    }
}

#[test]
fn a_full_cache_of_young_sessions_takes_no_consumer() {
    let mut cache = Cache::of(&[1, 1]);

    assert_eq!(cache.create(119, false, 100), None);
}

#[test]
fn the_session_idle_longest_gives_way_after_two_minutes() {
    let mut cache = Cache::of(&[5, 5]);
    cache.touch(1, 100);

    assert_eq!(cache.create(121, false, 1), Some(vec![1, 3]));
    assert_eq!(cache.cache.evicted_count(), 1);
}

#[test]
fn a_settled_session_gives_way_to_one_that_is_not_smaller() {
    let mut cache = Cache::of(&[3, 6]);
    cache.touch(1, 130);
    cache.touch(2, 130);

    assert_eq!(cache.create(140, false, 2), None);
    assert_eq!(cache.create(140, false, 4), Some(vec![2, 3]));
}

#[test]
fn a_follower_displaces_any_consumer_however_young() {
    let mut cache = Cache::of(&[9, 8]);

    assert_eq!(cache.create(1, true, 1), Some(vec![1, 3]));
    assert_eq!(cache.create(1, true, 1), Some(vec![3, 4]));
    assert_eq!(
        cache.create(1, true, 100),
        None,
        "not another young follower"
    );
}

#[test]
fn no_consumer_displaces_a_follower_that_fetches() {
    let mut cache = Cache::of(&[1]);
    cache.create(0, true, 1).unwrap();
    cache.touch(2, 130);

    assert_eq!(cache.create(140, false, 1_000), None);
    assert_eq!(cache.create(140, true, 2), Some(vec![3]));
}

#[test]
fn sessions_and_their_partitions_are_counted() {
    let mut cache = Cache::of(&[3, 4]);
    assert_eq!(cache.cache.partition_count(), 7);

    let now = cache.at(1);
    cache.cache.touch(1, 10, now);
    assert_eq!(cache.cache.partition_count(), 14);

    assert!(cache.cache.remove(2).is_some());
    assert_eq!((cache.cache.len(), cache.cache.partition_count()), (1, 10));
    assert!(cache.cache.remove(2).is_none());
}

#[test]
fn sessions_are_found_by_id_in_all_shards_until_there_is_no_room() {
    let sessions = Sessions::new(10);
    let now = Instant::now();
    let mut draws = 0;
    let mut create = || {
        let random = || {
            draws += 1;
            draws / 2
        };
        sessions.create(false, 1, now, random, |id| new_session(id, false, 1))
    };

    let ids: Vec<_> = (0..10).map(|_| create()).collect();

    assert!(ids.iter().all(|&id| id > 0), "{ids:?}");
    assert_eq!(sessions.counts(), (10, 10));
    for &id in &ids {
        assert_eq!(sessions.get(id).unwrap().lock().id(), id);
    }
    assert_eq!(create(), NO_SESSION);
    assert!(sessions.remove(ids[3]).is_some());
    assert!(sessions.get(ids[3]).is_none());
    assert!(sessions.get(-5).is_none() && sessions.get(i32::MAX).is_none());
}
