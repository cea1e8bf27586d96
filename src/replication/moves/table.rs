//! The replicas that move between the log directories of this broker, and the sleep of the threads that
//! move them. [`super::steps`] has the steps of a move.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::model::{DirectoryId, TopicIdPartition, TopicPartition};
use crate::replication::dirs::DataDir;
use crate::storage::log::Log;

/// The moves of this broker, by partition.
#[derive(Default)]
pub struct MoveTable {
    state: Mutex<TableState>,
    changed: Condvar,
}

#[derive(Default)]
struct TableState {
    moves: BTreeMap<TopicIdPartition, Arc<Move>>,
    /// The directories in which partitions that are not here yet are to be made.
    preferred: BTreeMap<TopicPartition, DirectoryId>,
    /// Counts the events that a sleeping thread should look at.
    wakes: u64,
    is_stopped: bool,
}

/// A replica that moves to another directory.
pub struct Move {
    pub id: TopicIdPartition,
    pub name: TopicPartition,
    pub to: Arc<DataDir>,
    /// The copy; `None` once it has taken the log's place, or was given up.
    pub copy: Mutex<Option<Log>>,
    end_offset: AtomicI64,
    size: AtomicU64,
    /// Whether no compaction is under way that began before the move: the cleaned offset which that sets
    /// would count for the copy, which was made of the records before.
    pub is_alone: AtomicBool,
    /// Whether an earlier process began the move. The log may have been compacted while nobody knew of the
    /// copy, so the log's cleaned offset says nothing about it.
    pub is_resumed: bool,
    /// Whether the controller was told of the new directory.
    pub is_told: AtomicBool,
}

impl Move {
    /// A move whose copy has these offsets already.
    pub fn new(
        id: TopicIdPartition,
        name: TopicPartition,
        to: &Arc<DataDir>,
        copy: Log,
        is_resumed: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            name,
            to: Arc::clone(to),
            end_offset: AtomicI64::new(copy.end_offset().0),
            size: AtomicU64::new(copy.size()),
            copy: Mutex::new(Some(copy)),
            is_alone: AtomicBool::new(false),
            is_resumed,
            is_told: AtomicBool::new(false),
        })
    }

    /// Where the copy ends, and its size in bytes.
    pub fn progress(&self) -> (i64, u64) {
        let end_offset = self.end_offset.load(Ordering::Relaxed);
        (end_offset, self.size.load(Ordering::Relaxed))
    }

    /// Notes how far the copy is.
    pub fn note(&self, copy: &Log) {
        self.end_offset
            .store(copy.end_offset().0, Ordering::Relaxed);
        self.size.store(copy.size(), Ordering::Relaxed);
    }
}

impl MoveTable {
    /// The move of a partition.
    pub fn of(&self, id: &TopicIdPartition) -> Option<Arc<Move>> {
        self.state.lock().moves.get(id).cloned()
    }

    /// Whether a partition is moving.
    pub fn has(&self, id: &TopicIdPartition) -> bool {
        self.state.lock().moves.contains_key(id)
    }

    /// All moves.
    pub fn all(&self) -> Vec<Arc<Move>> {
        self.state.lock().moves.values().cloned().collect()
    }

    /// Remembers the directory in which a partition that is not here yet is to be made.
    pub fn prefer(&self, partition: TopicPartition, directory: DirectoryId) {
        self.state.lock().preferred.insert(partition, directory);
    }

    /// Takes what [`Self::prefer`] has remembered.
    pub fn take_preferred(&self, partition: &TopicPartition) -> Option<DirectoryId> {
        self.state.lock().preferred.remove(partition)
    }

    /// Wakes the threads, because the metadata has changed.
    pub fn wake(&self) {
        self.state.lock().wakes += 1;
        self.changed.notify_all();
    }

    /// Adds a move, and wakes the threads.
    pub fn insert(&self, moving: &Arc<Move>) {
        let mut state = self.state.lock();
        state.moves.insert(moving.id, Arc::clone(moving));
        state.wakes += 1;
        self.changed.notify_all();
    }

    /// Takes a move out, if the partition still has this one.
    pub fn forget(&self, moving: &Arc<Move>) -> bool {
        let mut state = self.state.lock();
        let is_current = state
            .moves
            .get(&moving.id)
            .is_some_and(|it| Arc::ptr_eq(it, moving));
        is_current && state.moves.remove(&moving.id).is_some()
    }

    /// Whether the partition still has this move.
    pub fn is_current(&self, moving: &Arc<Move>) -> bool {
        self.of(&moving.id)
            .is_some_and(|current| Arc::ptr_eq(&current, moving))
    }

    /// Whether the threads should end.
    pub fn is_stopped(&self) -> bool {
        self.state.lock().is_stopped
    }

    /// Tells the threads to end.
    pub fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.changed.notify_all();
    }

    /// Waits for something to do, at most until `deadline`. Returns whether the thread should end.
    pub fn wait(&self, seen: &mut u64, deadline: Option<Instant>) -> bool {
        let mut state = self.state.lock();
        while !state.is_stopped && state.wakes == *seen {
            match deadline {
                None => self.changed.wait(&mut state),
                Some(deadline) => {
                    if self.changed.wait_until(&mut state, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        *seen = state.wakes;
        state.is_stopped
    }

    /// Waits until `deadline`, whatever happens. Returns whether the thread should end.
    pub fn pause(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        while !state.is_stopped {
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state.is_stopped
    }
}
