//! Which leader each partition is fetched from, and the threads that fetch.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
#[cfg(test)]
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::fetcher::{Fetcher, FetcherSettings};
use super::fetcher_driver::{BrokerEpoch, Desk, FetcherThread};
use super::inbox_driver::Inbox;
use super::link_driver::Link;
use super::logs_driver::Logs;
use crate::model::{BrokerId, LeaderEpoch, TopicIdPartition};
use crate::replication::dirs::Dirs;
use crate::replication::hosted::Hosted;
use crate::replication::settings::{FollowerSettings, ReplicaSettings};
use crate::replication::threads::{join_others, now};
use crate::telemetry::LogGate;

static NO_THREAD: LogGate = LogGate::new();

/// The pause before a thread is started again. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A thread that has lived for so long is started again after the first pause.
const LONG_LIFE: Duration = Duration::from_secs(300);

/// Fetches what this broker follows.
pub struct Followers {
    replica: BrokerId,
    settings: Arc<ArcSwap<ReplicaSettings>>,
    hosted: Arc<Hosted>,
    logs: Logs,
    broker_epoch: Arc<OnceLock<Box<dyn Fn() -> i64 + Send + Sync>>>,
    table: Mutex<Table>,
    /// Lets no thread start, as when the system gives none.
    #[cfg(test)]
    pub(crate) gets_no_thread: AtomicBool,
}

#[derive(Default)]
struct Table {
    followed: BTreeMap<TopicIdPartition, Followed>,
    fetchers: BTreeMap<FetcherKey, Running>,
    /// Threads that were told to end.
    ended: Vec<JoinHandle<()>>,
    /// `num.replica.fetchers`, as the fetchers were made for.
    per_leader: usize,
    is_stopped: bool,
}

/// Which fetcher a partition belongs to: by its leader, its number, and the place of its log directory. One
/// waits for its disk, and must keep no other directory waiting.
type FetcherKey = (BrokerId, usize, usize);

/// What is known of a partition that is followed.
#[derive(Clone, Copy)]
struct Followed {
    leader: BrokerId,
    leader_epoch: LeaderEpoch,
    /// The place of the log directory in which it lay when this epoch began.
    dir: usize,
}

struct Running {
    inbox: Arc<Inbox>,
    /// `None` as long as it could not be started.
    thread: Option<JoinHandle<()>>,
    /// How many partitions it fetches.
    count: usize,
    started: Instant,
    /// How often in a row it could not start, or has died soon.
    failures: u32,
    /// When it is started again, if it does not run.
    next_start: Instant,
}

impl Running {
    /// Notes that it does not run.
    fn failed(&mut self, now: Instant) {
        if now.saturating_duration_since(self.started) > LONG_LIFE {
            self.failures = 0;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.next_start = now + pause.min(LONGEST_PAUSE);
    }
}

impl Followers {
    /// Nothing is followed yet, and there is no thread.
    pub fn new(
        settings: &Arc<ArcSwap<ReplicaSettings>>,
        hosted: &Arc<Hosted>,
        dirs: &Arc<Dirs>,
    ) -> Self {
        let current = settings.load();
        Self {
            replica: current.node_id,
            settings: Arc::clone(settings),
            hosted: Arc::clone(hosted),
            logs: Logs::new(hosted, dirs),
            broker_epoch: Arc::default(),
            table: Mutex::new(Table {
                per_leader: current.follower.num_replica_fetchers,
                ..Table::default()
            }),
            #[cfg(test)]
            gets_no_thread: AtomicBool::new(false),
        }
    }

    /// Sets who tells the epoch of this broker's registration, negative as long as there is none. Before
    /// that nothing is fetched: a leader counts no follower whose process it cannot tell from an earlier one
    /// (KIP-903).
    pub fn set_broker_epoch(&self, epoch: Box<dyn Fn() -> i64 + Send + Sync>) {
        // It is set once.
        let _ = self.broker_epoch.set(epoch);
        for fetcher in self.table.lock().fetchers.values() {
            fetcher.inbox.wake();
        }
    }

