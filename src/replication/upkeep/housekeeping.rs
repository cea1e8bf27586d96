//! Periodic work on logs, on one thread that sleeps in between: checkpoints, time-based syncs, retention,
//! forgetting producers and followers that lag behind, removing deleted folders.

use std::io;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Upkeep, retention};
use crate::config::StorageConfig;
use crate::replication::dirs::CheckpointKind;
use crate::replication::partition::Partition;
use crate::replication::threads::{StopFlag, now};

/// The periodic work, with when each piece is due.
pub struct Chores(Vec<Chore>);

/// A piece of periodic work, and how often it is due.
struct Chore {
    every: Duration,
    next: Instant,
    run: fn(&Upkeep),
}

/// How often deleted folders that are due are removed.
const REMOVAL_INTERVAL: Duration = Duration::from_secs(1);
/// How often metrics are told how far followers lag.
const LAG_INTERVAL: Duration = Duration::from_secs(5);

/// Starts the housekeeping thread.
pub fn start(upkeep: &Arc<Upkeep>, storage: &StorageConfig) -> io::Result<JoinHandle<()>> {
    let (stop_flag, weak) = (Arc::clone(&upkeep.stop_flag), Arc::downgrade(upkeep));
    let chores = Chores::new(storage);
    let builder = thread::Builder::new().name("housekeeping".to_owned());
    builder.spawn(move || run(&stop_flag, &weak, chores))
}

impl Chores {
    /// Nothing of it is due yet.
    pub fn new(storage: &StorageConfig) -> Self {
        Self(chores(storage))
    }

    /// Looking after in-sync sets and lags, which has a thread of its own.
    pub fn settling(storage: &StorageConfig) -> Self {
        // As often as in Kafka: a follower is out after one and a half times what it may lag.
        let every_ms = (storage.replica_lag_time_max_ms / 2).max(10);
        let every = Duration::from_millis(u64::try_from(every_ms).unwrap_or(0));
        let started = now().instant;
        let chore = |every: Duration, run: fn(&Upkeep)| Chore {
            every,
            next: started + every,
            run,
        };
        Self(vec![
            chore(every, Upkeep::settle_in_sync_sets),
            chore(LAG_INTERVAL, Upkeep::show_max_lag),
        ])
    }

    /// When the next piece is due; `None` if none ever is.
    pub fn next_due(&self) -> Option<Instant> {
        self.0.iter().map(|chore| chore.next).min()
    }

    /// Does what is due.
    pub fn run_due(&mut self, upkeep: &Upkeep) {
        let due = self.0.iter_mut();
        for chore in due.filter(|chore| chore.next <= now().instant) {
            let dirs = &upkeep.dirs;
            dirs.outlive_bugs("a chore", &"housekeeping", || (chore.run)(upkeep));
            // The interval counts from the end of the work, so that a slow disk is not made slower.
            chore.next = now().instant + chore.every;
        }
    }
}

/// Starts the thread that looks after in-sync sets. It touches no disk, and waits for none: a follower must
/// be taken out in time whatever becomes of a disk here.
pub fn start_settling(upkeep: &Arc<Upkeep>, storage: &StorageConfig) -> io::Result<JoinHandle<()>> {
    let (stop_flag, weak) = (Arc::clone(&upkeep.stop_flag), Arc::downgrade(upkeep));
    let chores = Chores::settling(storage);
    let builder = thread::Builder::new().name("in-sync-sets".to_owned());
    builder.spawn(move || run(&stop_flag, &weak, chores))
}

