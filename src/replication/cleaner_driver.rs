//! Compacts logs, the dirtiest first, on threads of their own that share memory and a rate of I/O.
//!
//! The partition's lock is held for lookups and renames only. A log with damage goes offline, as
//! when the scrub finds it; one that compaction fails on for another reason is set apart until the
//! next start, and the others go on. A replica that moves to another directory is left alone until
//! it is there. When the settings change, other threads take over from those that run (KIP-226).

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::data_dir_driver::CheckpointKind;
use super::driver::{Shared, now, random_bytes};
use super::error::ReplicaError;
use super::housekeeping_driver::{Alarm, join_others};
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

/// Who compacts, and what they leave alone.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    /// Partitions that failed.
    set_apart: Mutex<BTreeSet<TopicIdPartition>>,
    crew: Mutex<Option<Arc<Crew>>>,
}

impl Cleaner {
    /// Ends the threads as soon as they can, without waiting for them.
    pub(super) fn end(&self) {
        if let Some(crew) = &*self.crew.lock() {
            crew.alarm.stop();
        }
    }

    /// Ends the threads, and waits for them.
    pub(super) fn stop(&self) {
        let crew = self.crew.lock().take();
        if let Some(crew) = crew {
            crew.alarm.stop();
            crew.join();
        }
    }
}

/// Threads that were started together, and what they share.
#[derive(Debug)]
pub(super) struct Crew {
    config: CleanerConfig,
    alarm: Alarm,
    /// When the rate allows the next read or write.
    free_at: Mutex<Option<Instant>>,
    /// Those that ran before: their memory must be free before a pass begins.
    before: Mutex<Option<Arc<Self>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Crew {
    fn new(config: CleanerConfig, before: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            config,
            alarm: Alarm::default(),
            free_at: Mutex::default(),
            before: Mutex::new(before),
            threads: Mutex::default(),
        })
    }

    /// Starts its threads.
    fn start(self: &Arc<Self>, shared: &Arc<Shared>) -> io::Result<()> {
        let count = match self.config.enable {
            true => self.config.threads,
            false => 0,
        };
        let mut threads = self.threads.lock();
        for number in 0..count {
            let (crew, weak) = (Arc::clone(self), Arc::downgrade(shared));
            let builder = thread::Builder::new().name(format!("cleaner-{number}"));
            threads.push(builder.spawn(move || crew.run(&weak))?);
        }
        Ok(())
    }

    fn run(&self, shared: &Weak<Shared>) {
        self.join_those_before();
        let mut wait = Duration::ZERO;
        while !self.alarm.wait_until(now().instant + wait) {
            let Some(next) = self.run_once(shared) else {
                return;
            };
            wait = next;
        }
    }

    /// Cleans a log if one is dirty: how long to wait then. `None`: the broker is gone.
    fn run_once(&self, shared: &Weak<Shared>) -> Option<Duration> {
        let shared = shared.upgrade()?;
        let backoff = Duration::from_millis(u64::try_from(self.config.backoff_ms).unwrap_or(0));
        Some(match shared.clean_dirtiest(self) {
            true => Duration::ZERO,
            // Never in a loop without any rest.
            false => backoff.clamp(Duration::from_millis(1), LONGEST_WAIT),
        })
    }

    fn join_those_before(&self) {
        // The others of this crew wait for the lock meanwhile.
        if let Some(before) = self.before.lock().take() {
            before.join();
        }
    }

    fn join(&self) {
        self.join_those_before();
        // The lock is held until they have ended: who else joins waits for that too.
        join_others(std::mem::take(&mut *self.threads.lock()));
    }

    /// Takes `bytes` out of what the rate allows: from when on to go on.
    fn spend(&self, bytes: u64, now: Instant) -> Instant {
        let rate = self.config.io_max_bytes_per_second.max(1.0);
        let cost = Duration::try_from_secs_f64(bytes as f64 / rate);
        let cost = cost.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        let mut free_at = self.free_at.lock();
        let begin = free_at.filter(|&at| at > now).unwrap_or(now);
        *free_at = begin.checked_add(cost);
        begin
    }
}

/// Starts threads by the settings that hold now, unless those that run have the same. Passes under
/// way end early: what they have finished stays. Does not wait for them.
pub(super) fn restart(shared: &Arc<Shared>) -> io::Result<()> {
    let config = shared.settings.load().storage.cleaner.clone();
    let mut current = shared.cleaner.crew.lock();
    if current.as_ref().is_some_and(|crew| crew.config == config) {
        return Ok(());
    }
    let before = current.take();
    if let Some(before) = &before {
        tracing::info!(threads = config.threads, "compacting by other settings");
        before.alarm.stop();
    }
    let crew = Crew::new(config, before);
    *current = Some(Arc::clone(&crew));
    crew.start(shared)
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

/// Keeps a pass within the rate, and ends it with the crew or the partition, or before a move.
struct Pace<'s> {
    shared: &'s Shared,
    crew: &'s Crew,
    partition: &'s Partition,
}

impl CleanControl for Pace<'_> {
    fn go_on(&mut self, bytes: u64) -> bool {
        let at = now().instant;
        let next = self.crew.spend(bytes, at);
        let is_stopped = match next > at {
            true => self.crew.alarm.wait_until(next),
            false => self.crew.alarm.is_stopped(),
        };
        let is_moving = self.shared.moves.has(&self.partition.id());
        !is_stopped && !is_moving && self.partition.is_running()
    }
}

impl Shared {
    /// Cleans the log that needs it most, if any does. True: there may be more to do.
    pub(super) fn clean_dirtiest(&self, crew: &Crew) -> bool {
        for (partition, _) in self.due_for_cleaning() {
            let Some(_upkeep) = partition.begin_upkeep() else {
                continue;
            };
            // Another thread may just have cleaned it, or a move begun.
            let Some(target) = self.due_target(&partition) else {
                continue;
            };
            let is_done = self.clean_one(crew, &partition, &target);
            // Also of a pass that had to end: another crew may find the log clean.
            self.queue_removal(&partition);
            self.write_checkpoints(&[CheckpointKind::Cleaned]);
            if crew.alarm.is_stopped() {
                return false;
            }
            self.apply_retention_to(&partition);
            if is_done {
                return true;
            }
        }
        false
    }

    /// The partitions that are due, those that are overdue first, the dirtiest before others.
    pub(super) fn due_for_cleaning(&self) -> Vec<(Arc<Partition>, CleanTarget)> {
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
        let id = partition.id();
        if self.cleaner.set_apart.lock().contains(&id) || self.moves.has(&id) {
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
    fn clean_one(&self, crew: &Crew, partition: &Arc<Partition>, target: &CleanTarget) -> bool {
        let started = now();
        let settings = CleanSettings {
            max_decompressed_bytes: target.config.append.max_decompressed_batch_bytes,
            now: started.wall,
            secret: random_bytes(),
            ..settings_of(&crew.config)
        };
        let mut pace = Pace {
            shared: self,
            crew,
            partition,
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
