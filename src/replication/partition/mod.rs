//! One replica that this broker holds: its log, and its role, behind one short lock.
//!
//! Sequence check, offset assignment, append and log end move under the lock; validation comes before it,
//! reading and waking after it. Invariants: log start <= last stable <= high watermark <= log end; within
//! an epoch the high watermark never goes back; what readers see without the lock is as of the last change,
//! never ahead of it. Every change of these offsets, even one that failed, ends in [`Partition::finish`],
//! which asserts their order.

mod append;
mod compaction;
mod delete_records;
mod fetch;
mod flush;
mod follow;
mod offsets;
mod published;
mod relocation;
mod retention;
mod role;
mod throttled;
mod uncommitted_bytes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, MutexGuard};

use crate::model::{BrokerId, LeaderEpoch, Offset, Timestamp, TopicIdPartition, TopicPartition};
use crate::records::validate::AppendPolicy;
use crate::replication::delayed::{AckOutcome, Advance, PendingAcks, Watchers, Woken};
use crate::replication::error::ReplicaError;
use crate::replication::high_watermark::effective_min_in_sync;
use crate::replication::leadership::Leadership;
use crate::storage::error::StorageError;
use crate::storage::log::Log;
use crate::storage::log_config::LogConfig;
use crate::storage::log_dir::LogDir;
use crate::telemetry::TopicTraffic;

pub use crate::metadata::IsrChange;
pub use append::{Appended, LeaderWrite};
pub use compaction::{CleanTarget, UpkeepRight};
pub use fetch::{FetchPlan, FetchedRecords, Reader};
pub use follow::{Cut, CutLog, CutPlan, Fetched, FollowerAppend, FollowerEnd, ReplicaNumber};
pub use offsets::{ListedOffset, OffsetQuery, OffsetSearch, Replicas};
pub use relocation::{ReadForCopy, append_copy};
pub use role::{Heard, RoleChange, Stopped};
pub use throttled::ThrottledPartitions;

use published::Published;
use uncommitted_bytes::UncommittedBytes;

/// The current time by both clocks: one for what is stored, one for what is measured.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The wall clock, which may jump.
    pub wall: Timestamp,
    /// The monotonic clock.
    pub instant: Instant,
}

/// The settings of a partition, of its log and others. The partitions of a topic share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionConfig {
    /// The settings of the log.
    pub log: Arc<LogConfig>,
    /// The rules for batches of clients.
    pub append: AppendPolicy,
    /// `min.insync.replicas`.
    pub min_insync_replicas: i32,
    /// `replica.lag.time.max.ms`.
    pub max_lag: Duration,
    /// `transaction.partition.verification.enable`.
    pub verifies_transactions: bool,
    /// Those whose followers are throttled (`leader.replication.throttled.replicas`).
    pub throttled_as_leader: ThrottledPartitions,
    /// Those that are throttled when they follow (`follower.replication.throttled.replicas`).
    pub throttled_as_follower: ThrottledPartitions,
}

impl PartitionConfig {
    /// Whether a write counts only when it is on stable storage (`flush.messages=1`).
    pub fn syncs_writes(&self) -> bool {
        self.log.flush_messages <= 1
    }

    /// Whether `cleanup.policy` lets records be deleted from the front.
    pub fn deletes_records(&self) -> bool {
        self.log.delete || !self.log.compact
    }
}

/// How to wait for a lock that may be held for long: it runs the closure that waits, and makes sure that no
/// other task of this thread's runtime is held up.
pub type WaitElsewhere = fn(&mut dyn FnMut());

/// How long a worker waits for the lock by itself: on a sound disk nobody holds it for longer.
const LOCK_PATIENCE: Duration = Duration::from_millis(5);

