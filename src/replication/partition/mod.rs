//! One replica that this broker holds: its log, and its role, behind one short lock.
//!
//! Sequence check, offset assignment, the append and the log end move under the lock; validation
//! before it, reading and waking after it. Invariants: log start <= last stable <= high watermark
//! <= log end; within an epoch the high watermark never goes back; what is published to readers
//! without the lock is as old as the last change, never ahead of it. Every change of these offsets,
//! also one that failed, ends in [`Partition::finish`], which asserts their order.

mod append;
mod compaction;
mod delete_records;
mod fetch;
mod flush;
mod ledger;
mod offsets;
mod relocation;
mod retention;
mod role;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
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

pub use append::{Appended, LeaderWrite};
pub use compaction::{CleanTarget, Upkeep};
pub use fetch::{FetchPlan, FetchedRecords, Reader};
pub use offsets::{ListedOffset, OffsetQuery, OffsetSearch, Replicas};
pub use relocation::{ReadForCopy, append_copy};
pub use role::{IsrChange, RoleChange, Stopped};

use ledger::ByteLedger;

/// The time, by both clocks: one for what is stored, one for what is measured.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The wall clock; it may jump.
    pub wall: Timestamp,
    /// The clock that only goes forward.
    pub instant: Instant,
}

/// The settings of a partition that are not its log's alone. Shared by the partitions of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionConfig {
    /// The settings of the log.
    pub log: Arc<LogConfig>,
    /// What a client's batch must be like.
    pub append: AppendPolicy,
    /// `min.insync.replicas`.
    pub min_insync_replicas: i32,
    /// `replica.lag.time.max.ms`.
    pub max_lag: Duration,
    /// `transaction.partition.verification.enable`.
    pub verifies_transactions: bool,
}

impl PartitionConfig {
    /// Whether a write counts only once it is on stable storage: `flush.messages=1`.
    pub fn syncs_writes(&self) -> bool {
        self.log.flush_messages <= 1
    }

    /// Whether `cleanup.policy` lets records be deleted from the front.
    pub fn deletes_records(&self) -> bool {
        self.log.delete || !self.log.compact
    }
}

/// How to wait for a lock that is held for long: runs the closure that waits, in such a way that no
/// other task of this thread's runtime is held up.
pub type WaitElsewhere = fn(&mut dyn FnMut());

/// How long a worker waits for the lock itself: on a sound disk no holder keeps it for so long.
const LOCK_PATIENCE: Duration = Duration::from_millis(5);

/// One replica on this broker.
#[derive(Debug)]
pub struct Partition {
    id: TopicIdPartition,
    name: TopicPartition,
    /// Changed under the lock, with the log.
    dir: ArcSwap<LogDir>,
    state: Mutex<State>,
    /// Held while the log is synced.
    flushing: Mutex<()>,
    wait_elsewhere: WaitElsewhere,
    watchers: Arc<Watchers>,
    published: Published,
    /// Retention or compaction is at work on the log: one at a time.
    is_in_upkeep: AtomicBool,
    /// It is in its disk's queue of logs to sync.
    is_flush_queued: AtomicBool,
}

#[derive(Debug)]
struct State {
    log: Log,
    role: Role,
    leader: BrokerId,
    leader_epoch: LeaderEpoch,
    partition_epoch: i32,
    high_watermark: Offset,
    last_stable_offset: Offset,
    ledger: ByteLedger,
    acks: PendingAcks,
    /// Who waits for deletions, by the low watermark.
    deletions: PendingAcks,
    /// Where the copy begins that is to take the log's place in another directory.
    copy_start: Option<Offset>,
    config: Arc<PartitionConfig>,
}

#[derive(Debug)]
enum Role {
    Leader(Leadership),
    Follower,
    Stopped(Stopped),
}

/// What is read without the lock: by metrics, checkpoints and requests that describe it.
#[derive(Debug, Default)]
struct Published {
    high_watermark: AtomicI64,
    end_offset: AtomicI64,
    log_start_offset: AtomicI64,
}

/// What a change means to those who wait. Nothing is lost if it is told late.
#[must_use = "those who wait must be told"]
#[derive(Debug, Default)]
pub(super) struct News {
    advance: Option<Advance>,
    woken: Woken,
}