    /// Fetches a partition from `leader` from now on; from nobody if there is none.
    pub fn follow(&self, id: TopicIdPartition, leader: BrokerId, leader_epoch: LeaderEpoch) {
        if [BrokerId::NONE, self.replica].contains(&leader) {
            self.unfollow(&id);
            return;
        }
        let followed = Followed {
            leader,
            leader_epoch,
            dir: self.logs.place_of(&id),
        };
        let mut table = self.table.lock();
        let before = table.followed.get(&id).copied();
        if let Some(before) = before {
            // Within an epoch it stays where it is: two that fetch it could cut what the other has told.
            if (before.leader, before.leader_epoch) == (leader, leader_epoch) {
                return;
            }
            if (before.leader, before.dir) != (leader, followed.dir) {
                self.leave(&mut table, &id);
            }
        }
        self.join(&mut table, id, followed);
    }

    /// Starts threads again that could not start, or that a bug has ended: their partitions are not fetched
    /// meanwhile. It costs little as long as all run.
    pub fn replace_dead(&self, now: Instant) {
        let mut table = self.table.lock();
        if table.is_stopped {
            return;
        }
        let table = &mut *table;
        let mut unfetched = 0;
        for (key, running) in &mut table.fetchers {
            if let Some(dead) = running.thread.take_if(|thread| thread.is_finished()) {
                // It was not told to end. What it has panicked with is in the log.
                let _ = dead.join();
                self.logs.metrics().fetcher_panics.inc();
                let (leader, partitions) = (key.0, running.count);
                tracing::error!(%leader, partitions, "a bug has ended a thread that fetches: it is started again");
                running.failed(now);
            }
            if running.thread.is_none() && running.next_start <= now {
                let of_this = table.followed.iter();
                let of_this = of_this.filter(|(id, it)| key_of(id, it, table.per_leader) == *key);
                // What the one before was told, and has not read, is told again.
                running.inbox = Arc::default();
                for (id, followed) in of_this {
                    running.inbox.push(*id, Some(followed.leader_epoch));
                }
                self.start(*key, running, now);
            }
            if running.thread.is_none() {
                unfetched += running.count;
            }
        }
        let unfetched = i64::try_from(unfetched).unwrap_or(i64::MAX);
        self.logs.metrics().unfetched_partitions.set(unfetched);
    }

    /// Fetches a partition no more.
    pub fn unfollow(&self, id: &TopicIdPartition) {
        self.leave(&mut self.table.lock(), id);
    }

    /// Takes over another `num.replica.fetchers`. It waits for the threads: two that fetch one partition in
    /// one epoch could cut what the other has appended and told the leader of.
    pub fn reconfigure(&self) {
        let mut table = self.table.lock();
        let per_leader = self.settings.load().follower.num_replica_fetchers;
        if table.per_leader == per_leader || table.is_stopped {
            return;
        }
        let followed = std::mem::take(&mut table.followed);
        table.end_all();
        join_others(std::mem::take(&mut table.ended));
        table.per_leader = per_leader;
        for (id, followed) in followed {
            self.join(&mut table, id, followed);
        }
    }

    /// Fetches nothing more, and waits for the threads.
    pub fn stop(&self) {
        let ended = {
            let mut table = self.table.lock();
            table.is_stopped = true;
            table.end_all();
            std::mem::take(&mut table.ended)
        };
        join_others(ended);
    }

    /// How many threads fetch.
    #[cfg(test)]
    pub(crate) fn thread_count(&self) -> usize {
        self.table.lock().fetchers.len()
    }

    fn join(&self, table: &mut Table, id: TopicIdPartition, followed: Followed) {
        if table.is_stopped {
            return;
        }
        let key = key_of(&id, &followed, table.per_leader);
        let is_new = !table.followed.contains_key(&id);
        let running = match table.fetchers.entry(key) {
            Entry::Occupied(running) => running.into_mut(),
            Entry::Vacant(place) => {
                let now = now().instant;
                let running = place.insert(Running {
                    inbox: Arc::default(),
                    thread: None,
                    count: 0,
                    started: now,
                    failures: 0,
                    next_start: now,
                });
                self.start(key, running, now);
                running
            }
        };
        running.count += usize::from(is_new);
        running.inbox.push(id, Some(followed.leader_epoch));
        table.followed.insert(id, followed);
    }