/// One replica on this broker.
#[derive(Debug)]
pub struct Partition {
    id: TopicIdPartition,
    number: ReplicaNumber,
    name: TopicPartition,
    /// The log directory. It changes under the lock, with the log.
    dir: ArcSwap<LogDir>,
    state: Mutex<State>,
    /// Held while the log is synced.
    flushing: Mutex<()>,
    wait_elsewhere: WaitElsewhere,
    watchers: Arc<Watchers>,
    published: Published,
    /// Whether retention or compaction is at work on the log: only one of them at a time.
    is_in_upkeep: AtomicBool,
    /// Whether the partition is in its directory's queue of syncs.
    is_flush_queued: AtomicBool,
    /// Whether the log lacks what the leader has committed, and the controller takes the replica for lost
    /// until it has it.
    is_healing: AtomicBool,
    /// Whether the log has all that this replica ever told others it has, as far as is known without
    /// reading it.
    is_complete: AtomicBool,
    /// Whether the partition waits to be brought in line with the metadata, because its disk hangs.
    is_settled_late: AtomicBool,
    /// What is written and read of the topic here; set when the partition is hosted.
    traffic: OnceLock<Arc<TopicTraffic>>,
}

#[derive(Debug)]
struct State {
    log: Log,
    role: Role,
    leader: BrokerId,
    leader_epoch: LeaderEpoch,
    partition_epoch: i32,
    high_watermark: Offset,
    /// What the leader of this epoch had committed by its last answer.
    leader_high_watermark: Offset,
    last_stable_offset: Offset,
    ledger: UncommittedBytes,
    acks: PendingAcks,
    /// Requests that wait for deletions, by the low watermark that they need.
    deletions: PendingAcks,
    /// The start of the copy that is to take the log's place in another directory.
    copy_start: Option<Offset>,
    /// As long as a cut of the log is planned, in this leader epoch: no checkpoint may say more of the log
    /// than this.
    cutting_to: Option<(LeaderEpoch, Offset)>,
    config: Arc<PartitionConfig>,
}

#[derive(Debug)]
enum Role {
    Leader(Leadership),
    Follower,
    Stopped(Stopped),
}

/// What a change means to those who wait. Nothing is lost if they are told late.
#[must_use = "those who wait must be told"]
#[derive(Debug, Default)]
pub(super) struct News {
    advance: Option<Advance>,
    woken: Woken,
}

impl Partition {
    /// A replica without a role yet, as it was found or made in `dir`. `checkpointed` is the high watermark
    /// from the checkpoint: a hint, bounded by the log.
    pub fn new(
        id: TopicIdPartition,
        name: TopicPartition,
        dir: Arc<LogDir>,
        mut log: Log,
        checkpointed: Offset,
        config: Arc<PartitionConfig>,
        wait_elsewhere: WaitElsewhere,
    ) -> Self {
        // A crash may have taken batches that were below the high watermark, or a deletion may have moved
        // the start.
        let high_watermark = checkpointed.clamp(log.log_start_offset(), log.end_offset());
        log.on_high_watermark(high_watermark);
        let mut state = State {
            role: Role::Follower,
            leader: BrokerId::NONE,
            leader_epoch: LeaderEpoch::NONE,
            partition_epoch: -1,
            high_watermark,
            leader_high_watermark: Offset::ZERO,
            last_stable_offset: high_watermark,
            ledger: UncommittedBytes::default(),
            acks: PendingAcks::default(),
            deletions: PendingAcks::default(),
            copy_start: None,
            cutting_to: None,
            config,
            log,
        };
        state.last_stable_offset = state.computed_last_stable_offset();
        let this = Self {
            id,
            number: ReplicaNumber::next(),
            name,
            dir: ArcSwap::new(dir),
            flushing: Mutex::default(),
            wait_elsewhere,
            published: Published::default(),
            watchers: Arc::default(),
            is_in_upkeep: AtomicBool::new(false),
            is_flush_queued: AtomicBool::new(false),
            is_healing: AtomicBool::new(false),
            is_complete: AtomicBool::new(false),
            is_settled_late: AtomicBool::new(false),
            traffic: OnceLock::new(),
            state: Mutex::new(state),
        };
        this.publish(&this.state.lock());
        this
    }

    /// The topic's id and the partition's index.
    pub fn id(&self) -> TopicIdPartition {
        self.id
    }

    /// Tells this replica from others of the partition that were here before.
    pub fn number(&self) -> ReplicaNumber {
        self.number
    }

    /// The topic's name and the partition's index.
    pub fn name(&self) -> &TopicPartition {
        &self.name
    }

    /// Lets the partition count what is written and read of it with others of its topic. Only the first time
    /// counts.
    pub fn share_traffic(&self, traffic: &Arc<TopicTraffic>) {
        // Who puts the same partition into the table again has the same traffic for it.
        let _ = self.traffic.set(Arc::clone(traffic));
    }

