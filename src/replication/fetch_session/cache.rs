//! The fetch sessions of a broker: a bounded number, and the rules by which sessions give way to others.
//!
//! A new session takes a free place; or that of the session used least recently, if that was idle for two
//! minutes; or that of a consumer, if the new one is a follower's; or that of a session with no more
//! partitions than it has, after that has had two minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{FetchSession, NO_SESSION};

/// For how long a session need not give way, except to a follower's.
pub const EVICTION_AGE: Duration = Duration::from_mins(2);

/// The rank of a session: of two, the smaller gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Worth {
    is_follower: bool,
    partition_count: usize,
    id: i32,
}

#[derive(Debug)]
struct Entry {
    session: Arc<Mutex<FetchSession>>,
    worth: Worth,
    created_at: Instant,
    last_used_at: Instant,
}

/// A part of the sessions: those with the ids of one range.
///
/// No session is locked in here. Evicted sessions are returned, so that they are dropped without the
/// cache's lock: they may watch thousands of partitions.
#[derive(Debug)]
pub struct SessionCache {
    max_sessions: usize,
    sessions: BTreeMap<i32, Entry>,
    by_last_use: BTreeSet<(Instant, i32)>,
    evictable_by_all: BTreeSet<Worth>,
    evictable_by_followers: BTreeSet<Worth>,
    partition_count: usize,
    evicted_count: u64,
}

impl SessionCache {
    /// A cache of at most `max_sessions`.
    pub fn new(max_sessions: usize) -> Self {
        Self {
            max_sessions,
            sessions: BTreeMap::new(),
            by_last_use: BTreeSet::new(),
            evictable_by_all: BTreeSet::new(),
            evictable_by_followers: BTreeSet::new(),
            partition_count: 0,
            evicted_count: 0,
        }
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there are no sessions.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// How many partitions all sessions have.
    pub fn partition_count(&self) -> usize {
        self.partition_count
    }

    /// How many sessions have given way so far.
    pub fn evicted_count(&self) -> u64 {
        self.evicted_count
    }

    /// The session with this id.
    pub fn get(&self, id: i32) -> Option<Arc<Mutex<FetchSession>>> {
        self.sessions
            .get(&id)
            .map(|entry| Arc::clone(&entry.session))
    }

    /// Whether a session has this id.
    pub fn contains(&self, id: i32) -> bool {
        self.sessions.contains_key(&id)
    }

    /// Makes room for a session of this kind. `Err` if there is none, and it may displace no other. `Ok`
    /// may have the session that gave way.
    pub fn make_room(
        &mut self,
        is_follower: bool,
        partition_count: usize,
        now: Instant,
    ) -> Result<Option<Arc<Mutex<FetchSession>>>, NoRoom> {
        if self.sessions.len() < self.max_sessions {
            return Ok(None);
        }
        let &(last_used_at, oldest) = self.by_last_use.first().ok_or(NoRoom)?;
        let victim = if now.saturating_duration_since(last_used_at) > EVICTION_AGE {
            oldest
        } else {
            let candidates = if is_follower {
                &self.evictable_by_followers
            } else {
                &self.evictable_by_all
            };
            let newcomer = Worth {
                is_follower,
                partition_count,
                id: NO_SESSION,
            };
            // As in Kafka, a newcomer displaces no session that is worth more.
            let least = candidates.first().filter(|least| **least <= newcomer);
            least.ok_or(NoRoom)?.id
        };
        self.evicted_count += 1;
        Ok(self.remove(victim))
    }

    /// Adds a session. The caller has called [`Self::make_room`].
    pub fn insert(&mut self, session: FetchSession, now: Instant) {
        let worth = Worth {
            is_follower: session.is_follower(),
            partition_count: session.len(),
            id: session.id(),
        };
        let entry = Entry {
            session: Arc::new(Mutex::new(session)),
            worth,
            created_at: now,
            last_used_at: now,
        };
        self.enter(&entry, now);
        let before = self.sessions.insert(worth.id, entry);
        assert!(before.is_none(), "a new session has an id of its own");
    }

    /// Notes that a session was used, and how many partitions it has by now.
    pub fn touch(&mut self, id: i32, partition_count: usize, now: Instant) {
        let Some(mut entry) = self.sessions.remove(&id) else {
            return;
        };
        self.leave(&entry);
        entry.last_used_at = now;
        entry.worth.partition_count = partition_count;
        self.enter(&entry, now);
        self.sessions.insert(id, entry);
    }

    /// Removes a session.
    pub fn remove(&mut self, id: i32) -> Option<Arc<Mutex<FetchSession>>> {
        let entry = self.sessions.remove(&id)?;
        self.leave(&entry);
        Some(entry.session)
    }

    fn enter(&mut self, entry: &Entry, now: Instant) {
        self.by_last_use
            .insert((entry.last_used_at, entry.worth.id));
        self.partition_count += entry.worth.partition_count;
        let is_settled = now.saturating_duration_since(entry.created_at) > EVICTION_AGE;
        if is_settled {
            self.evictable_by_all.insert(entry.worth);
        }
        if is_settled || !entry.worth.is_follower {
            self.evictable_by_followers.insert(entry.worth);
        }
    }

    fn leave(&mut self, entry: &Entry) {
        self.by_last_use
            .remove(&(entry.last_used_at, entry.worth.id));
        self.partition_count -= entry.worth.partition_count;
        self.evictable_by_all.remove(&entry.worth);
        self.evictable_by_followers.remove(&entry.worth);
    }
}

/// All places are taken by sessions that need not give way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// All sessions, in shards with locks of their own.
#[derive(Debug)]
pub struct Sessions {
    shards: Vec<Mutex<SessionCache>>,
    next_shard: AtomicUsize,
}

const SHARD_COUNT: usize = 8;
const IDS_PER_SHARD: i32 = i32::MAX / 8;

impl Sessions {
    /// A table for `max.incremental.fetch.session.cache.slots` sessions.
    pub fn new(max_sessions: usize) -> Self {
        let shard = |index| {
            // The remainder of the division goes to the first shards; Kafka loses it.
            let max = max_sessions / SHARD_COUNT + usize::from(index < max_sessions % SHARD_COUNT);
            Mutex::new(SessionCache::new(max))
        };
        Self {
            shards: (0..SHARD_COUNT).map(shard).collect(),
            next_shard: AtomicUsize::new(0),
        }
    }

