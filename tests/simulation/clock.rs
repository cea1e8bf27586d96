//! A node's own clock: it runs a little faster or slower than time.

use std::time::{Duration, Instant};

const MILLION: u128 = 1_000_000;

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// How much it shows while a second passes, in microseconds.
    rate: u128,
}

impl Clock {
    pub fn new(start: Instant, drift_ppm: i32) -> Self {
        let rate = MILLION.saturating_add_signed(i128::from(drift_ppm));
        Self { start, rate }
    }

    /// What it shows at a time.
    pub fn read(&self, elapsed: Duration) -> Instant {
        let nanos = elapsed.as_nanos() * self.rate / MILLION;
        self.start + Duration::from_nanos(nanos as u64)
    }

    /// The time at which it shows this, or is just past it.
    pub fn when(&self, shown: Instant) -> Duration {
        let nanos = shown.saturating_duration_since(self.start).as_nanos();
        Duration::from_nanos((nanos * MILLION).div_ceil(self.rate) as u64)
    }
}
