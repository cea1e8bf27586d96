//! Which replicas are on their way between the log directories of this broker, and the threads that
//! carry them there. What a step of a move is, is [`super::relocation_driver`]'s.
//!
//! There are `num.replica.alter.log.dirs.threads` of them, from the first move on; they share a rate,
//! and no two are at one move.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use std::{io, thread};

use parking_lot::{Condvar, Mutex};

use super::data_dir_driver::DataDir;
use super::driver::{Shared, now};
use super::housekeeping_driver::join_others;
use crate::model::{DirectoryId, TopicIdPartition, TopicPartition};
use crate::storage::log::Log;

/// How long a thread sleeps when all moves wait for the controller and nobody wakes it.
const IDLE_PAUSE: Duration = Duration::from_millis(100);

/// The moves of this broker.
#[derive(Default)]
pub(super) struct Moves {
    state: Mutex<MovesState>,
    changed: Condvar,
}

#[derive(Default)]
struct MovesState {
    moves: BTreeMap<TopicIdPartition, Arc<Move>>,
    /// Where partitions are to be made that are not here yet.
    preferred: BTreeMap<TopicPartition, DirectoryId>,
    threads: Vec<thread::JoinHandle<()>>,
    /// When the rate allows the next copying.
    free_at: Option<Instant>,
    /// Counts what a sleeping thread should look at.
    wakes: u64,
    is_stopped: bool,
}

/// One replica on its way to another directory.
pub(super) struct Move {
    pub(super) id: TopicIdPartition,
    pub(super) name: TopicPartition,
    pub(super) to: Arc<DataDir>,
    /// `None` once it has taken the log's place, or was given up.
    pub(super) copy: Mutex<Option<Log>>,
    end_offset: AtomicI64,
    size: AtomicU64,
    /// No compaction is under way that began before the move: what it cleans would count for a copy
    /// that was made of what was there before.
    pub(super) is_alone: AtomicBool,
    /// An earlier process began it. The log may have been compacted since, while nobody knew of the
    /// copy, so what is compacted of the log says nothing about it.
    pub(super) is_resumed: bool,
    /// The controller was told.
    pub(super) is_told: AtomicBool,
}

impl Move {
    /// Begins with what a copy has.
    pub(super) fn new(
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
    pub(super) fn progress(&self) -> (i64, u64) {
        let end_offset = self.end_offset.load(Ordering::Relaxed);
        (end_offset, self.size.load(Ordering::Relaxed))
    }

    /// Notes how far the copy is.
    pub(super) fn note(&self, copy: &Log) {
        self.end_offset
            .store(copy.end_offset().0, Ordering::Relaxed);
        self.size.store(copy.size(), Ordering::Relaxed);
    }
}

impl Moves {
    /// The move of a partition.
    pub(super) fn of(&self, id: &TopicIdPartition) -> Option<Arc<Move>> {
        self.state.lock().moves.get(id).cloned()
    }

    /// Whether a partition moves.
    pub(super) fn has(&self, id: &TopicIdPartition) -> bool {
        self.state.lock().moves.contains_key(id)
    }

    /// All moves.
    pub(super) fn all(&self) -> Vec<Arc<Move>> {
        self.state.lock().moves.values().cloned().collect()
    }

    /// Where a partition that is not here yet is to be made.
    pub(super) fn prefer(&self, partition: TopicPartition, directory: DirectoryId) {
        self.state.lock().preferred.insert(partition, directory);
    }

    /// Takes what [`Self::prefer`] said.
    pub(super) fn take_preferred(&self, partition: &TopicPartition) -> Option<DirectoryId> {
        self.state.lock().preferred.remove(partition)
    }

    /// Wakes the threads: the metadata changed.
    pub(super) fn wake(&self) {
        self.state.lock().wakes += 1;
        self.changed.notify_all();
    }

    /// Adds a move, and wakes the threads.
    pub(super) fn insert(&self, moving: &Arc<Move>) {
        let mut state = self.state.lock();
        state.moves.insert(moving.id, Arc::clone(moving));
        state.wakes += 1;
        self.changed.notify_all();
    }

    /// Takes a move out, if it is still the partition's.
    pub(super) fn forget(&self, moving: &Arc<Move>) -> bool {
        let mut state = self.state.lock();
        let is_current = state
            .moves
            .get(&moving.id)
            .is_some_and(|it| Arc::ptr_eq(it, moving));
        is_current && state.moves.remove(&moving.id).is_some()
    }

    /// Whether a move is still the partition's.
    pub(super) fn is_current(&self, moving: &Arc<Move>) -> bool {
        self.of(&moving.id)
            .is_some_and(|current| Arc::ptr_eq(&current, moving))
    }

    /// Ends the threads, and waits for them.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        state.is_stopped = true;
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        self.changed.notify_all();
        join_others(threads);
    }

    /// Takes what was copied out of what the rate allows: until when to pause.
    fn spend(&self, copied: u64, bytes_per_second: u64, started: Instant) -> Instant {
        let nanos = u128::from(copied) * 1_000_000_000 / u128::from(bytes_per_second);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let mut state = self.state.lock();
        let begin = state.free_at.filter(|&at| at > started).unwrap_or(started);
        let end = begin.checked_add(cost).unwrap_or(begin);
        state.free_at = Some(end);
        end
    }

    /// Waits for something to do, at most until `deadline`. True: the thread is to end.
    fn wait(&self, seen: &mut u64, deadline: Option<Instant>) -> bool {
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

    /// Waits until `deadline`, whatever happens. True: the thread is to end.
    fn pause(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        while !state.is_stopped {
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state.is_stopped
    }
}

/// Starts the threads that do not run yet.
///
/// # Errors
/// None runs, and the system starts none.
pub(super) fn ensure_threads(shared: &Arc<Shared>) -> io::Result<()> {
    let mut state = shared.moves.state.lock();
    let count = shared.settings.load().storage.move_threads();
    while state.threads.len() < count && !state.is_stopped {
        let (moves, weak) = (Arc::clone(&shared.moves), Arc::downgrade(shared));
        let number = state.threads.len();
        let builder = thread::Builder::new().name(format!("log-dir-moves-{number}"));
        match builder.spawn(move || run(&moves, &weak)) {
            Ok(thread) => state.threads.push(thread),
            Err(error) if number == 0 => return Err(error),
            // Those that run do it all; the next move tries again.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

fn run(moves: &Moves, shared: &Weak<Shared>) {
    let mut seen = 0;
    loop {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let started = now().instant;
        let under_way = moves.all();
        let copied: u64 = under_way.iter().map(|moving| shared.advance(moving)).sum();
        let rate = shared.copy_rate();
        drop(shared);
        let is_stopped = if copied > 0 {
            moves.pause(moves.spend(copied, rate, started))
        } else {
            let is_idle = under_way.is_empty();
            moves.wait(&mut seen, (!is_idle).then(|| started + IDLE_PAUSE))
        };
        if is_stopped {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_all_threads_together() {
        let (moves, start) = (Moves::default(), Instant::now());
        let second = Duration::from_secs(1);

        assert_eq!(moves.spend(1_000, 1_000, start), start + second);
        assert_eq!(moves.spend(2_000, 1_000, start), start + 3 * second);
        let later = start + 10 * second;
        assert_eq!(moves.spend(500, 1_000, later), later + second / 2);
    }
}
