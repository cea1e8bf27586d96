//! What has to be done to logs now and then, on one thread that sleeps in between: checkpoints,
//! time-based syncs, retention, forgetting producers, removing deleted folders. And the clean stop.

use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::data_dir_driver::{CheckpointKind, DataDir};
use super::driver::{ReplicaManager, Shared, now};
use super::error::ReplicaError;
use super::partition::Partition;
use crate::storage::checkpoint::Offsets;
use crate::storage::clean_shutdown;

/// Wakes the housekeeping thread when it is to end.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    is_stopped: Mutex<bool>,
    changed: Condvar,
}

impl Alarm {
    pub(super) fn is_stopped(&self) -> bool {
        *self.is_stopped.lock()
    }

    pub(super) fn stop(&self) {
        *self.is_stopped.lock() = true;
        self.changed.notify_all();
    }

    /// Waits until `deadline`. True: the thread is to end.
    pub(super) fn wait_until(&self, deadline: Instant) -> bool {
        let mut is_stopped = self.is_stopped.lock();
        while !*is_stopped {
            if self
                .changed
                .wait_until(&mut is_stopped, deadline)
                .timed_out()
            {
                return *is_stopped;
            }
        }
        true
    }
}

/// Waits for threads to end, but for the one that waits: the broker may end on one of them.
pub(super) fn join_others(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        if thread.thread().id() != thread::current().id() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// A chore and how often it is due.
struct Chore {
    every: Duration,
    next: Instant,
    run: fn(&Shared),
}

/// How often folders whose time has come are removed.
const REMOVAL_INTERVAL: Duration = Duration::from_secs(1);

/// Starts the housekeeping thread.
pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<JoinHandle<()>> {
    let (alarm, weak) = (Arc::clone(&shared.alarm), Arc::downgrade(shared));
    let chores = chores(shared);
    let builder = thread::Builder::new().name("housekeeping".to_owned());
    builder.spawn(move || run(&alarm, &weak, chores))
}

fn chores(shared: &Shared) -> Vec<Chore> {
    let settings = shared.settings.load();
    let storage = &settings.storage;
    let started = now().instant;
    let chore = |every_ms: i64, run: fn(&Shared)| {
        let every = Duration::from_millis(u64::try_from(every_ms).unwrap_or(0).max(1));
        let next = started.checked_add(every)?;
        Some(Chore { every, next, run })
    };
    let removal_ms = i64::try_from(REMOVAL_INTERVAL.as_millis()).unwrap_or(i64::MAX);
    let recovery_ms = i64::from(storage.log_flush_offset_checkpoint_interval_ms);
    let start_ms = i64::from(storage.log_flush_start_offset_checkpoint_interval_ms);
    let producers_ms = i64::from(storage.producer_id_expiration_check_interval_ms);
    [
        chore(removal_ms, Shared::remove_due_folders),
        chore(removal_ms, Shared::remove_due_files),
        chore(
            storage.replica_high_watermark_checkpoint_interval_ms,
            |shared| {
                shared.write_checkpoints(&[CheckpointKind::HighWatermark]);
            },
        ),
        chore(recovery_ms, |shared| {
            shared.write_checkpoints(&[CheckpointKind::RecoveryPoint])
        }),
        chore(start_ms, |shared| {
            shared.write_checkpoints(&[CheckpointKind::LogStart])
        }),
        chore(
            storage.log_flush_scheduler_interval_ms,
            Shared::queue_due_flushes,
        ),
        chore(
            storage.log_retention_check_interval_ms,
            Shared::apply_retention,
        ),
        chore(producers_ms, Shared::expire_producers),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn run(alarm: &Alarm, shared: &Weak<Shared>, mut chores: Vec<Chore>) {
    loop {
        let Some(next) = chores.iter().map(|chore| chore.next).min() else {
            return;
        };
        if alarm.wait_until(next) {
            return;
        }
        let Some(shared) = shared.upgrade() else {
            return;
        };
        for chore in chores
            .iter_mut()
            .filter(|chore| chore.next <= now().instant)
        {
            (chore.run)(&shared);
            // Counted from the end: a slow disk is not made slower.
            chore.next = now().instant + chore.every;
        }
    }
}

impl Shared {
    /// Writes checkpoints of all directories, of the partitions that are open.
    pub(super) fn write_checkpoints(&self, kinds: &[CheckpointKind]) {
        for dir in self.dirs.iter().filter(|dir| !dir.log_dir.is_offline()) {
            self.write_checkpoints_of(dir, kinds);
        }
    }

    /// Writes checkpoints of one directory.
    pub(super) fn write_checkpoints_of(&self, dir: &DataDir, kinds: &[CheckpointKind]) {
        // What was gathered earlier is not written later: over newer offsets, or with those of a
        // partition that is gone, and whose name another has by now.
        let _one_at_a_time = dir.checkpointing.lock();
        let partitions = self.hosted.online();
        for &kind in kinds {
            let here = partitions.iter().filter(|it| it.is_in(&dir.log_dir));
            let entries = here.filter_map(|partition| {
                let offset = kind.offset_of(partition)?;
                Some((partition.name().clone(), offset))
            });
            self.write_checkpoint(dir, kind, entries.collect());
        }
    }

    /// Writes the recovery points of one directory, ahead of their time.
    pub(super) fn checkpoint_recovery_points(&self, dir: &DataDir) {
        if !dir.log_dir.is_offline() {
            self.write_checkpoints_of(dir, &[CheckpointKind::RecoveryPoint]);
        }
    }

    fn write_checkpoint(&self, dir: &DataDir, kind: CheckpointKind, entries: Offsets) {
        if let Err(error) = dir.write_checkpoint(kind, entries) {
            // A full disk keeps the older checkpoint, which is as good.
            if error.is_disk_failure() {
                self.fail_dir(dir, &error.to_string());
            } else {
                tracing::warn!(%error, "cannot write a checkpoint");
            }
        }
    }

    fn remove_due_folders(&self) {
        for dir in self.dirs.iter().filter(|dir| !dir.log_dir.is_offline()) {
            if let Err(error) = dir.remove_due(now().instant) {
                self.fail_dir(dir, &error.to_string());
            }
        }
    }

    /// Queues the logs that `flush.ms` asks to sync.
    fn queue_due_flushes(&self) {
        let wall = now().wall;
        for partition in self.hosted.online() {
            if partition.flush_is_due(wall)
                && let Some(dir) = self.dir_of(&partition)
            {
                dir.flushes.push_log(&partition);
            }
        }
    }

    pub(super) fn apply_retention(&self) {
        for partition in self.hosted.online() {
            // The cleaner does both to a log that it is at.
            if let Some(_upkeep) = partition.begin_upkeep() {
                self.apply_retention_to(&partition);
            }
        }
    }

    /// The caller has the partition's upkeep.
    pub(super) fn apply_retention_to(&self, partition: &Arc<Partition>) {
        match partition.apply_retention(now()) {
            Ok(true) => self.queue_removal(partition),
            Ok(false) => {}
            Err(error) => self.note_failed_chore(partition, &error),
        }
    }

    /// Has the files of deleted segments removed when their time comes.
    pub(super) fn queue_removal(&self, partition: &Arc<Partition>) {
        let mut deleting = self.deleting.lock();
        let is_queued = deleting.iter().any(|queued| Arc::ptr_eq(queued, partition));
        if !is_queued && partition.next_deletion().is_some() {
            deleting.push(Arc::clone(partition));
        }
    }

    /// Removes the files of deleted segments whose readers have had time to finish.
    pub(super) fn remove_due_files(&self) {
        let wall = now().wall;
        let deleting = std::mem::take(&mut *self.deleting.lock());
        for partition in deleting {
            for files in partition.take_due_deletions(wall) {
                if let Err(error) = files.remove() {
                    self.note_failed_chore(&partition, &error.into());
                }
            }
            self.queue_removal(&partition);
        }
    }

    pub(super) fn note_failed_chore(&self, partition: &Partition, error: &ReplicaError) {
        // Partitions come and go while the chores run.
        if !matches!(error, ReplicaError::NotLeader) {
            tracing::warn!(partition = %partition.name(), %error, "housekeeping failed");
        }
        self.check_partition_failure(partition, error);
    }

    fn expire_producers(&self) {
        for partition in self.hosted.online() {
            partition.expire_producers(now().wall);
        }
    }
}

impl ReplicaManager {
    /// Stops in order: no partition is served any more, all logs are closed and durable, and each
    /// directory for which that worked is marked so, with the broker epoch. Blocks.
    pub fn close(&self, broker_epoch: i64) {
        let shared = &*self.shared;
        let _no_change_of_metadata = shared.applying.lock();
        if shared
            .is_closed
            .swap(true, std::sync::atomic::Ordering::AcqRel)
        {
            return;
        }
        shared.alarm.stop();
        shared.cleaner.stop();
        shared.moves.stop();
        for dir in &shared.dirs {
            dir.flushes.stop();
        }
        for thread in std::mem::take(&mut *shared.threads.lock()) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
        let partitions = shared.hosted.online();
        thread::scope(|scope| {
            for dir in &shared.dirs {
                let here = partitions.iter();
                let here = here.filter(|partition| partition.is_in(&dir.log_dir));
                let here: Vec<_> = here.collect();
                scope.spawn(move || shared.close_dir(dir, &here, broker_epoch));
            }
        });
    }
}

impl Shared {
    fn close_dir(&self, dir: &DataDir, partitions: &[&Arc<Partition>], broker_epoch: i64) {
        let started = now().instant;
        let mut is_clean = true;
        for partition in partitions {
            if let Err(error) = partition.close_unsynced() {
                tracing::error!(partition = %partition.name(), %error, "cannot close the log");
                self.check_failure(dir, &error);
                is_clean = false;
            }
        }
        if dir.log_dir.is_offline() {
            return;
        }
        if let Err(error) = dir.log_dir.sync_volume() {
            self.fail_dir(dir, &error.to_string());
            return;
        }
        for kind in CheckpointKind::ALL {
            let entries = partitions.iter().filter_map(|partition| {
                let offset = match kind {
                    // All that was written is durable now.
                    CheckpointKind::RecoveryPoint if is_clean => Some(partition.end_offset()),
                    _ => kind.offset_of(partition),
                };
                Some((partition.name().clone(), offset?))
            });
            self.write_checkpoint(dir, kind, entries.collect());
        }
        if is_clean && !dir.log_dir.is_offline() {
            let marked = clean_shutdown::mark(&**dir.log_dir.disk(), dir.path(), broker_epoch);
            if let Err(error) = marked {
                tracing::error!(dir = %dir.path().display(), %error, "cannot mark the clean stop");
            }
        }
        let took_ms = started.elapsed().as_millis();
        tracing::info!(dir = %dir.path().display(), logs = partitions.len(), took_ms, "closed");
    }
}
