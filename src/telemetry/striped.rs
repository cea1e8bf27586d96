//! Counters that many threads raise without passing a cache line around: each thread has its
//! stripe, and only a reader adds the stripes up.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use prometheus_client::metrics::counter::{Atomic, Counter};

/// A counter on stripes: raising it costs an increment of a cache line that no other thread writes.
pub type Count = Counter<u64, Striped>;

/// The stripes of one counter.
#[derive(Debug)]
pub struct Striped {
    stripes: Box<[Stripe]>,
}

/// Aligned to two cache lines, because processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

/// As many stripes as threads run at a time, within bounds: each counter has all of them.
static STRIPE_COUNT: LazyLock<usize> = LazyLock::new(|| {
    const MOST: usize = 16;
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    cpus.next_power_of_two().min(MOST)
});

static THREADS_SEEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: usize = THREADS_SEEN.fetch_add(1, Ordering::Relaxed);
}

/// How many stripes there are: a power of two.
pub(super) fn count() -> usize {
    *STRIPE_COUNT
}

/// The stripe of this thread, of `count`, which is a power of two.
pub(super) fn mine(count: usize) -> usize {
    // So the remainder is a mask.
    THREAD.with(|thread| thread & (count - 1))
}

impl Default for Striped {
    fn default() -> Self {
        Self {
            stripes: (0..count()).map(|_| Stripe::default()).collect(),
        }
    }
}

impl Striped {
    /// The stripe of this thread.
    fn mine(&self) -> &AtomicU64 {
        &self.stripes[mine(self.stripes.len())].0
    }
}

impl Atomic<u64> for Striped {
    /// Returns what this thread's stripe held before, which means nothing to anybody.
    fn inc(&self) -> u64 {
        self.inc_by(1)
    }

    /// Returns what this thread's stripe held before, which means nothing to anybody.
    fn inc_by(&self, amount: u64) -> u64 {
        self.mine().fetch_add(amount, Ordering::Relaxed)
    }

    fn get(&self) -> u64 {
        self.stripes
            .iter()
            .map(|stripe| stripe.0.load(Ordering::Relaxed))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stripes_of_all_threads_add_up() {
        let count = Count::default();

        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1000).for_each(|_| _ = count.inc_by(2)));
            }
        });

        assert_eq!(count.get(), 16_000);
    }
}
