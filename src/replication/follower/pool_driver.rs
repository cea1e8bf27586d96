//! The fetchers' threads: which there are, which partitions each has, and how a partition goes from one to another.
//!
//! Each thread holds the pool weakly: it gives partitions to the other lane of its leader by itself, as only
//! it knows when nothing is under way for them. Whoever waits for threads may hold the table's lock meanwhile,
//! so a thread only tries to take it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
#[cfg(test)]
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};

use super::fetcher::{Fetcher, FetcherSettings};
use super::fetcher_driver::{BrokerEpoch, Desk, FetcherThread};
use super::inbox_driver::{Change, Inbox};
use super::lane::{GiveAway, Given, Lane, LaneChange};
use super::link_driver::Link;
use super::logs_driver::Logs;
use crate::model::{BrokerId, LeaderEpoch, TopicIdPartition};
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

/// What threads are made of, and the table of them.
pub struct Pool {
    pub replica: BrokerId,
    pub logs: Logs,
    settings: Arc<ArcSwap<ReplicaSettings>>,
    hosted: Arc<Hosted>,
    broker_epoch: Arc<OnceLock<Box<dyn Fn() -> i64 + Send + Sync>>>,
    table: Mutex<Table>,
    /// Lets no thread start, as when the system gives none.
    #[cfg(test)]
    pub gets_no_thread: AtomicBool,
}

/// Which partitions are followed, and the threads that fetch them.
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

/// Which fetcher a partition belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FetcherKey {
    leader: BrokerId,
    /// Below `num.replica.fetchers`.
    number: usize,
    /// The place of the partition's log directory: one waits for its disk, and must keep no other directory
    /// waiting.
    dir: usize,
    lane: Lane,
}

/// What is known of a partition that is followed.
#[derive(Clone, Copy)]
struct Followed {
    leader: BrokerId,
    leader_epoch: LeaderEpoch,
    /// The place of the log directory in which it lay when this epoch began.
    dir: usize,
    lane: Lane,
}

/// The thread of a fetcher.
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
    /// Whether its thread is there, and has not ended by a bug.
    fn is_alive(&self) -> bool {
        let thread = self.thread.as_ref();
        thread.is_some_and(|thread| !thread.is_finished())
    }

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

impl Pool {
    /// Nothing is followed yet, and there is no thread.
    pub fn new(settings: &Arc<ArcSwap<ReplicaSettings>>, hosted: &Arc<Hosted>, logs: Logs) -> Self {
        let current = settings.load();
        Self {
            replica: current.node_id,
            settings: Arc::clone(settings),
            hosted: Arc::clone(hosted),
            logs,
            broker_epoch: Arc::default(),
            table: Mutex::new(Table {
                per_leader: current.follower.num_replica_fetchers,
                ..Table::default()
            }),
            #[cfg(test)]
            gets_no_thread: AtomicBool::new(false),
        }
    }

    /// Sets who tells the epoch of this broker's registration, negative as long as there is none.
    pub fn set_broker_epoch(&self, epoch: Box<dyn Fn() -> i64 + Send + Sync>) {
        // It is set once.
        let _ = self.broker_epoch.set(epoch);
        for fetcher in self.table.lock().fetchers.values() {
            fetcher.inbox.wake();
        }
    }

    /// Fetches a partition from `leader` from now on, in this epoch.
    pub fn follow(
        self: &Arc<Self>,
        id: TopicIdPartition,
        leader: BrokerId,
        leader_epoch: LeaderEpoch,
    ) {
        let mut followed = Followed {
            leader,
            leader_epoch,
            dir: self.logs.place_of(&id),
            lane: Lane::default(),
        };
        let mut table = self.table.lock();
        if let Some(before) = table.followed.get(&id).copied() {
            // Within an epoch only its fetcher gives it away: two that fetch it could cut what the other has told.
            if (before.leader, before.leader_epoch) == (leader, leader_epoch) {
                return;
            }
            if (before.leader, before.dir) == (leader, followed.dir) {
                followed.lane = before.lane;
            } else {
                table.leave(&id);
            }
        }
        self.join(&mut table, id, followed);
    }

    /// Fetches a partition no more.
    pub fn unfollow(&self, id: &TopicIdPartition) {
        self.table.lock().leave(id);
    }

