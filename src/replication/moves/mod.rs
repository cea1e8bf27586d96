//! Replicas that move between the log directories of this broker (AlterReplicaLogDirs, KIP-113), and the
//! threads that move them.
//!
//! Owns: the moves under way with their copies, the directories in which replicas that are not here yet are
//! to be made, the threads and the rate that they share. Handed: the table of partitions, the directories,
//! the settings, the listener. Invariant: a partition has at most one move, and only one thread works on it
//! at a time.
//!
//! The `num.replica.alter.log.dirs.threads` threads start with the first move.

mod alter;
mod copy;
mod steps;
mod table;

use std::io;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::model::{BrokerId, DirectoryId, TopicIdPartition, TopicPartition};
use crate::replication::dirs::Dirs;
use crate::replication::hosted::Hosted;
use crate::replication::listener::ReplicaListener;
use crate::replication::settings::ReplicaSettings;
use crate::replication::threads::{join_others, now};
use crate::replication::throttle::Passed;
use table::MoveTable;

pub use table::Move;

/// How long a thread sleeps when all moves wait for the controller and nobody wakes it.
const IDLE_PAUSE: Duration = Duration::from_millis(100);

/// The moves of this broker, and the threads that carry them out.
pub struct Moves {
    node_id: BrokerId,
    settings: Arc<ArcSwap<ReplicaSettings>>,
    hosted: Arc<Hosted>,
    dirs: Arc<Dirs>,
    listener: Arc<dyn ReplicaListener>,
    table: Arc<MoveTable>,
    /// What the threads have copied, against the rate that they share.
    copied: Mutex<Passed>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Moves {
    /// No moves and no threads yet. It subscribes to directories that fail.
    pub fn new(
        settings: &Arc<ArcSwap<ReplicaSettings>>,
        hosted: &Arc<Hosted>,
        dirs: &Arc<Dirs>,
        listener: &Arc<dyn ReplicaListener>,
    ) -> Arc<Self> {
        let moves = Arc::new(Self {
            node_id: settings.load().node_id,
            settings: Arc::clone(settings),
            hosted: Arc::clone(hosted),
            dirs: Arc::clone(dirs),
            listener: Arc::clone(listener),
            table: Arc::default(),
            copied: Mutex::default(),
            threads: Mutex::default(),
        });
        let weak = Arc::downgrade(&moves);
        dirs.on_failure(Box::new(move |dir| {
            if let Some(moves) = weak.upgrade() {
                moves.drop_those_of(dir);
            }
        }));
        moves
    }

    /// The move of a partition.
    pub fn of(&self, id: &TopicIdPartition) -> Option<Arc<Move>> {
        self.table.of(id)
    }

    /// Whether a partition is moving.
    pub fn has(&self, id: &TopicIdPartition) -> bool {
        self.table.has(id)
    }

    /// All moves.
    pub fn all(&self) -> Vec<Arc<Move>> {
        self.table.all()
    }

    /// Takes the directory in which a partition that comes is to be made, if [`Self::prefer`] has set one.
    pub fn take_preferred(&self, partition: &TopicPartition) -> Option<DirectoryId> {
        self.table.take_preferred(partition)
    }

    /// Wakes the threads, because the metadata has changed.
    pub fn wake(&self) {
        self.table.wake();
    }

    /// Starts those threads that do not run yet.
    ///
    /// # Errors
    /// No thread runs, and the system starts none.
    pub fn ensure_threads(self: &Arc<Self>) -> io::Result<()> {
        let mut threads = self.threads.lock();
        let count = self.settings.load().storage.move_threads();
        while threads.len() < count && !self.table.is_stopped() {
            let (table, weak) = (Arc::clone(&self.table), Arc::downgrade(self));
            let number = threads.len();
            let builder = thread::Builder::new().name(format!("log-dir-moves-{number}"));
            match builder.spawn(move || run(&table, &weak)) {
                Ok(thread) => threads.push(thread),
                Err(error) if number == 0 => return Err(error),
                // The threads that run do all the work; the next move tries to start more.
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Ends the threads, and waits for them.
    pub fn stop(&self) {
        self.table.stop();
        join_others(std::mem::take(&mut *self.threads.lock()));
    }
}

impl Drop for Moves {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(table: &MoveTable, moves: &Weak<Moves>) {
    let mut seen = 0;
    loop {
        let Some(moves) = moves.upgrade() else {
            return;
        };
        let started = now().instant;
        let rate = moves.copy_rate();
        let under_way = table.all();
        let blocked = moves.copied.lock().blocked_until(rate, started);
        if let Some(until) = blocked.filter(|_| !under_way.is_empty()) {
            drop(moves);
            if table.pause(until) {
                return;
            }
            continue;
        }
        let advance = |moving: &Arc<Move>| {
            let advanced = moves
                .dirs
                .outlive_bugs("a move", &moving.name, || moves.advance(moving));
            advanced.unwrap_or(0)
        };
        let copied: u64 = under_way.iter().map(advance).sum();
        moves.copied.lock().spend(copied, rate, started);
        drop(moves);
        let is_stopped = if copied > 0 {
            table.is_stopped()
        } else {
            let is_idle = under_way.is_empty();
            table.wait(&mut seen, (!is_idle).then(|| started + IDLE_PAUSE))
        };
        if is_stopped {
            return;
        }
    }
}
