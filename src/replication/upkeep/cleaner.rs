//! Compacts logs, the dirtiest first, on the threads of a [`super::crew`].
//!
//! The partition's lock is held for look-ups and renames only. A damaged log goes offline, as when the
//! scrub finds it. A log that compaction fails on for another reason is left out until the next start, and
//! the others go on. A replica that moves to another directory is left alone until it has arrived.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::crew::Crew;
use super::retention;
use crate::config::CleanerConfig;
use crate::model::{Timestamp, TopicIdPartition};
use crate::replication::dirs::{CheckpointKind, Dirs};
use crate::replication::error::ReplicaError;
use crate::replication::hosted::Hosted;
use crate::replication::moves::Moves;
use crate::replication::partition::{CleanTarget, Partition};
use crate::replication::settings::ReplicaSettings;
use crate::replication::threads::{now, random_bytes};
use crate::storage::compaction::{
    CleanControl, CleanError, CleanSettings, CleanSummary, LogAccess, clean,
};
use crate::storage::error::StorageError;
use crate::storage::log::Log;
use crate::telemetry::{LogGate, Metrics};

/// Clients may change the settings, and fill many small logs, as often as they like.
static OTHER_SETTINGS: LogGate = LogGate::new();
static COMPACTED: LogGate = LogGate::of_many(100);

/// The map and a batch need some memory, whatever the config says.
const LEAST_IO_BYTES: usize = 4096;

/// Compacts logs, and knows which to leave alone.
pub struct Cleaner {
    settings: Arc<ArcSwap<ReplicaSettings>>,
    hosted: Arc<Hosted>,
    dirs: Arc<Dirs>,
    moves: Arc<Moves>,
    metrics: Arc<Metrics>,
    /// Partitions whose compaction has failed: they are left out.
    set_apart: Mutex<BTreeSet<TopicIdPartition>>,
    crew: Mutex<CurrentCrew>,
}

#[derive(Default)]
struct CurrentCrew {
    crew: Option<Arc<Crew>>,
    /// Whether no other crew may start.
    is_stopped: bool,
}

