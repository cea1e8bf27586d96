//! A rate of I/O that several threads share: those that compact.

use std::ops::Range;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The longest turn: more than a year means "never again".
const LONGEST_TURN: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Paces the threads that share a rate.
#[derive(Debug, Default)]
pub struct SharedRate {
    /// When the rate allows the next bytes.
    free_at: Mutex<Option<Instant>>,
}

impl SharedRate {
    /// Takes `bytes` out of `bytes_per_second` (at least 1), and returns the span of time that these bytes
    /// occupy. A caller that asks before its I/O waits for the start, one that asks afterwards for the end.
    pub fn spend(&self, bytes: u64, bytes_per_second: f64, now: Instant) -> Range<Instant> {
        let cost = Duration::try_from_secs_f64(bytes as f64 / bytes_per_second.max(1.0));
        let cost = cost.unwrap_or(LONGEST_TURN).min(LONGEST_TURN);
        let mut free_at = self.free_at.lock();
        let start = free_at.filter(|&at| at > now).unwrap_or(now);
        let end = start.checked_add(cost).unwrap_or(start);
        *free_at = Some(end);
        start..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_all_threads_together() {
        let (rate, start) = (SharedRate::default(), Instant::now());
        let second = Duration::from_secs(1);
        let spend = |bytes, at| rate.spend(bytes, 1_000.0, at);

        assert_eq!(spend(1_000, start), start..start + second);
        assert_eq!(spend(2_000, start), start + second..start + 3 * second);
        let later = start + 10 * second;
        assert_eq!(spend(500, later), later..later + second / 2);
    }

    #[test]
    fn a_rate_without_a_limit_costs_no_time() {
        let start = Instant::now();

        for limit in [u64::MAX as f64, f64::MAX] {
            let turn = SharedRate::default().spend(1 << 20, limit, start);
            assert_eq!(turn, start..start);
        }
    }

    #[test]
    fn a_turn_ends_however_low_the_rate_is() {
        let start = Instant::now();

        let turn = SharedRate::default().spend(u64::MAX, 0.0, start);

        assert_eq!(turn.end - turn.start, LONGEST_TURN);
    }
}