    /// The session with this id.
    pub fn get(&self, id: i32) -> Option<Arc<Mutex<FetchSession>>> {
        self.shard(id)?.lock().get(id)
    }

    /// Removes a session, because its client has ended it.
    pub fn remove(&self, id: i32) -> Option<Arc<Mutex<FetchSession>>> {
        self.shard(id)?.lock().remove(id)
    }

    /// Notes that a session was used.
    pub fn touch(&self, id: i32, partition_count: usize, now: Instant) {
        if let Some(shard) = self.shard(id) {
            shard.lock().touch(id, partition_count, now);
        }
    }

    /// Makes a session, if there is room. `random` draws numbers for its id, and `fill` makes the session
    /// of that id. Returns the id, or [`NO_SESSION`].
    pub fn create(
        &self,
        is_follower: bool,
        partition_count: usize,
        now: Instant,
        mut random: impl FnMut() -> u32,
        fill: impl FnOnce(i32) -> FetchSession,
    ) -> i32 {
        let index = self.next_shard.fetch_add(1, Ordering::Relaxed) % SHARD_COUNT;
        let mut shard = self.shards[index].lock();
        let Ok(evicted) = shard.make_room(is_follower, partition_count, now) else {
            return NO_SESSION;
        };
        let id = loop {
            let id = id_in_shard(index, random());
            if id != NO_SESSION && !shard.contains(id) {
                break id;
            }
        };
        shard.insert(fill(id), now);
        drop(shard);
        drop(evicted);
        id
    }

    /// How many sessions there are, and how many partitions they have.
    pub fn counts(&self) -> (usize, usize) {
        let counts = self.shards.iter().map(|shard| {
            let shard = shard.lock();
            (shard.len(), shard.partition_count())
        });
        counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// How many sessions have given way so far.
    pub fn evicted_count(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.lock().evicted_count())
            .sum()
    }

    fn shard(&self, id: i32) -> Option<&Mutex<SessionCache>> {
        self.shards.get(usize::try_from(id / IDS_PER_SHARD).ok()?)
    }
}

/// An id in the range of a shard. The first range begins with [`NO_SESSION`], which is no id.
fn id_in_shard(index: usize, random: u32) -> i32 {
    let index = i32::try_from(index).expect("there are few shards");
    let within = i32::try_from(random % IDS_PER_SHARD.unsigned_abs()).expect("below i32::MAX");
    index * IDS_PER_SHARD + within
}
