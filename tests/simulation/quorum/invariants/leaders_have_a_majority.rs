//! A leader that has not heard of a majority for long enough resigns, by its own clock.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use broker::model::LeaderEpoch;

/// One and a half fetch time-outs, and a little for rounding.
const LONGEST: Duration = Duration::from_millis(3010);

/// A leader's process and epoch.
type Leadership = (usize, u64, LeaderEpoch);

#[derive(Default)]
pub struct LeadersHaveAMajority {
    since: BTreeMap<Leadership, Instant>,
    heard: BTreeMap<(Leadership, usize), Instant>,
}

impl LeadersHaveAMajority {
    /// A leader is asked for its log.
    pub fn on_fetch(&mut self, now: Instant, leadership: Leadership, from: usize) {
        self.heard.insert((leadership, from), now);
    }

    /// A node has looked at its clock, and leads. There are so many voters, it among them.
    pub fn check(&mut self, now: Instant, leadership: Leadership, voters: usize) {
        let since = *self.since.entry(leadership).or_insert(now);
        let mut heard: Vec<Instant> = (0..voters)
            .map(|voter| {
                if voter == leadership.0 {
                    now
                } else {
                    *self.heard.get(&(leadership, voter)).unwrap_or(&since)
                }
            })
            .collect();
        heard.sort_unstable_by(|a, b| b.cmp(a));
        let majority = heard[voters / 2];
        assert!(
            now.saturating_duration_since(majority) < LONGEST,
            "node {} leads without a majority",
            leadership.0
        );
    }
}
