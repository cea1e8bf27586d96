//! Ends threads that sleep.

use std::thread::{self, JoinHandle};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// Wakes sleeping threads when they should end.
#[derive(Debug, Default)]
pub struct StopFlag {
    is_stopped: Mutex<bool>,
    changed: Condvar,
}

impl StopFlag {
    /// Whether the threads should end.
    pub fn is_stopped(&self) -> bool {
        *self.is_stopped.lock()
    }

    /// Tells the threads to end.
    pub fn stop(&self) {
        *self.is_stopped.lock() = true;
        self.changed.notify_all();
    }

    /// Waits until `deadline`. Returns whether the thread should end.
    pub fn wait_until(&self, deadline: Instant) -> bool {
        let mut is_stopped = self.is_stopped.lock();
        while !*is_stopped {
            if self
                .changed
                .wait_until(&mut is_stopped, deadline)
                .timed_out()
            {
                return *is_stopped;
            }
        }
        true
    }
}

/// Waits for threads to end, except for the calling one: the broker may end on one of them.
pub fn join_others(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        if thread.thread().id() != thread::current().id() {
            // A thread that panicked has logged it.
            let _ = thread.join();
        }
    }
}