fn chores(storage: &StorageConfig) -> Vec<Chore> {
    let started = now().instant;
    let chore = |every_ms: i64, run: fn(&Upkeep)| {
        let every = Duration::from_millis(u64::try_from(every_ms).unwrap_or(0).max(1));
        // What is due beyond the end of the clock is never due.
        let next = started.checked_add(every)?;
        Some(Chore { every, next, run })
    };
    let removal_ms = i64::try_from(REMOVAL_INTERVAL.as_millis()).unwrap_or(i64::MAX);
    let high_watermark_ms = storage.replica_high_watermark_checkpoint_interval_ms;
    let recovery_ms = i64::from(storage.log_flush_offset_checkpoint_interval_ms);
    let start_ms = i64::from(storage.log_flush_start_offset_checkpoint_interval_ms);
    let producers_ms = i64::from(storage.producer_id_expiration_check_interval_ms);
    [
        chore(removal_ms, |upkeep| upkeep.dirs.remove_due_folders()),
        chore(removal_ms, |upkeep| upkeep.dirs.remove_due_files()),
        chore(removal_ms, |upkeep| upkeep.dirs.queue_late_syncs()),
        chore(high_watermark_ms, |upkeep| {
            upkeep
                .dirs
                .write_checkpoints(&[CheckpointKind::HighWatermark]);
        }),
        chore(recovery_ms, |upkeep| {
            upkeep
                .dirs
                .write_checkpoints(&[CheckpointKind::RecoveryPoint]);
        }),
        chore(start_ms, |upkeep| {
            upkeep.dirs.write_checkpoints(&[CheckpointKind::LogStart]);
        }),
        chore(
            storage.log_flush_scheduler_interval_ms,
            Upkeep::queue_due_syncs,
        ),
        chore(
            storage.log_retention_check_interval_ms,
            Upkeep::apply_retention,
        ),
        chore(producers_ms, Upkeep::expire_producers),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn run(stop_flag: &StopFlag, upkeep: &Weak<Upkeep>, mut chores: Chores) {
    loop {
        let Some(next) = chores.next_due() else {
            return;
        };
        if stop_flag.wait_until(next) {
            return;
        }
        let Some(upkeep) = upkeep.upgrade() else {
            return;
        };
        chores.run_due(&upkeep);
    }
}

impl Upkeep {
    /// The partitions whose disks do not hang when it is their turn: one thread has the work of all
    /// directories.
    fn reachable(&self) -> impl Iterator<Item = Arc<Partition>> {
        let online = self.hosted.online().into_iter();
        online.filter(|partition| !self.dirs.hangs(partition))
    }

    /// Does something for each of `partitions`; a bug at one keeps none of the others from it.
    fn for_each(
        &self,
        partitions: impl IntoIterator<Item = Arc<Partition>>,
        what: &'static str,
        act: impl Fn(&Arc<Partition>),
    ) {
        for partition in partitions {
            let name = partition.name();
            self.dirs.outlive_bugs(what, &name, || act(&partition));
        }
    }

    /// Queues the logs that `flush.ms` asks to sync.
    fn queue_due_syncs(&self) {
        self.for_each(self.reachable(), "queueing a sync", |partition| {
            self.dirs.queue_sync_if_due(partition);
        });
    }

    /// Applies retention to all logs that compaction is not at work on.
    pub fn apply_retention(&self) {
        self.for_each(self.reachable(), "retention", |partition| {
            // Where the cleaner is at work, it applies retention as well.
            if let Some(_upkeep) = partition.begin_upkeep() {
                retention::apply_to(&self.dirs, partition);
            }
        });
    }

    /// Has followers that lag behind taken out of the in-sync sets that this broker leads, and those taken
    /// in that have caught up.
    pub fn settle_in_sync_sets(&self) {
        let online = self.hosted.online();
        self.for_each(online, "a look at an in-sync set", |partition| {
            self.settle_in_sync_set(partition);
        });
    }

    /// The same for one partition.
    pub fn settle_in_sync_set(&self, partition: &Partition) {
        if let Some(change) = partition.propose_change(now().instant) {
            self.listener.isr_change_wanted(change);
        }
    }

    /// Tells the metrics how far the replica lags that lags the most behind its leader.
    pub fn show_max_lag(&self) {
        let mut longest = 0;
        self.hosted
            .look_at_online(|partition| longest = longest.max(partition.lag()));
        self.dirs.metrics.replication.max_lag.set(longest);
    }

    fn expire_producers(&self) {
        self.for_each(self.reachable(), "forgetting producers", |partition| {
            partition.expire_producers(now().wall);
        });
    }
}