    /// Takes over another `num.replica.fetchers`. It waits for the threads: two that fetch one partition in
    /// one epoch could cut what the other has appended and told the leader of.
    pub fn reconfigure(self: &Arc<Self>) {
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

    /// Tells all threads to end.
    pub fn end_all(&self) {
        self.table.lock().end_all();
    }

    /// How many fetchers there are.
    #[cfg(test)]
    pub fn fetcher_count(&self) -> usize {
        self.table.lock().fetchers.len()
    }

    fn join(self: &Arc<Self>, table: &mut Table, id: TopicIdPartition, followed: Followed) {
        if table.is_stopped {
            return;
        }
        let key = key_of(&id, &followed, table.per_leader);
        let is_new = !table.followed.contains_key(&id);
        let running = self.fetcher_or_start(table, key);
        running.count += usize::from(is_new);
        let change = Change::Follow(followed.leader_epoch);
        running.inbox.push(id, change);
        table.followed.insert(id, followed);
    }

    /// Starts threads again that could not start, or that a bug has ended. Returns how many partitions are
    /// not fetched, for want of threads.
    pub fn replace_dead(self: &Arc<Self>, now: Instant) -> usize {
        let mut table = self.table.lock();
        if table.is_stopped {
            return 0;
        }
        let table = &mut *table;
        // One that got no thread when it was to take its first partition is asked for again with the next.
        let was_in_vain =
            |it: &Running| it.thread.is_none() && it.count == 0 && it.next_start <= now;
        table.fetchers.retain(|_, it| !was_in_vain(it));
        let mut unfetched = 0;
        for (key, running) in &mut table.fetchers {
            if let Some(dead) = running.thread.take_if(|thread| thread.is_finished()) {
                // It was not told to end. What it has panicked with is in the log.
                let _ = dead.join();
                self.logs.metrics().fetcher_panics.inc();
                let (name, partitions) = (key.thread_name(), running.count);
                tracing::error!(
                    name,
                    partitions,
                    "a bug has ended a thread that fetches: it is started again"
                );
                running.failed(now);
            }
            if running.thread.is_none() && running.next_start <= now {
                let of_this = table.followed.iter();
                let of_this = of_this.filter(|(id, it)| key_of(id, it, table.per_leader) == *key);
                // What the one before was told, and has not read, is told again.
                running.inbox = Arc::default();
                for (id, followed) in of_this {
                    let change = Change::Follow(followed.leader_epoch);
                    running.inbox.push(*id, change);
                }
                self.start(*key, running, now);
            }
            if running.thread.is_none() {
                unfetched += running.count;
            }
        }
        unfetched
    }

    /// Gives a partition from the fetcher of `key`, which is told by `inbox`, to that of the other lane. Only
    /// its own thread may ask for this, when nothing is under way for the partition.
    fn give_away(self: &Arc<Self>, key: FetcherKey, inbox: &Arc<Inbox>, it: &LaneChange) -> Given {
        let Some(mut table) = self.table.try_lock() else {
            return Given::NotNow;
        };
        let table = &mut *table;
        let own = table.fetchers.get(&key);
        if !own.is_some_and(|own| Arc::ptr_eq(&own.inbox, inbox)) {
            // This thread is to end, and another has its partitions.
            return Given::NotNow;
        }
        let followed = table.followed.get(&it.id).copied();
        let followed = followed.filter(|followed| {
            followed.leader_epoch == it.leader_epoch
                && key_of(&it.id, followed, table.per_leader) == key
        });
        let Some(followed) = followed else {
            return Given::Stays;
        };
        let lane = key.lane.other();
        let to = self.fetcher_or_start(table, FetcherKey { lane, ..key });
        if !to.is_alive() {
            return Given::NotNow;
        }
        to.count += 1;
        to.inbox.push(it.id, Change::TakeOver(*it));
        table.followed.insert(it.id, Followed { lane, ..followed });
        // What it was told of the partition and has not read would have it fetch on.
        inbox.forget(&it.id);
        table.take_one(&key);
        Given::Away
    }

    /// A fetcher, which is started if there is none.
    fn fetcher_or_start<'a>(
        self: &Arc<Self>,
        table: &'a mut Table,
        key: FetcherKey,
    ) -> &'a mut Running {
        match table.fetchers.entry(key) {
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
        }
    }

    /// Starts the thread of a fetcher. If the system gives none it is tried again, see [`Self::replace_dead`].
    fn start(self: &Arc<Self>, key: FetcherKey, running: &mut Running, now: Instant) {
        running.started = now;
        match self.spawn(key, &running.inbox) {
            Ok(thread) => running.thread = Some(thread),
            Err(error) => {
                running.failed(now);
                if let Some(suppressed) = NO_THREAD.pass() {
                    let leader = key.leader;
                    tracing::error!(%leader, %error, suppressed, "cannot start a thread that fetches: it is tried again");
                }
            }
        }
    }

    fn spawn(self: &Arc<Self>, key: FetcherKey, inbox: &Arc<Inbox>) -> io::Result<JoinHandle<()>> {
        #[cfg(test)]
        if self.gets_no_thread.load(Ordering::Acquire) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let settings = self.settings.load();
        let follower = &settings.follower;
        let (leader, name) = (key.leader, key.thread_name());
        let core = core_settings(self.replica, follower);
        let backoff = core.backoff;
        let fetcher = FetcherThread {
            leader,
            link: Link::new(
                (self.replica, leader),
                &name,
                &follower.listener,
                follower.socket_timeout,
                &self.hosted,
            ),
            desk: Desk::new(
                Fetcher::new(core, key.lane),
                Arc::clone(inbox),
                self.logs.clone(),
                backoff,
                self.give_away_from(key, inbox),
            ),
            broker_epoch: self.known_epoch(),
        };
        let builder = thread::Builder::new().name(name);
        // The runtime is made once there is a thread for it: it may not be dropped on the thread of another one,
        // from which a fetcher may be started.
        let (give, take) = mpsc::sync_channel::<Runtime>(1);
        let thread = builder.spawn(move || {
            if let Ok(runtime) = take.recv() {
                runtime.block_on(fetcher.run());
            }
        })?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        give.send(runtime).expect("the thread waits for it");
        Ok(thread)
    }

    fn give_away_from(self: &Arc<Self>, key: FetcherKey, inbox: &Arc<Inbox>) -> GiveAway {
        let (pool, inbox) = (Arc::downgrade(self), Arc::clone(inbox));
        Box::new(move |change| {
            let pool = pool.upgrade();
            pool.map_or(Given::NotNow, |pool| pool.give_away(key, &inbox, change))
        })
    }

    fn known_epoch(&self) -> BrokerEpoch {
        let epoch = Arc::clone(&self.broker_epoch);
        Arc::new(move || epoch.get().map(|epoch| epoch()).filter(|it| *it >= 0))
    }
}

