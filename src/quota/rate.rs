//! What was used in a second, on average over the last windows of time: Kafka's sampled rate.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::clients::Window;

/// How much was used, window by window.
#[derive(Clone, Debug, Default)]
pub(super) struct SampledRate {
    /// The samples, oldest first.
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    begin: Instant,
    last_event: Instant,
    sum: f64,
}

impl SampledRate {
    /// Counts `amount`, and tells how long to wait until the rate is within `limit` again.
    pub(super) fn record(
        &mut self,
        amount: f64,
        limit: f64,
        window: Window,
        now: Instant,
    ) -> Duration {
        self.count(amount, window, now);
        let span = self.span(window, now).as_secs_f64();
        let sum: f64 = self.samples.iter().map(|sample| sample.sum).sum();
        let rate = sum / span;
        if rate <= limit {
            return Duration::ZERO;
        }
        let wait_ms = ((rate - limit) / limit * span * 1000.0).round();
        // A tiny limit gives a wait of years: no answer can carry more than an int32 of milliseconds.
        Duration::from_millis(wait_ms.min(f64::from(i32::MAX)) as u64)
    }

    /// Whether all that was counted is too old to matter: a new rate would do as well.
    pub(super) fn is_idle(&self, window: Window, now: Instant) -> bool {
        let is_old = |sample: &Sample| now.duration_since(sample.last_event) >= window.whole();
        self.samples.iter().all(is_old)
    }

    fn count(&mut self, amount: f64, window: Window, now: Instant) {
        self.forget(window, now);
        let is_open = |sample: &&mut Sample| now.duration_since(sample.begin) < window.length;
        match self.samples.back_mut().filter(is_open) {
            Some(sample) => {
                sample.sum += amount;
                sample.last_event = now;
            }
            None => self.samples.push_back(Sample {
                begin: now,
                last_event: now,
                sum: amount,
            }),
        }
        // One more than the windows that count: the oldest sample overlaps their beginning.
        if self.samples.len() > window.count as usize + 1 {
            self.samples.pop_front();
        }
    }

    /// Drops samples that ended before the windows began. Those that overlap the beginning stay.
    fn forget(&mut self, window: Window, now: Instant) {
        let is_new = |sample: &Sample| now.duration_since(sample.last_event) < window.whole();
        self.samples.retain(is_new);
    }

    /// The time that the samples stand for. It is never shorter than all windows but one, as in Kafka: else
    /// the first use would look like an enormous rate.
    fn span(&self, window: Window, now: Instant) -> Duration {
        let begin = self.samples.front().map_or(now, |oldest| oldest.begin);
        let elapsed = now.duration_since(begin);
        let full = elapsed.as_nanos() / window.length.as_nanos().max(1);
        let full = u32::try_from(full).unwrap_or(u32::MAX);
        let missing = (window.count - 1).saturating_sub(full);
        (elapsed + window.length * missing).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window {
        count: 11,
        length: Duration::from_secs(1),
    };

    fn seconds(count: f64) -> Duration {
        Duration::from_secs_f64(count)
    }

    #[test]
    fn what_is_allowed_over_all_windows_may_come_at_once() {
        let mut rate = SampledRate::default();
        let begin = Instant::now();

        // Ten full windows count from the start.
        assert_eq!(rate.record(1_000.0, 100.0, WINDOW, begin), Duration::ZERO);
        // 500 too many, at 100 a second.
        assert_eq!(rate.record(500.0, 100.0, WINDOW, begin), seconds(5.0));
    }

    #[test]
    fn after_the_wait_the_rate_is_the_limit() {
        let mut rate = SampledRate::default();
        let begin = Instant::now();

        let wait = rate.record(1_500.0, 100.0, WINDOW, begin);

        assert_eq!(wait, seconds(5.0));
        assert_eq!(
            rate.record(0.0, 150.0, WINDOW, begin + wait),
            Duration::ZERO
        );
        let later = rate.record(0.0, 100.0, WINDOW, begin + wait);
        assert_eq!(later, seconds(5.0), "ten windows stand for ten seconds");
    }

    #[test]
    fn a_steady_use_at_the_limit_never_waits() {
        let mut rate = SampledRate::default();
        let begin = Instant::now();

        for tenth in 0..600 {
            let now = begin + Duration::from_millis(100) * tenth;
            assert_eq!(rate.record(10.0, 102.0, WINDOW, now), Duration::ZERO);
        }
    }

    #[test]
    fn a_steady_use_over_the_limit_waits_for_what_is_too_much() {
        let mut rate = SampledRate::default();
        let mut now = Instant::now();
        let (begin, mut used) = (now, 0.0);

        while now < begin + seconds(60.0) {
            now += rate.record(50.0, 100.0, WINDOW, now) + Duration::from_millis(10);
            used += 50.0;
        }

        let on_average = used / now.duration_since(begin).as_secs_f64();
        assert!((90.0..125.0).contains(&on_average), "{on_average}");
    }

    #[test]
    fn what_is_past_is_forgotten() {
        let mut rate = SampledRate::default();
        let begin = Instant::now();

        rate.record(10_000.0, 100.0, WINDOW, begin);

        assert!(!rate.is_idle(WINDOW, begin + seconds(10.9)));
        assert!(rate.is_idle(WINDOW, begin + seconds(11.0)));
        let after = begin + seconds(11.0);
        assert_eq!(rate.record(1_000.0, 100.0, WINDOW, after), Duration::ZERO);
    }
}
