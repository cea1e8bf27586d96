//! Compacts logs, the dirtiest first, on threads of their own that share memory and a rate of I/O.
//!
//! The partition's lock is held for lookups and renames only. A log with damage goes offline, as
//! when the scrub finds it; one that compaction fails on for another reason is set apart until the
//! next start, and the others go on.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::data_dir_driver::CheckpointKind;
use super::driver::{Shared, now, random_bytes};
use super::error::ReplicaError;
use super::partition::{CleanTarget, Partition};
use crate::config::CleanerConfig;
use crate::model::TopicIdPartition;
use crate::storage::compaction::{
    CleanControl, CleanError, CleanSettings, CleanSummary, LogAccess, clean,
};
use crate::storage::error::StorageError;
use crate::storage::log::Log;

/// More than a year means: not again.
const LONGEST_WAIT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// A slot of the map and a batch need some memory whatever the config says.
const LEAST_IO_BYTES: usize = 4096;

/// What the threads share.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    /// Partitions that failed.
    set_apart: Mutex<BTreeSet<TopicIdPartition>>,
    /// When the rate allows the next read or write.
    free_at: Mutex<Option<Instant>>,
}

impl Cleaner {
    /// Takes `bytes` out of what the rate allows: from when on to go on.
    fn spend(&self, bytes: u64, bytes_per_second: f64, now: Instant) -> Instant {
        let cost = Duration::try_from_secs_f64(bytes as f64 / bytes_per_second.max(1.0));
        let cost = cost.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        let mut free_at = self.free_at.lock();
        let begin = free_at.filter(|&at| at > now).unwrap_or(now);
        *free_at = begin.checked_add(cost);
        begin
    }
}

/// Starts the threads.
pub(super) fn start(shared: &Arc<Shared>) -> io::Result<Vec<JoinHandle<()>>> {
    let config = shared.settings.load().storage.cleaner.clone();
    let count = if config.enable { config.threads } else { 0 };
    let start_one = |number| {
        let (alarm, weak) = (Arc::clone(&shared.alarm), Arc::downgrade(shared));
        let builder = thread::Builder::new().name(format!("cleaner-{number}"));
        builder.spawn(move || {
            let mut wait = Duration::ZERO;
            while !alarm.wait_until(now().instant + wait) {
                let Some(next) = run_once(&weak) else {
                    return;
                };
                wait = next;
            }
        })
    };
    (0..count).map(start_one).collect()
}

/// Cleans a log if one is dirty: how long to wait then. `None`: the broker is gone.
fn run_once(shared: &Weak<Shared>) -> Option<Duration> {
    let shared = shared.upgrade()?;
    let backoff_ms = shared.settings.load().storage.cleaner.backoff_ms;
    let backoff = Duration::from_millis(u64::try_from(backoff_ms).unwrap_or(0));
    let has_cleaned = shared.clean_dirtiest();
    Some(match has_cleaned {
        true => Duration::ZERO,
        // Never in a loop without any rest.
        false => backoff.clamp(Duration::from_millis(1), LONGEST_WAIT),
    })
}

/// The log of a partition, as a pass reaches it.
struct Access<'p>(&'p Partition);

impl LogAccess for Access<'_> {
    fn with_log<T>(
        &self,
        act: impl FnOnce(&mut Log) -> Result<T, StorageError>,
    ) -> Result<T, CleanError> {
        self.0.with_log(act).map_err(|error| match error {
            ReplicaError::Storage(error) => CleanError::from(error),
            _ => CleanError::Aborted,
        })
    }
}

/// Keeps a pass within the rate, and ends it with the broker or the partition.
struct Pace<'s> {
    shared: &'s Shared,
    partition: &'s Partition,
    bytes_per_second: f64,
}

impl CleanControl for Pace<'_> {
    fn go_on(&mut self, bytes: u64) -> bool {
        let Shared { cleaner, alarm, .. } = self.shared;
        let at = now().instant;
        let next = cleaner.spend(bytes, self.bytes_per_second, at);
        let is_stopped = match next > at {
            true => alarm.wait_until(next),
            false => alarm.is_stopped(),
        };
        !is_stopped && self.partition.is_running()
    }
}

impl Shared {
    /// Cleans the log that needs it most, if any does. True: there may be more to do.
    pub(super) fn clean_dirtiest(&self) -> bool {
        for (partition, _) in self.due_for_cleaning() {
            let Some(_upkeep) = partition.begin_upkeep() else {
                continue;
            };
            // Another thread may just have cleaned it.
            let Some(target) = self.due_target(&partition) else {
                continue;
            };
            let is_done = self.clean_one(&partition, &target);
            if self.alarm.is_stopped() {
                return false;
            }
            self.queue_removal(&partition);
            self.write_checkpoints(&[CheckpointKind::Cleaned]);
            self.apply_retention_to(&partition);
            if is_done {
                return true;
            }
        }
        false
    }

