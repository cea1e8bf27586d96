//! Keeps records from being sent faster than is wanted, by small pauses.

use std::time::{Duration, Instant};

/// A pause is no shorter than this: sleeping takes longer than it is asked to.
const LEAST_PAUSE: Duration = Duration::from_millis(2);

/// Counts what was sent against the time.
#[derive(Debug)]
pub(super) struct Throttle {
    started: Instant,
    per_second: f64,
}

impl Throttle {
    /// No more than so many records a second; below 0 as many as can be. 0 lets one through.
    pub(super) fn new(per_second: f64, now: Instant) -> Self {
        Self {
            started: now,
            per_second,
        }
    }

    /// How long to wait before the next record, when so many were sent; `None` without an end.
    pub(super) fn pause(&self, sent: u64, now: Instant) -> Option<Duration> {
        if self.per_second < 0.0 {
            return Some(Duration::ZERO);
        }
        let due = Duration::try_from_secs_f64(sent as f64 / self.per_second).ok()?;
        let ahead = due.saturating_sub(now.saturating_duration_since(self.started));
        Some(if ahead < LEAST_PAUSE {
            Duration::ZERO
        } else {
            ahead
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_ahead_waits_until_it_is_not() {
        let start = Instant::now();
        let second = start + Duration::from_secs(1);
        let pause = |per_second, sent| Throttle::new(per_second, start).pause(sent, second);

        assert_eq!(pause(100.0, 150), Some(Duration::from_millis(500)));
        assert_eq!(pause(100.0, 90), Some(Duration::ZERO));
        assert_eq!(pause(-1.0, 1_000_000), Some(Duration::ZERO));
        assert_eq!(pause(0.0, 1), None);
    }
}