    /// The traffic of the topic, once the partition is hosted.
    pub fn traffic(&self) -> Option<&Arc<TopicTraffic>> {
        self.traffic.get()
    }

    /// The log directory that the partition lies in.
    pub fn dir(&self) -> Arc<LogDir> {
        self.dir.load_full()
    }

    /// The address of the log directory, by which it is told from others.
    pub fn dir_address(&self) -> *const LogDir {
        Arc::as_ptr(&self.dir.load())
    }

    /// Whether the disk is full: writes that can be refused are refused.
    pub fn has_full_disk(&self) -> bool {
        self.dir.load().is_full()
    }

    /// Whether the partition lies in this log directory.
    pub fn is_in(&self, dir: &Arc<LogDir>) -> bool {
        Arc::ptr_eq(&self.dir.load(), dir)
    }

    /// Notes that the controller takes this replica for lost until it has caught up with its leader.
    pub fn begin_healing(&self) {
        self.is_healing.store(true, Ordering::Release);
        self.is_complete.store(false, Ordering::Release);
    }

    /// Notes that the log has all that it had in earlier processes.
    pub fn note_complete(&self) {
        self.is_complete.store(true, Ordering::Release);
    }

    /// Whether the log is known to have all that this replica ever had, but for damage that nobody has read.
    pub fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
    }

    /// Whether the controller takes this replica for lost, see [`Self::begin_healing`].
    pub fn is_healing(&self) -> bool {
        self.is_healing.load(Ordering::Acquire)
    }

    /// Notes that the log ends at `end_offset`, and that the leader has committed up to `high_watermark`.
    /// Returns true once: when that ends the healing.
    pub fn ends_healing(&self, end_offset: Offset, high_watermark: Offset) -> bool {
        let is_over = end_offset >= high_watermark
            && self.is_healing()
            && self.is_healing.swap(false, Ordering::AcqRel);
        if is_over {
            self.note_complete();
        }
        is_over
    }

    /// The Fetches that watch the partition.
    pub fn watchers(&self) -> &Arc<Watchers> {
        &self.watchers
    }

    /// Runs `act` on the log under the partition's lock, for maintenance. It must not append or truncate.
    /// It fails after the partition was stopped.
    pub fn with_log<T>(
        &self,
        act: impl FnOnce(&mut Log) -> Result<T, StorageError>,
    ) -> Result<T, ReplicaError> {
        let mut state = self.state.lock();
        state.check_running()?;
        let done = act(&mut state.log);
        self.finish(state, News::default());
        Ok(done?)
    }

    /// The current settings.
    pub fn config(&self) -> Arc<PartitionConfig> {
        Arc::clone(&self.lock().config)
    }

    /// Takes over other settings.
    pub fn set_config(&self, config: Arc<PartitionConfig>, now: Moment) {
        let mut state = self.state.lock();
        state.log.set_config(Arc::clone(&config.log));
        state.config = config;
        // A lower min.insync.replicas may let the high watermark move.
        let news = state.advance(now.instant);
        self.finish(state, news);
    }

    /// Forgets producers that were idle for `producer.id.expiration.ms`.
    pub fn expire_producers(&self, now: Timestamp) {
        let mut state = self.state.lock();
        let after_ms = state.config.log.producer_id_expiration_ms;
        if !state.log.producers().is_empty() {
            state.log.producers_mut().expire(now, after_ms);
        }
    }

    /// Whether the lock can be had: else an append hangs in the disk.
    pub fn is_free(&self) -> bool {
        self.state.try_lock_for(LOCK_PATIENCE).is_some()
    }

    /// Whether the caller must have the partition settled late. False if it waits for that already.
    pub fn begin_late_settling(&self) -> bool {
        !self.is_settled_late.swap(true, Ordering::AcqRel)
    }

    /// Notes that the partition is about to be settled: what changes from now on needs another turn.
    pub fn end_late_settling(&self) {
        self.is_settled_late.store(false, Ordering::Release);
    }

    /// The lock, for callers on a worker of the runtime: an append that hangs in the disk holds it for as
    /// long.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .try_lock_for(LOCK_PATIENCE)
            .unwrap_or_else(|| self.lock_elsewhere())
    }

    #[cold]
    fn lock_elsewhere(&self) -> MutexGuard<'_, State> {
        let mut locked = None;
        (self.wait_elsewhere)(&mut || locked = Some(self.state.lock()));
        locked.expect("what waits was run")
    }

    /// Publishes the offsets, releases the lock, and tells those who wait.
    fn finish(&self, state: MutexGuard<'_, State>, news: News) {
        self.publish(&state);
        drop(state);
        let mut woken = news.woken;
        if let Some(advance) = news.advance {
            woken.extend(self.watchers.notify(&advance));
        }
        woken.wake();
    }
}

