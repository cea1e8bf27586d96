//! The randomness of elections: a seeded generator, so that a simulation can repeat a run.

use std::time::Duration;

/// A splitmix64 generator. Spreads election timeouts; never used for anything secret.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// A generator whose numbers depend on the seed alone.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A duration from `base` up to, but not including, twice `base`: Kafka's election timeout.
    pub fn spread(&mut self, base: Duration) -> Duration {
        let nanos = u64::try_from(base.as_nanos()).unwrap_or(u64::MAX / 2);
        base + Duration::from_nanos(self.below(nanos.max(1)))
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn election_timeouts_spread_between_once_and_twice_the_base() {
        let mut jitter = Jitter::new(7);
        let base = Duration::from_millis(1000);

        let drawn: Vec<_> = (0..1000).map(|_| jitter.spread(base)).collect();

        assert!(
            drawn
                .iter()
                .all(|timeout| (base..2 * base).contains(timeout))
        );
        assert!(drawn.iter().max().unwrap().as_millis() > 1900);
        assert!(drawn.iter().min().unwrap().as_millis() < 1100);
    }
}