impl Partition {
    /// A replica without a role yet, as it was found or made in `dir`. `checkpointed` is the high
    /// watermark from the checkpoint, a hint that is bounded by the log.
    pub fn new(
        id: TopicIdPartition,
        name: TopicPartition,
        dir: Arc<LogDir>,
        mut log: Log,
        checkpointed: Offset,
        config: Arc<PartitionConfig>,
        wait_elsewhere: WaitElsewhere,
    ) -> Self {
        let high_watermark = checkpointed.clamp(log.log_start_offset(), log.end_offset());
        log.on_high_watermark(high_watermark);
        let mut state = State {
            role: Role::Follower,
            leader: BrokerId::NONE,
            leader_epoch: LeaderEpoch::NONE,
            partition_epoch: -1,
            high_watermark,
            last_stable_offset: high_watermark,
            ledger: ByteLedger::default(),
            acks: PendingAcks::default(),
            deletions: PendingAcks::default(),
            copy_start: None,
            config,
            log,
        };
        state.last_stable_offset = state.computed_last_stable_offset();
        let this = Self {
            id,
            name,
            dir: ArcSwap::new(dir),
            flushing: Mutex::default(),
            wait_elsewhere,
            published: Published::default(),
            watchers: Arc::default(),
            is_in_upkeep: AtomicBool::new(false),
            is_flush_queued: AtomicBool::new(false),
            state: Mutex::new(state),
        };
        this.publish(&this.state.lock());
        this
    }

    /// Its topic's id and its index.
    pub fn id(&self) -> TopicIdPartition {
        self.id
    }

    /// Its topic's name and its index.
    pub fn name(&self) -> &TopicPartition {
        &self.name
    }

    /// The log directory it lies in.
    pub fn dir(&self) -> Arc<LogDir> {
        self.dir.load_full()
    }

    /// Tells its log directory from others.
    pub fn dir_address(&self) -> *const LogDir {
        Arc::as_ptr(&self.dir.load())
    }

    /// Whether its disk is full: what can be refused is refused.
    pub fn has_full_disk(&self) -> bool {
        self.dir.load().is_full()
    }

    /// Whether it lies in this log directory.
    pub fn is_in(&self, dir: &Arc<LogDir>) -> bool {
        Arc::ptr_eq(&self.dir.load(), dir)
    }

    /// Who is told of news.
    pub fn watchers(&self) -> &Arc<Watchers> {
        &self.watchers
    }

    /// The high watermark, without the lock.
    pub fn high_watermark(&self) -> Offset {
        Offset(self.published.high_watermark.load(Ordering::Acquire))
    }

    /// The log end offset, without the lock.
    pub fn end_offset(&self) -> Offset {
        Offset(self.published.end_offset.load(Ordering::Acquire))
    }

    /// The log start offset, without the lock.
    pub fn log_start_offset(&self) -> Offset {
        Offset(self.published.log_start_offset.load(Ordering::Acquire))
    }

    /// Runs something on the log under the partition's lock: housekeeping of the driver. It must not
    /// append or truncate. Fails when the partition was stopped.
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

    /// The settings that hold now.
    pub fn config(&self) -> Arc<PartitionConfig> {
        Arc::clone(&self.lock().config)
    }

    /// Takes over other settings.
    pub fn set_config(&self, config: Arc<PartitionConfig>, now: Moment) {
        let mut state = self.state.lock();
        state.log.set_config(Arc::clone(&config.log));
        state.config = config;
        // min.insync.replicas may be lower now.
        let news = state.advance(now.instant);
        self.finish(state, news);
    }

    /// Forgets idle producers, after `producer.id.expiration.ms`.
    pub fn expire_producers(&self, now: Timestamp) {
        let mut state = self.state.lock();
        let after_ms = state.config.log.producer_id_expiration_ms;
        if !state.log.producers().is_empty() {
            state.log.producers_mut().expire(now, after_ms);
        }
    }

    /// The lock, for callers on a worker of the runtime: an append that hangs in the disk holds the
    /// lock for as long.
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

    /// Publishes, gives the lock back, and tells those who wait.
    fn finish(&self, state: MutexGuard<'_, State>, news: News) {
        self.publish(&state);
        drop(state);
        let mut woken = news.woken;
        if let Some(advance) = news.advance {
            woken.extend(self.watchers.notify(&advance));
        }
        woken.wake();
    }

    /// What others are about to see must hold.
    fn publish(&self, state: &State) {
        state.assert_order();
        let published = &self.published;
        let start = state.log.log_start_offset();
        published.log_start_offset.store(start.0, Ordering::Release);
        published
            .end_offset
            .store(state.log.end_offset().0, Ordering::Release);
        published
            .high_watermark
            .store(state.high_watermark.0, Ordering::Release);
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

    /// The end of what counts as written here.
    fn counted_end_offset(&self) -> Offset {
        if self.config.syncs_writes() {
            self.log.flushed_offset()
        } else {
            self.log.end_offset()
        }
    }

    /// Moves the high watermark as far as the replicas allow; a follower's stays.
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
            // How much lay behind the open transaction was not counted.
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

    /// Lowers what follows the log after it was cut, and starts over with it.
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