impl State {
    fn assert_order(&self) {
        let (start, end) = (self.log.log_start_offset(), self.log.end_offset());
        let (stable, committed) = (self.last_stable_offset, self.high_watermark);
        assert!(
            start <= stable && stable <= committed && committed <= end,
            "log start {start} <= last stable {stable} <= high watermark {committed} <= log end {end}"
        );
    }

    fn check_running(&self) -> Result<(), ReplicaError> {
        match &self.role {
            Role::Stopped(stopped) => Err(stopped.error()),
            Role::Leader(_) | Role::Follower => Ok(()),
        }
    }

    fn check_epoch(&self, asked: LeaderEpoch) -> Result<(), ReplicaError> {
        let current = self.leader_epoch;
        match asked {
            LeaderEpoch::NONE => Ok(()),
            older if older < current => Err(ReplicaError::FencedLeaderEpoch { asked, current }),
            newer if newer > current => Err(ReplicaError::UnknownLeaderEpoch { asked, current }),
            _ => Ok(()),
        }
    }

    /// The end of what counts as written on this replica.
    fn counted_end_offset(&self) -> Offset {
        if self.config.syncs_writes() {
            self.log.flushed_offset()
        } else {
            self.log.end_offset()
        }
    }

    /// Moves the high watermark as far as the replicas allow. A follower's stays.
    fn advance(&mut self, now: Instant) -> News {
        let Role::Leader(leadership) = &self.role else {
            return News::default();
        };
        let min_in_sync =
            effective_min_in_sync(self.config.min_insync_replicas, leadership.replica_count());
        let to = leadership.high_watermark(
            self.high_watermark,
            self.counted_end_offset(),
            min_in_sync,
            (now, self.config.max_lag),
        );
        let outcome = if leadership.maximal_isr_len() >= min_in_sync {
            AckOutcome::Committed
        } else {
            AckOutcome::NotEnoughReplicas
        };
        self.move_high_watermark(to, outcome)
    }

    fn move_high_watermark(&mut self, to: Offset, outcome: AckOutcome) -> News {
        if to <= self.high_watermark {
            return News::default();
        }
        assert!(
            to <= self.log.end_offset(),
            "what is committed is in the log"
        );
        let was_stable = self.last_stable_offset == self.high_watermark;
        let bytes = self.ledger.committed(to);
        self.high_watermark = to;
        self.log.on_high_watermark(to);
        let stable = self.computed_last_stable_offset();
        let last_stable_bytes = if stable <= self.last_stable_offset {
            0
        } else if was_stable && stable == to {
            bytes
        } else {
            // The bytes behind the open transaction were not counted.
            u64::MAX
        };
        self.last_stable_offset = stable.max(self.last_stable_offset);
        News {
            advance: Some(Advance {
                high_watermark_bytes: bytes,
                last_stable_bytes,
                ..Advance::default()
            }),
            woken: self.acks.advance(to, outcome),
        }
    }

    fn computed_last_stable_offset(&self) -> Offset {
        let unstable = self.log.first_unstable_offset();
        unstable.map_or(self.high_watermark, |offset| {
            offset.min(self.high_watermark)
        })
    }

    /// Lowers everything that follows the log after it was cut.
    fn follow_truncated_log(&mut self) {
        let (start, end) = (self.log.log_start_offset(), self.log.end_offset());
        self.high_watermark = self.high_watermark.clamp(start, end);
        self.log.on_high_watermark(self.high_watermark);
        self.last_stable_offset = self.computed_last_stable_offset();
        self.ledger.clear();
    }
}

#[cfg(test)]
mod tests;
