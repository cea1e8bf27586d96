//! The requests that write to a directory while it is slow, and the few threads that carry them out.
//!
//! The threads start with the requests, and end when none comes. [`super::stall`] decides when a directory
//! is slow.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::telemetry::LogGate;

/// Requests of clients come here, each of which could fail.
static NO_THREAD: LogGate = LogGate::new();
static BUGS: LogGate = LogGate::new();

/// Threads of a slow directory. There are several, because each partition may be stuck by itself.
const THREADS_PER_DIR: usize = 4;
/// How long a thread waits for the next request before it ends.
const THREAD_PATIENCE: Duration = Duration::from_secs(5);

/// The requests that write to a slow directory, and the threads that carry them out.
#[derive(Debug, Default)]
pub struct SlowLane {
    pub fast_in_a_row: AtomicUsize,
    queue: Mutex<Queue>,
    changed: Condvar,
}

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Queue")
            .field("jobs", &self.jobs.len())
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl SlowLane {
    /// Queues a request, and starts a thread if another one would help.
    pub fn push(self: &Arc<Self>, job: Job) {
        let mut queue = self.queue.lock();
        queue.jobs.push_back(job);
        let wants_thread = queue.jobs.len() > queue.idle && queue.threads < THREADS_PER_DIR;
        if wants_thread {
            queue.threads += 1;
        }
        drop(queue);
        self.changed.notify_one();
        if wants_thread {
            let lane = Arc::clone(self);
            let builder = thread::Builder::new().name("slow-disk".to_owned());
            if let Err(error) = builder.spawn(move || lane.work()) {
                if let Some(suppressed) = NO_THREAD.pass() {
                    tracing::error!(%error, suppressed, "cannot start a thread for a slow disk");
                }
                self.queue.lock().threads -= 1;
                self.work_off();
            }
        }
    }

    /// Carries the queued requests out on this thread, because there is no other: late is better than
    /// never.
    fn work_off(&self) {
        if self.queue.lock().threads > 0 {
            return;
        }
        while let Some(job) = self.take() {
            job();
        }
    }

    fn take(&self) -> Option<Job> {
        self.queue.lock().jobs.pop_front()
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            // The waiting request learns of the panic by its channel; the thread goes on with the others.
            let run = std::panic::AssertUnwindSafe(job);
            if std::panic::catch_unwind(move || {
                let run = run;
                (run.0)()
            })
            .is_err()
                && let Some(suppressed) = BUGS.pass()
            {
                tracing::error!(suppressed, "a bug in a request on a slow disk");
            }
        }
    }

    /// The next request; `None` if the thread should end.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            queue.idle += 1;
            let timed_out = self.changed.wait_for(&mut queue, THREAD_PATIENCE);
            queue.idle -= 1;
            if timed_out.timed_out() && queue.jobs.is_empty() {
                queue.threads -= 1;
                return None;
            }
        }
    }
}
