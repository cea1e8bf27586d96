//! Which leader each partition is fetched from.

use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::Ordering;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::logs_driver::Logs;
use super::pool_driver::Pool;
use crate::model::{BrokerId, LeaderEpoch, TopicIdPartition};
use crate::replication::hosted::Hosted;
use crate::replication::settings::ReplicaSettings;

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
        self.pool.set_broker_epoch(epoch);
    }

    /// Fetches a partition from `leader` from now on; from nobody if there is none.
    pub fn follow(&self, id: TopicIdPartition, leader: BrokerId, leader_epoch: LeaderEpoch) {
        if [BrokerId::NONE, self.pool.replica].contains(&leader) {
            self.unfollow(&id);
            return;
        }
        self.pool.follow(id, leader, leader_epoch);
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
        self.pool.unfollow(id);
    }

    /// Takes over another `num.replica.fetchers`. It waits for the threads.
    pub fn reconfigure(&self) {
        self.pool.reconfigure();
    }

    /// Fetches nothing more, and waits for the threads.
    pub fn stop(&self) {
        self.pool.stop();
    }

    /// How many fetchers there are.
    #[cfg(test)]
    pub(crate) fn fetcher_count(&self) -> usize {
        self.pool.fetcher_count()
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
        self.pool.end_all();
    }
}