    /// The partitions that are due, those that are overdue first, the dirtiest before others.
    fn due_for_cleaning(&self) -> Vec<(Arc<Partition>, CleanTarget)> {
        let online = self.hosted.online();
        self.forget_those_gone(&online);
        let mut due: Vec<_> = online
            .into_iter()
            .filter(|partition| partition.is_compacted())
            .filter_map(|partition| {
                let target = self.due_target(&partition)?;
                Some((partition, target))
            })
            .collect();
        due.sort_by(|(_, one), (_, other)| {
            let (one, other) = (&one.part, &other.part);
            let ratios = other.dirty_ratio().total_cmp(&one.dirty_ratio());
            other.is_overdue.cmp(&one.is_overdue).then(ratios)
        });
        due
    }

    fn due_target(&self, partition: &Arc<Partition>) -> Option<CleanTarget> {
        if self.cleaner.set_apart.lock().contains(&partition.id()) {
            return None;
        }
        match partition.clean_target(now().wall) {
            Ok(target) => {
                let log = &target.config.log;
                let is_due = log.compact && target.part.is_due(log);
                is_due.then_some(target)
            }
            Err(error) => {
                if let ReplicaError::Storage(error) = error {
                    self.note_failed_pass(partition, error.into());
                }
                None
            }
        }
    }

    /// The caller has the partition's upkeep. True: the log is clean as far as it can be.
    fn clean_one(&self, partition: &Arc<Partition>, target: &CleanTarget) -> bool {
        let started = now();
        let config = self.settings.load().storage.cleaner.clone();
        let settings = CleanSettings {
            max_decompressed_bytes: target.config.append.max_decompressed_batch_bytes,
            now: started.wall,
            secret: random_bytes(),
            ..settings_of(&config)
        };
        let mut pace = Pace {
            shared: self,
            partition,
            bytes_per_second: config.io_max_bytes_per_second,
        };
        match clean(&Access(partition), &target.part, &settings, &mut pace) {
            Ok(summary) => {
                let took = now().instant.saturating_duration_since(started.instant);
                self.note_pass(partition, target, &summary, took);
                true
            }
            Err(error) => {
                self.note_failed_pass(partition, error);
                false
            }
        }
    }

    fn note_pass(
        &self,
        partition: &Partition,
        target: &CleanTarget,
        summary: &CleanSummary,
        took: Duration,
    ) {
        let metrics = &self.metrics.cleaner;
        metrics.passes.inc();
        metrics.read_bytes.inc_by(summary.read_bytes);
        metrics.written_bytes.inc_by(summary.written_bytes);
        tracing::info!(
            partition = %partition.name(),
            from = %target.part.first_dirty,
            to = %summary.end,
            keys = summary.keys,
            read_bytes = summary.read_bytes,
            written_bytes = summary.written_bytes,
            segments = summary.replaced_segments,
            took_ms = took.as_millis(),
            "compacted"
        );
    }

    fn note_failed_pass(&self, partition: &Arc<Partition>, error: CleanError) {
        match error {
            CleanError::Aborted => {
                tracing::info!(partition = %partition.name(), "compaction was given up");
            }
            // It may have space again the next time.
            CleanError::Storage(error @ StorageError::Full { .. }) => {
                tracing::warn!(partition = %partition.name(), %error, "compaction was given up");
            }
            CleanError::Storage(
                error @ (StorageError::Corrupt { .. } | StorageError::Io { .. }),
            ) => self.note_failed_chore(partition, &error.into()),
            error => {
                tracing::error!(partition = %partition.name(), %error, "compaction leaves the partition alone until the next start");
                let mut set_apart = self.cleaner.set_apart.lock();
                set_apart.insert(partition.id());
                let count = i64::try_from(set_apart.len()).unwrap_or(i64::MAX);
                self.metrics.cleaner.uncleanable_partitions.set(count);
            }
        }
    }

    fn forget_those_gone(&self, online: &[Arc<Partition>]) {
        let mut set_apart = self.cleaner.set_apart.lock();
        if set_apart.is_empty() {
            return;
        }
        let here: BTreeSet<_> = online.iter().map(|partition| partition.id()).collect();
        set_apart.retain(|id| here.contains(id));
        let count = i64::try_from(set_apart.len()).unwrap_or(i64::MAX);
        self.metrics.cleaner.uncleanable_partitions.set(count);
    }
}

/// A thread's share of what the config allows all of them together.
fn settings_of(config: &CleanerConfig) -> CleanSettings {
    let threads = config.threads.max(1);
    let io_bytes = usize::try_from(config.io_buffer_size / threads / 2).unwrap_or(0);
    CleanSettings {
        map_bytes: u64::try_from(config.dedupe_buffer_size / i64::from(threads)).unwrap_or(0),
        load_factor: config.io_buffer_load_factor,
        io_bytes: io_bytes.max(LEAST_IO_BYTES),
        max_decompressed_bytes: 0,
        secret: [0; 16],
        now: crate::model::Timestamp::NONE,
    }
}
