//! Tokens that come back at a steady rate, up to a burst: Kafka's quota of changes that a
//! controller makes (KIP-599). A change may take more tokens than there are; the next one waits.

use std::time::{Duration, Instant};

use super::clients::Window;

/// A bucket. A new one is full.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenBucket {
    /// Below 0 if more tokens were taken than there were.
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    pub(super) fn full(limit: f64, window: Window, now: Instant) -> Self {
        Self {
            tokens: burst(limit, window),
            filled: now,
        }
    }

    /// Takes `amount`, unless earlier takers left fewer than 0 tokens: then nothing is taken, and the error
    /// is how long to wait.
    pub(super) fn take(
        &mut self,
        amount: f64,
        limit: f64,
        window: Window,
        now: Instant,
    ) -> Result<(), Duration> {
        self.fill(limit, window, now);
        match self.debt(limit) {
            Duration::ZERO => {
                self.tokens -= amount;
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// Takes `amount`, and returns how long to wait before the next take.
    pub(super) fn take_anyway(
        &mut self,
        amount: f64,
        limit: f64,
        window: Window,
        now: Instant,
    ) -> Duration {
        self.fill(limit, window, now);
        self.tokens -= amount;
        self.debt(limit)
    }

    /// Whether the bucket has as many tokens as a new one.
    pub(super) fn is_full(&self, limit: f64, window: Window, now: Instant) -> bool {
        let mut filled = *self;
        filled.fill(limit, window, now);
        filled.tokens >= burst(limit, window)
    }

    fn fill(&mut self, limit: f64, window: Window, now: Instant) {
        let new = limit * now.duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + new).min(burst(limit, window));
        self.filled = now;
    }

    fn debt(&self, limit: f64) -> Duration {
        let wait_ms = (-self.tokens / limit * 1000.0).round();
        Duration::from_millis(wait_ms.clamp(0.0, f64::from(i32::MAX)) as u64)
    }
}

fn burst(limit: f64, window: Window) -> f64 {
    limit * window.whole().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window {
        count: 11,
        length: Duration::from_secs(1),
    };

    #[test]
    fn one_change_may_take_more_than_there_is_and_the_next_waits() {
        let now = Instant::now();
        let mut bucket = TokenBucket::full(2.0, WINDOW, now);

        assert_eq!(bucket.take(30.0, 2.0, WINDOW, now), Ok(()));
        // 30 of 22 tokens: 8 too many, at 2 a second.
        let four = Duration::from_secs(4);
        assert_eq!(bucket.take(1.0, 2.0, WINDOW, now), Err(four));
        assert_eq!(bucket.take(1.0, 2.0, WINDOW, now + four), Ok(()));
    }

    #[test]
    fn who_may_not_be_refused_only_waits_longer() {
        let now = Instant::now();
        let mut bucket = TokenBucket::full(1.0, WINDOW, now);

        assert_eq!(bucket.take_anyway(11.0, 1.0, WINDOW, now), Duration::ZERO);
        let five = Duration::from_secs(5);
        assert_eq!(bucket.take_anyway(5.0, 1.0, WINDOW, now), five);
    }

    #[test]
    fn a_bucket_is_never_more_than_full() {
        let now = Instant::now();
        let mut bucket = TokenBucket::full(1.0, WINDOW, now);
        let later = now + Duration::from_secs(3600);

        assert!(bucket.is_full(1.0, WINDOW, later));
        assert_eq!(bucket.take(12.0, 1.0, WINDOW, later), Ok(()));
        assert!(!bucket.is_full(1.0, WINDOW, later));
        assert!(bucket.take(1.0, 1.0, WINDOW, later).is_err());
    }
}
