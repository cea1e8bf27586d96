//! The memory of large batches while they are decompressed: one budget for the whole process.
//!
//! The buffer that a thread keeps from batch to batch ([`KEPT`]) does not count and never waits, so
//! ordinary batches are not held up here. A buffer that grows beyond that takes its whole size from the
//! budget. When nothing is left, one decompression at a time may overdraw, and the others wait for it on
//! their threads. It waits for nobody, so it ends, and so does each that waits: memory stays below the
//! limit plus one largest batch, however many threads get bombs at the same time.

use parking_lot::{Condvar, Mutex};

/// Threads keep buffers up to this size, in bytes.
pub(super) const KEPT: usize = 4 << 20;

/// The budget of the process.
pub(super) static LARGE_BATCHES: LargeMemory = LargeMemory::new(64 << 20);

/// A budget of bytes.
#[derive(Debug)]
pub(super) struct LargeMemory {
    limit: usize,
    state: Mutex<State>,
    given_back: Condvar,
}

#[derive(Debug)]
struct State {
    used: usize,
    is_overdrawn: bool,
}

impl LargeMemory {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::new(State {
                used: 0,
                is_overdrawn: false,
            }),
            given_back: Condvar::new(),
        }
    }

    /// How many bytes are in use now.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.state.lock().used
    }
}

/// The part of the budget that one buffer holds; dropping it gives the part back.
#[derive(Debug)]
pub(super) struct LargeShare {
    memory: &'static LargeMemory,
    bytes: usize,
    is_overdrawn: bool,
}

impl LargeShare {
    pub(super) fn none_of(memory: &'static LargeMemory) -> Self {
        Self {
            memory,
            bytes: 0,
            is_overdrawn: false,
        }
    }

    /// Takes what a buffer of `size` bytes needs, which is more than before. It may block; see the module's
    /// head.
    pub(super) fn grow_to(&mut self, size: usize) {
        if size <= KEPT {
            return;
        }
        let more = size - self.bytes;
        let mut state = self.memory.state.lock();
        while !self.is_overdrawn && state.used + more > self.memory.limit {
            if state.is_overdrawn {
                self.memory.given_back.wait(&mut state);
            } else {
                state.is_overdrawn = true;
                self.is_overdrawn = true;
            }
        }
        state.used += more;
        self.bytes = size;
    }

    /// Gives everything back, because the buffer is gone.
    pub(super) fn give_back(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut state = self.memory.state.lock();
        state.used -= self.bytes;
        state.is_overdrawn &= !self.is_overdrawn;
        drop(state);
        self.memory.given_back.notify_all();
        (self.bytes, self.is_overdrawn) = (0, false);
    }
}

impl Drop for LargeShare {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn buffers_that_are_kept_do_not_count() {
        static MEMORY: LargeMemory = LargeMemory::new(0);
        let mut share = LargeShare::none_of(&MEMORY);

        share.grow_to(KEPT);

        assert_eq!(MEMORY.used(), 0);
    }

    #[test]
    fn many_at_a_time_stay_below_the_limit_and_one_largest() {
        static MEMORY: LargeMemory = LargeMemory::new(50 * MIB);
        let most = AtomicUsize::new(0);

        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let mut share = LargeShare::none_of(&MEMORY);
                        for size in [8, 16, 32, 40] {
                            share.grow_to(size * MIB);
                            most.fetch_max(MEMORY.used(), Ordering::Relaxed);
                            thread::yield_now();
                        }
                    }
                });
            }
        });

        let most = most.into_inner();
        assert!(most <= 90 * MIB, "{most} bytes at a time");
        assert_eq!(MEMORY.used(), 0);
    }

    #[test]
    fn one_that_is_overdrawn_grows_on_while_others_wait() {
        static MEMORY: LargeMemory = LargeMemory::new(10 * MIB);
        let mut first = LargeShare::none_of(&MEMORY);
        first.grow_to(20 * MIB);

        thread::scope(|scope| {
            let second = scope.spawn(|| {
                let mut second = LargeShare::none_of(&MEMORY);
                second.grow_to(30 * MIB);
                MEMORY.used()
            });
            first.grow_to(40 * MIB);
            assert_eq!(MEMORY.used(), 40 * MIB, "the second one waits");
            first.give_back();
            let used = second.join().expect("it does not panic");
            assert_eq!(used, 30 * MIB);
        });
    }
}