    fn leave(&self, table: &mut Table, id: &TopicIdPartition) {
        let Some(followed) = table.followed.remove(id) else {
            return;
        };
        let key = key_of(id, &followed, table.per_leader);
        let Some(running) = table.fetchers.get_mut(&key) else {
            return;
        };
        running.count -= 1;
        running.inbox.push(*id, None);
        if running.count == 0 {
            table.end(&key);
        }
    }

    /// Starts the thread of a fetcher. If the system gives none it is tried again, see [`Self::replace_dead`].
    fn start(&self, (leader, number, _): FetcherKey, running: &mut Running, now: Instant) {
        running.started = now;
        match self.spawn(leader, number, &running.inbox) {
            Ok(thread) => running.thread = Some(thread),
            Err(error) => {
                running.failed(now);
                if let Some(suppressed) = NO_THREAD.pass() {
                    tracing::error!(%leader, %error, suppressed, "cannot start a thread that fetches: it is tried again");
                }
            }
        }
    }

    fn spawn(
        &self,
        leader: BrokerId,
        number: usize,
        inbox: &Arc<Inbox>,
    ) -> io::Result<JoinHandle<()>> {
        #[cfg(test)]
        if self.gets_no_thread.load(Ordering::Acquire) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let settings = self.settings.load();
        let follower = &settings.follower;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let core = core_settings(self.replica, follower);
        let backoff = core.backoff;
        let fetcher = FetcherThread {
            leader,
            link: Link::new(
                (self.replica, leader),
                number,
                &follower.listener,
                follower.socket_timeout,
                &self.hosted,
            ),
            desk: Desk::new(
                Fetcher::new(core),
                Arc::clone(inbox),
                self.logs.clone(),
                backoff,
            ),
            broker_epoch: self.known_epoch(),
        };
        let builder = thread::Builder::new().name(format!("fetcher-{leader}-{number}"));
        builder.spawn(move || runtime.block_on(fetcher.run()))
    }

    fn known_epoch(&self) -> BrokerEpoch {
        let epoch = Arc::clone(&self.broker_epoch);
        Arc::new(move || epoch.get().map(|epoch| epoch()).filter(|it| *it >= 0))
    }
}

impl Drop for Followers {
    fn drop(&mut self) {
        self.table.lock().end_all();
    }
}

impl Table {
    fn end_all(&mut self) {
        let keys: Vec<_> = self.fetchers.keys().copied().collect();
        for key in keys {
            self.end(&key);
        }
    }

    fn end(&mut self, key: &FetcherKey) {
        if let Some(running) = self.fetchers.remove(key) {
            running.inbox.stop();
            self.ended.retain(|thread| !thread.is_finished());
            self.ended.extend(running.thread);
        }
    }
}

fn key_of(id: &TopicIdPartition, followed: &Followed, per_leader: usize) -> FetcherKey {
    (followed.leader, number_of(id, per_leader), followed.dir)
}

/// The fetcher of a leader that a partition belongs to: the partitions of each topic are spread.
fn number_of(id: &TopicIdPartition, per_leader: usize) -> usize {
    let [first, ..] = *id.topic_id.as_bytes();
    let mixed = usize::from(first).wrapping_add(id.partition.unsigned_abs() as usize);
    mixed % per_leader.max(1)
}

/// How the core of a fetcher fetches for `replica`.
pub fn core_settings(replica: BrokerId, settings: &FollowerSettings) -> FetcherSettings {
    FetcherSettings {
        replica,
        max_wait_ms: settings.max_wait_ms,
        min_bytes: settings.min_bytes,
        response_max_bytes: settings.response_max_bytes,
        partition_max_bytes: settings.partition_max_bytes,
        backoff: settings.backoff.max(Duration::from_millis(1)),
    }
}
