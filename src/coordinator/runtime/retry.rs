//! When a shard may decide again on what has to be written, after an append has failed.
//!
//! A failed append costs a load of the whole shard. If its cause lasts (too few replicas in sync, a full
//! disk), every client that tries again would cost another. So requests that write are refused for a while,
//! longer each time, while those that only read are served. Loading gets at most a tenth of the time.

use std::time::{Duration, Instant};

/// The first pause, about as long as clients wait by themselves.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause: a shard is back soon after the cause is gone.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A pause is at least this many times as long as the load took.
const PAUSE_PER_LOAD: u32 = 10;

/// When a shard may decide again on what has to be written.
#[derive(Debug, Default)]
pub(super) struct Retry {
    /// How many appends have failed since one was written.
    failures: u32,
    load_time: Duration,
    not_before: Option<Instant>,
}

impl Retry {
    /// Notes that an append was written.
    pub(super) fn written(&mut self) {
        self.failures = 0;
        self.not_before = None;
    }

    /// Notes that an append has failed.
    pub(super) fn failed(&mut self, now: Instant) {
        let doubled = SHORTEST_PAUSE.saturating_mul(1 << self.failures.min(16));
        let pause = doubled.max(self.load_time * PAUSE_PER_LOAD);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + pause.min(LONGEST_PAUSE));
    }

    /// Notes that the shard was loaded, and how long that took.
    pub(super) fn loaded(&mut self, took: Duration) {
        self.load_time = took;
    }

    /// When the pause ends, or has ended; `None` if nothing has failed since an append was written.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// When the shard may write again; `None` if it may now.
    pub(super) fn pause(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|not_before| now < *not_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long the pause after each of these failures is.
    fn pauses(retry: &mut Retry, count: usize) -> Vec<u128> {
        let start = Instant::now();
        let mut pause = || {
            retry.failed(start);
            let end = retry.pause(start).expect("it pauses");
            assert_eq!(retry.pause(end), None);
            end.duration_since(start).as_millis()
        };
        (0..count).map(|_| pause()).collect()
    }

    #[test]
    fn pauses_grow_to_a_bound_until_something_is_written() {
        let mut retry = Retry::default();
        assert_eq!(retry.pause(Instant::now()), None);

        assert_eq!(
            pauses(&mut retry, 9),
            [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]
        );
        retry.written();
        assert_eq!(pauses(&mut retry, 1), [100]);
    }

    #[test]
    fn a_large_shard_is_not_loaded_all_the_time() {
        let mut retry = Retry::default();
        retry.loaded(Duration::from_millis(300));

        assert_eq!(pauses(&mut retry, 1), [3_000]);
    }
}
