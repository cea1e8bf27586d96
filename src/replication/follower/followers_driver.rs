//! Which leader each partition is fetched from.

use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::Ordering;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::lane::Lane;
use super::logs_driver::Logs;
use super::pool_driver::{Followed, Pool};
use crate::model::{BrokerId, LeaderEpoch, TopicIdPartition};
use crate::replication::hosted::Hosted;
use crate::replication::settings::ReplicaSettings;
use crate::replication::threads::join_others;

/// Fetches what this broker follows.
pub struct Followers {
    pool: Arc<Pool>,
}

impl Followers {
    /// Nothing is followed yet, and there is no thread.
    pub fn new(settings: &Arc<ArcSwap<ReplicaSettings>>, hosted: &Arc<Hosted>, logs: Logs) -> Self {
        Self {
            pool: Arc::new(Pool::new(settings, hosted, logs)),
        }
    }

    /// The logs, as fetchers use them.
    pub fn logs(&self) -> &Logs {
        &self.pool.logs
    }

    /// Sets who tells the epoch of this broker's registration, negative as long as there is none. Before
    /// that nothing is fetched: a leader counts no follower whose process it cannot tell from an earlier one
    /// (KIP-903).
    pub fn set_broker_epoch(&self, epoch: Box<dyn Fn() -> i64 + Send + Sync>) {
        // It is set once.
        let _ = self.pool.broker_epoch.set(epoch);
        self.pool.table.lock().wake_all();
    }

    /// Fetches a partition from `leader` from now on; from nobody if there is none.
    pub fn follow(&self, id: TopicIdPartition, leader: BrokerId, leader_epoch: LeaderEpoch) {
        if [BrokerId::NONE, self.pool.replica].contains(&leader) {
            self.unfollow(&id);
            return;
        }
        let mut followed = Followed {
            leader,
            leader_epoch,
            dir: self.pool.logs.place_of(&id),
            lane: Lane::default(),
        };
        let mut table = self.pool.table.lock();
        let before = table.followed.get(&id).copied();
        if let Some(before) = before {
            // Within an epoch only its fetcher gives it away: two that fetch it could cut what the other has told.
            if (before.leader, before.leader_epoch) == (leader, leader_epoch) {
                return;
            }
            if (before.leader, before.dir) == (leader, followed.dir) {
                followed.lane = before.lane;
            } else {
                self.pool.leave(&mut table, &id);
            }
        }
        self.pool.join(&mut table, id, followed);
    }

    /// Starts threads again that could not start, or that a bug has ended: their partitions are not fetched
    /// meanwhile. It costs little as long as all run.
    pub fn replace_dead(&self, now: Instant) {
        let unfetched = i64::try_from(self.pool.replace_dead(now)).unwrap_or(i64::MAX);
        let metrics = self.pool.logs.metrics();
        metrics.unfetched_partitions.set(unfetched);
    }

    /// Fetches a partition no more.
    pub fn unfollow(&self, id: &TopicIdPartition) {
        self.pool.leave(&mut self.pool.table.lock(), id);
    }

    /// Takes over another `num.replica.fetchers`. It waits for the threads: two that fetch one partition in
    /// one epoch could cut what the other has appended and told the leader of.
    pub fn reconfigure(&self) {
        let mut table = self.pool.table.lock();
        let per_leader = self.pool.settings.load().follower.num_replica_fetchers;
        if table.per_leader == per_leader || table.is_stopped {
            return;
        }
        let followed = std::mem::take(&mut table.followed);
        table.end_all();
        join_others(std::mem::take(&mut table.ended));
        table.per_leader = per_leader;
        for (id, followed) in followed {
            self.pool.join(&mut table, id, followed);
        }
    }

    /// Fetches nothing more, and waits for the threads.
    pub fn stop(&self) {
        let ended = {
            let mut table = self.pool.table.lock();
            table.is_stopped = true;
            table.end_all();
            std::mem::take(&mut table.ended)
        };
        join_others(ended);
    }

    /// How many threads fetch.
    #[cfg(test)]
    pub(crate) fn thread_count(&self) -> usize {
        self.pool.table.lock().fetchers.len()
    }

    /// Lets no thread start from now on, or lets them start again.
    #[cfg(test)]
    pub(crate) fn give_no_threads(&self, gives_none: bool) {
        self.pool
            .gets_no_thread
            .store(gives_none, Ordering::Release);
    }
}

impl Drop for Followers {
    fn drop(&mut self) {
        self.pool.table.lock().end_all();
    }
}
