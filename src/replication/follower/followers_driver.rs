//! Which leader each partition is fetched from, and the threads that fetch.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::fetcher::{Fetcher, FetcherSettings};
use super::fetcher_driver::{BrokerEpoch, Desk, FetcherThread};
use super::inbox_driver::Inbox;
use super::link_driver::Link;
use super::logs_driver::Logs;
use crate::model::{BrokerId, LeaderEpoch, TopicIdPartition};
use crate::replication::hosted::Hosted;
use crate::replication::settings::{FollowerSettings, ReplicaSettings};
use crate::replication::threads::join_others;
use crate::telemetry::LogGate;

static NO_THREAD: LogGate = LogGate::new();

/// Fetches what this broker follows.
pub struct Followers {
    replica: BrokerId,
    settings: Arc<ArcSwap<ReplicaSettings>>,
    hosted: Arc<Hosted>,
    logs: Logs,
    broker_epoch: Arc<OnceLock<Box<dyn Fn() -> i64 + Send + Sync>>>,
    table: Mutex<Table>,
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
    thread: JoinHandle<()>,
    /// How many partitions it fetches.
    count: usize,
}

impl Followers {
    /// Nothing is followed yet, and there is no thread.
    pub fn new(settings: &Arc<ArcSwap<ReplicaSettings>>, hosted: &Arc<Hosted>, logs: Logs) -> Self {
        let now = settings.load();
        Self {
            replica: now.node_id,
            settings: Arc::clone(settings),
            hosted: Arc::clone(hosted),
            logs,
            broker_epoch: Arc::default(),
            table: Mutex::new(Table {
                per_leader: now.follower.num_replica_fetchers,
                ..Table::default()
            }),
        }
    }

    /// The logs, as fetchers use them.
    pub fn logs(&self) -> &Logs {
        &self.logs
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
        if let Err(error) = self.join(&mut table, id, followed)
            && let Some(suppressed) = NO_THREAD.pass()
        {
            tracing::error!(%error, suppressed, "cannot start a thread that fetches");
        }
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
            if let Err(error) = self.join(&mut table, id, followed)
                && let Some(suppressed) = NO_THREAD.pass()
            {
                tracing::error!(%error, suppressed, "cannot start a thread that fetches");
            }
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

    fn join(&self, table: &mut Table, id: TopicIdPartition, followed: Followed) -> io::Result<()> {
        if table.is_stopped {
            return Ok(());
        }
        let key = key_of(&id, &followed, table.per_leader);
        let is_new = !table.followed.contains_key(&id);
        let running = match table.fetchers.entry(key) {
            Entry::Occupied(running) => running.into_mut(),
            Entry::Vacant(place) => place.insert(self.start(followed.leader, key.1)?),
        };
        running.count += usize::from(is_new);
        running.inbox.push(id, Some(followed.leader_epoch));
        table.followed.insert(id, followed);
        Ok(())
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

    fn start(&self, leader: BrokerId, number: usize) -> io::Result<Running> {
        let settings = self.settings.load();
        let follower = &settings.follower;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let inbox = Arc::new(Inbox::default());
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
                Arc::clone(&inbox),
                self.logs.clone(),
                backoff,
            ),
            broker_epoch: self.known_epoch(),
        };
        let builder = thread::Builder::new().name(format!("fetcher-{leader}-{number}"));
        let thread = builder.spawn(move || runtime.block_on(fetcher.run()))?;
        Ok(Running {
            inbox,
            thread,
            count: 0,
        })
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
            self.ended.push(running.thread);
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