impl FetcherKey {
    /// The name of its thread, by which the leader knows it, too.
    fn thread_name(&self) -> String {
        let kind = match self.lane {
            Lane::Prompt => "fetcher",
            Lane::Behind => "behind",
        };
        format!("{kind}-{}-{}", self.leader, self.number)
    }
}

impl Table {
    /// A partition is fetched no more.
    fn leave(&mut self, id: &TopicIdPartition) {
        let Some(followed) = self.followed.remove(id) else {
            return;
        };
        let key = key_of(id, &followed, self.per_leader);
        let Some(running) = self.fetchers.get(&key) else {
            return;
        };
        running.inbox.push(*id, Change::Unfollow);
        self.take_one(&key);
    }

    fn end_all(&mut self) {
        let keys: Vec<_> = self.fetchers.keys().copied().collect();
        for key in keys {
            self.end(&key);
        }
    }

    /// A fetcher has one partition less. It ends with its last one.
    fn take_one(&mut self, key: &FetcherKey) {
        if let Some(running) = self.fetchers.get_mut(key) {
            running.count -= 1;
            if running.count == 0 {
                self.end(key);
            }
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

/// The fetcher of a partition.
fn key_of(id: &TopicIdPartition, followed: &Followed, per_leader: usize) -> FetcherKey {
    FetcherKey {
        leader: followed.leader,
        number: number_of(id, per_leader),
        dir: followed.dir,
        lane: followed.lane,
    }
}

/// The number of a leader's fetcher that a partition belongs to: the partitions of each topic are spread.
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