impl Cleaner {
    /// A cleaner without threads yet.
    pub fn new(
        settings: &Arc<ArcSwap<ReplicaSettings>>,
        hosted: &Arc<Hosted>,
        dirs: &Arc<Dirs>,
        moves: &Arc<Moves>,
        metrics: &Arc<Metrics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings: Arc::clone(settings),
            hosted: Arc::clone(hosted),
            dirs: Arc::clone(dirs),
            moves: Arc::clone(moves),
            metrics: Arc::clone(metrics),
            set_apart: Mutex::default(),
            crew: Mutex::default(),
        })
    }

    /// Starts threads by the current settings, unless those that run have the same. Passes under way end
    /// early, and what they have finished stays. It does not wait for them.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn restart(self: &Arc<Self>) -> io::Result<()> {
        let mut current = self.crew.lock();
        let config = self.settings.load().storage.cleaner.clone();
        let is_same = |crew: &Arc<Crew>| *crew.config() == config;
        if current.is_stopped || current.crew.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        let before = current.crew.take();
        if let Some(before) = &before {
            if let Some(suppressed) = OTHER_SETTINGS.pass() {
                tracing::info!(
                    threads = config.threads,
                    suppressed,
                    "compacting by other settings"
                );
            }
            before.tell_to_end();
        }
        let crew = Crew::new(config, before);
        current.crew = Some(Arc::clone(&crew));
        let weak = Arc::downgrade(self);
        crew.start(move |crew| Some(weak.upgrade()?.clean_dirtiest(crew)))
    }

    /// Ends the threads, and waits for them.
    pub fn stop(&self) {
        let crew = {
            let mut current = self.crew.lock();
            current.is_stopped = true;
            current.crew.take()
        };
        if let Some(crew) = crew {
            crew.tell_to_end();
            crew.join();
        }
    }

    /// Cleans the log that needs it most, if any does. Returns whether there may be more to do.
    pub fn clean_dirtiest(&self, crew: &Crew) -> bool {
        for (partition, _) in self.due() {
            let name = partition.name();
            let is_done = self
                .dirs
                .outlive_bugs("compaction", &name, || self.clean_if_due(crew, &partition));
            if is_done.is_none() {
                self.set_apart(&partition);
                // If the bug came in the midst of a swap, this takes the log offline.
                let _ = partition.with_log(Log::check_swapped);
            }
            if crew.is_ending() {
                return false;
            }
            if is_done == Some(true) {
                return true;
            }
        }
        false
    }

    /// Cleans one log, if nobody else is at it, and applies its retention. Returns whether the log is as clean
    /// as it can be.
    fn clean_if_due(&self, crew: &Crew, partition: &Arc<Partition>) -> bool {
        let Some(_upkeep) = partition.begin_upkeep() else {
            return false;
        };
        // Another thread may have just cleaned it, or a move may have begun.
        let Some(target) = self.due_target(partition) else {
            return false;
        };
        let is_done = self.clean_one(crew, partition, &target);
        // This is due after a pass that ended early, too: another crew may find the log clean.
        self.dirs.queue_removal(partition);
        self.dirs.write_checkpoints(&[CheckpointKind::Cleaned]);
        if !crew.is_ending() {
            retention::apply_to(&self.dirs, partition);
        }
        is_done
    }

    /// The partitions that are due: those that are overdue first, then the dirtiest.
    pub fn due(&self) -> Vec<(Arc<Partition>, CleanTarget)> {
        let online = self.hosted.online();
        self.forget_those_gone(&online);
        let mut due: Vec<_> = online
            .into_iter()
            .filter(|partition| !self.dirs.hangs(partition) && partition.is_compacted())
            .filter_map(|partition| {
                let name = partition.name();
                let target =
                    self.dirs
                        .outlive_bugs("a look for what to compact", &name, || {
                            self.due_target(&partition)
                        })??;
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
        // A pass writes before it removes: on a full disk it would use up the reserve.
        let must_wait =
            self.moves.has(&id) || partition.has_full_disk() || self.dirs.hangs(partition);
        if must_wait || self.set_apart.lock().contains(&id) {
            return None;
        }
        // What is not synced is not cleaned.
        self.dirs.queue_sync_if_due(partition);
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

    /// Cleans one log. The caller holds the partition's upkeep. Returns whether the log is as clean as it
    /// can be.
    fn clean_one(&self, crew: &Crew, partition: &Arc<Partition>, target: &CleanTarget) -> bool {
        let started = now();
        let settings = CleanSettings {
            max_decompressed_bytes: target.config.append.max_decompressed_batch_bytes,
            now: started.wall,
            secret: random_bytes(),
            ..settings_of(crew.config())
        };
        let mut control = PassControl {
            moves: &self.moves,
            crew,
            partition,
        };
        match clean(&Access(partition), &target.part, &settings, &mut control) {
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
        let Some(suppressed) = COMPACTED.pass() else {
            return;
        };
        tracing::info!(
            partition = %partition.name(),
            from = %target.part.first_dirty,
            to = %summary.end,
            keys = summary.keys,
            read_bytes = summary.read_bytes,
            written_bytes = summary.written_bytes,
            segments = summary.replaced_segments,
            took_ms = took.as_millis(),
            suppressed,
            "compacted"
        );
    }

    fn note_failed_pass(&self, partition: &Arc<Partition>, error: CleanError) {
        match error {
            CleanError::Aborted => {
                tracing::info!(partition = %partition.name(), "compaction was given up");
            }
            // The disk may have room the next time.
            CleanError::Storage(error @ StorageError::Full { .. }) => {
                tracing::warn!(partition = %partition.name(), %error, "compaction was given up");
            }
            CleanError::Storage(
                error @ (StorageError::Corrupt { .. } | StorageError::Io { .. }),
            ) => self.dirs.note_failed_chore(partition, &error.into()),
            error => {
                tracing::error!(partition = %partition.name(), %error, "compaction leaves the partition alone until the next start");
                self.set_apart(partition);
            }
        }
    }

    /// Leaves the partition alone until the next start.
    fn set_apart(&self, partition: &Partition) {
        let mut set_apart = self.set_apart.lock();
        set_apart.insert(partition.id());
        let count = i64::try_from(set_apart.len()).unwrap_or(i64::MAX);
        self.metrics.cleaner.uncleanable_partitions.set(count);
    }

    fn forget_those_gone(&self, online: &[Arc<Partition>]) {
        let mut set_apart = self.set_apart.lock();
        if set_apart.is_empty() {
            return;
        }
        let here: BTreeSet<_> = online.iter().map(|partition| partition.id()).collect();
        set_apart.retain(|id| here.contains(id));
        let count = i64::try_from(set_apart.len()).unwrap_or(i64::MAX);
        self.metrics.cleaner.uncleanable_partitions.set(count);
    }
}

impl Drop for Cleaner {
    fn drop(&mut self) {
        // The threads end as soon as they can; nobody waits for them.
        if let Some(crew) = &self.crew.lock().crew {
            crew.tell_to_end();
        }
    }
}

/// A pass's access to the log of a partition.
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

/// Keeps a pass within the rate. Ends it with the crew or the partition, and before a move.
struct PassControl<'s> {
    moves: &'s Moves,
    crew: &'s Crew,
    partition: &'s Partition,
}

impl CleanControl for PassControl<'_> {
    fn go_on(&mut self, bytes: u64) -> bool {
        let is_ending = self.crew.wait_for_turn(bytes);
        let is_moving = self.moves.has(&self.partition.id());
        !is_ending && !is_moving && self.partition.is_running()
    }
}

/// A thread's share of what the config allows all threads together.
fn settings_of(config: &CleanerConfig) -> CleanSettings {
    let threads = config.threads.max(1);
    let io_bytes = usize::try_from(config.io_buffer_size / threads / 2).unwrap_or(0);
    CleanSettings {
        map_bytes: u64::try_from(config.dedupe_buffer_size / i64::from(threads)).unwrap_or(0),
        load_factor: config.io_buffer_load_factor,
        io_bytes: io_bytes.max(LEAST_IO_BYTES),
        max_decompressed_bytes: 0,
        secret: [0; 16],
        now: Timestamp::NONE,
    }
}
