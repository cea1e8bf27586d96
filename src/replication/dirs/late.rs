//! Work on the partitions of a directory whose disk hangs: it is left to a thread of the directory, so that
//! what the metadata says of all other partitions is carried out meanwhile.
//!
//! A directory *lags* while such work waits. Then nothing of it is tried on a thread that serves others, until
//! all of the work is done, in the order in which it came.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::{DataDir, Dirs};
use crate::model::Offset;
use crate::replication::threads::now;

/// How long a disk may take for a small write, or for making one log, before the directory lags.
const PATIENCE: Duration = Duration::from_secs(1);

type Work = Box<dyn FnOnce() -> Option<OpenWork> + Send>;

/// The work that waits for a directory.
#[derive(Default)]
pub struct LateWork {
    waiting: AtomicUsize,
    queue: Mutex<VecDeque<Work>>,
    /// Held while one piece of it is done.
    one_at_a_time: Mutex<()>,
    is_over: AtomicBool,
}

impl std::fmt::Debug for LateWork {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("LateWork")
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

impl LateWork {
    /// Whether work waits for the directory.
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Has nothing done any more of what waits.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// Whether nothing is done any more.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    fn do_next(&self, is_offline: bool) -> Option<OpenWork> {
        let _one_at_a_time = self.one_at_a_time.lock();
        let next = self.queue.lock().pop_front();
        let work = next.filter(|_| !is_offline && !self.is_over())?;
        work()
    }
}

/// Small writes to several directories at once, and who waits for them.
#[derive(Default)]
struct Probe {
    /// For each whether it is still waited for.
    open: Mutex<Vec<bool>>,
    changed: Condvar,
}

impl Probe {
    /// Notes the end of one. Returns whether it was waited for until then.
    fn end(&self, number: usize) -> bool {
        let was_open = std::mem::replace(&mut self.open.lock()[number], false);
        self.changed.notify_all();
        was_open
    }

    fn wait_until(&self, deadline: Instant) {
        let mut open = self.open.lock();
        while open.contains(&true) && !self.changed.wait_until(&mut open, deadline).timed_out() {}
    }
}

/// Work on directories that somebody waits for, as long as any of it gets done.
#[derive(Default)]
pub struct Progress {
    state: Mutex<ProgressState>,
    changed: Condvar,
}

#[derive(Default)]
struct ProgressState {
    open: usize,
    steps: u64,
}

/// A piece of work that is waited for. It ends when this is dropped.
pub struct OpenWork(Arc<Progress>);

impl Drop for OpenWork {
    fn drop(&mut self) {
        self.0.state.lock().open -= 1;
        self.0.changed.notify_all();
    }
}

impl Progress {
    /// Another piece of work is to be done.
    pub fn begin(self: &Arc<Self>) -> OpenWork {
        self.state.lock().open += 1;
        OpenWork(Arc::clone(self))
    }

    /// A part of it is done.
    pub fn step(&self) {
        self.state.lock().steps += 1;
        self.changed.notify_all();
    }

    /// Waits until all has ended. Returns false if nothing of it gets done any more.
    pub fn wait(&self) -> bool {
        let mut state = self.state.lock();
        while state.open > 0 {
            let seen = state.steps;
            let deadline = now().instant + PATIENCE;
            let waited = self.changed.wait_until(&mut state, deadline);
            if waited.timed_out() && state.open > 0 && state.steps == seen {
                return false;
            }
        }
        true
    }
}

impl DataDir {
    /// Whether the disk hangs, as far as is known: see [`LateWork`].
    pub fn lags(&self) -> bool {
        self.late.is_waiting()
    }

    /// Has a thread of the directory do this when the disk goes on.
    pub fn do_late(self: &Arc<Self>, work: impl FnOnce() + Send + 'static) {
        self.do_late_for(move || {
            work();
            None
        });
    }

    /// As [`Self::do_late`], for work that somebody waits for: it has ended when the directory does not lag any more
    /// because of it.
    pub fn do_late_for(self: &Arc<Self>, work: impl FnOnce() -> Option<OpenWork> + Send + 'static) {
        /// Counts the work as done even if it panics.
        struct Done(Arc<DataDir>);
        impl Drop for Done {
            fn drop(&mut self) {
                self.0.late.waiting.fetch_sub(1, Ordering::AcqRel);
            }
        }
        self.late.waiting.fetch_add(1, Ordering::AcqRel);
        self.late.queue.lock().push_back(Box::new(work));
        let done = Done(Arc::clone(self));
        self.slow_lane.push(Box::new(move || {
            let waited_for = done.0.late.do_next(done.0.log_dir.is_offline());
            drop(done);
            drop(waited_for);
        }));
    }
}

impl Dirs {
    /// Does this for each directory that is online and does not lag, and waits for it a moment: those that are
    /// not done by then lag until they are. Without threads of the directories it is done here.
    pub fn probe(self: &Arc<Self>, act: fn(&Self, &DataDir, Offset), argument: Offset) {
        let ready: Vec<_> = self.online().filter(|dir| !dir.lags()).cloned().collect();
        if !self.has_threads() {
            ready.iter().for_each(|dir| act(self, dir, argument));
            return;
        }
        let probe = Arc::new(Probe::default());
        *probe.open.lock() = vec![true; ready.len()];
        for (number, dir) in ready.iter().enumerate() {
            let (dirs, probe, dir) = (Arc::clone(self), Arc::clone(&probe), Arc::clone(dir));
            dir.slow_lane.clone().push(Box::new(move || {
                act(&dirs, &dir, argument);
                if !probe.end(number) {
                    dir.late.waiting.fetch_sub(1, Ordering::AcqRel);
                }
            }));
        }
        probe.wait_until(now().instant + PATIENCE);
        for (number, dir) in ready.iter().enumerate() {
            dir.late.waiting.fetch_add(1, Ordering::AcqRel);
            if !probe.end(number) {
                // It is done.
                dir.late.waiting.fetch_sub(1, Ordering::AcqRel);
            } else {
                tracing::warn!(dir = %dir.path().display(), "the disk hangs: what the metadata changes there comes later");
            }
        }
    }
}
