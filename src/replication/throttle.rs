//! How fast throttled replicas are replicated (KIP-73): an operator names replicas in a topic's config, and
//! rates in those of brokers, so that moving partitions leaves room for clients.
//!
//! A leader sends such a replica nothing while it has sent more than its rate allows, and a follower asks for
//! nothing while it has received more. Only replicas that are behind are held up: one that is in sync keeps
//! what clients write waiting. Bytes are counted after they have passed, so one answer may be ahead of the rate;
//! the next ones wait for it. A quarter of a second that was not used is not lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::metadata::image::{MetadataImage, ResourceKind};
use crate::model::BrokerId;
use crate::replication::hosted::Hosted;

/// How much of the rate that was not used may be used later.
const CREDIT: Duration = Duration::from_millis(250);
/// Nobody waits for longer before looking again: a higher rate may have been set.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// The value that the config of brokers has for a rate in bytes a second, of this broker or else of all;
/// `u64::MAX` if nobody has set it.
pub fn dynamic_rate(image: &MetadataImage, broker: BrokerId, key: &str) -> u64 {
    let own = broker.to_string();
    let set = [own.as_str(), ""].into_iter().find_map(|name| {
        let configs = image.configs().of(ResourceKind::Broker, name)?;
        configs.get(key)?.parse::<u64>().ok()
    });
    set.unwrap_or(u64::MAX)
}

/// Both throttles of this broker.
#[derive(Debug)]
pub struct Throttles {
    /// Of what it sends as a leader.
    pub leader: Throttle,
    /// Of what it receives as a follower.
    pub follower: Throttle,
}

impl Throttles {
    /// Nothing has passed yet.
    pub fn new(hosted: &Arc<Hosted>, broker: BrokerId) -> Arc<Self> {
        let throttle = |key| Throttle {
            hosted: Arc::clone(hosted),
            broker,
            key,
            passed: Mutex::default(),
        };
        Arc::new(Self {
            leader: throttle("leader.replication.throttled.rate"),
            follower: throttle("follower.replication.throttled.rate"),
        })
    }
}

/// One of them.
#[derive(Debug)]
pub struct Throttle {
    hosted: Arc<Hosted>,
    broker: BrokerId,
    key: &'static str,
    passed: Mutex<Passed>,
}

impl Throttle {
    /// When to look again whether bytes may pass; `None` if they may now.
    pub fn blocked_until(&self, now: Instant) -> Option<Instant> {
        self.passed.lock().blocked_until(self.rate(), now)
    }

    /// Notes that bytes have passed.
    pub fn spend(&self, bytes: u64, now: Instant) {
        self.passed.lock().spend(bytes, self.rate(), now);
    }

    fn rate(&self) -> u64 {
        dynamic_rate(&self.hosted.image(), self.broker, self.key)
    }
}

/// By how much what has passed is ahead of a rate in bytes a second, which may change at any time.
#[derive(Debug, Default)]
pub struct Passed {
    /// Negative: what may pass besides the rate.
    ahead: f64,
    noted_at: Option<Instant>,
}

impl Passed {
    fn ahead(&self, rate: u64, now: Instant) -> f64 {
        let rate = rate as f64;
        let idle = self.noted_at.map(|at| now.saturating_duration_since(at));
        let made_up = idle.map_or(0.0, |idle| rate * idle.as_secs_f64());
        (self.ahead - made_up).max(-rate * CREDIT.as_secs_f64())
    }

    /// When to look again whether bytes may pass; `None` if they may now.
    pub fn blocked_until(&self, rate: u64, now: Instant) -> Option<Instant> {
        if rate == 0 {
            return Some(now + LONGEST_WAIT);
        }
        let ahead = self.ahead(rate, now);
        let wait = Duration::try_from_secs_f64(ahead / rate as f64).ok()?;
        (!wait.is_zero()).then(|| now + wait.min(LONGEST_WAIT))
    }

    /// Notes that bytes have passed.
    pub fn spend(&mut self, bytes: u64, rate: u64, now: Instant) {
        self.ahead = self.ahead(rate, now) + bytes as f64;
        self.noted_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 1_000_000;
    const CHUNK: u64 = 300_000;

    /// How many bytes pass in `seconds`, in chunks, each as soon as it may.
    fn passed_in(passed: &mut Passed, rate: u64, start: Instant, seconds: u64) -> u64 {
        let (mut now, mut sum) = (start, 0);
        while now < start + Duration::from_secs(seconds) {
            match passed.blocked_until(rate, now) {
                Some(until) => now = until,
                None => {
                    passed.spend(CHUNK, rate, now);
                    sum += CHUNK;
                }
            }
        }
        sum
    }

    #[test]
    fn as_much_passes_as_the_rate_allows() {
        let (mut passed, start) = (Passed::default(), Instant::now());

        let sum = passed_in(&mut passed, RATE, start, 10);

        let allowed = 10 * RATE;
        assert!((allowed..=allowed + 2 * CHUNK).contains(&sum), "{sum}");
    }

    #[test]
    fn time_in_which_nothing_is_asked_is_made_up_for_by_a_little() {
        let (mut passed, start) = (Passed::default(), Instant::now());
        passed.spend(CHUNK, RATE, start);

        let later = start + Duration::from_secs(3600);
        let sum = passed_in(&mut passed, RATE, later, 1);

        assert!(sum <= RATE + RATE / 4 + CHUNK, "{sum}");
    }

    #[test]
    fn a_higher_rate_counts_at_once_and_a_rate_of_zero_lets_nothing_pass() {
        let (mut passed, start) = (Passed::default(), Instant::now());
        passed.spend(100 * RATE, RATE, start);
        assert_eq!(
            passed.blocked_until(RATE, start),
            Some(start + LONGEST_WAIT)
        );

        let soon = start + Duration::from_secs(1);
        assert_eq!(passed.blocked_until(1_000 * RATE, soon), None);
        let much_later = start + Duration::from_secs(10_000);
        assert!(passed.blocked_until(0, much_later).is_some());
        assert_eq!(passed.blocked_until(u64::MAX, start), None);
    }
}
