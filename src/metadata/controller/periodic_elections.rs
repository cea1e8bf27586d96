//! Elections that nobody asks for and no broker causes: now and then the controller looks whether preferred
//! replicas could lead again, and whether partitions without a leader may have one that is not in sync.
//!
//! The second is for topics with `unclean.leader.election.enable`, where that was set when the leader had
//! gone already; fencing and unfencing honour it by themselves.

use std::time::{Duration, Instant};

use super::Controller;
use super::decision::Decision;
use super::leadership::Wish;
use super::partition_index::PartitionKey;
use crate::metadata::image::TopicImage;
use crate::protocol::messages::metadata_records::MetadataRecord;

/// The most elections of one decision, as in Kafka. The rest follows at once.
const MAX_PER_DECISION: usize = 1_000;

/// How often the controller looks.
#[derive(Clone, Copy, Debug)]
pub struct ElectionIntervals {
    /// `leader.imbalance.check.interval.seconds`; `None` without `auto.leader.rebalance.enable`.
    pub preferred: Option<Duration>,
    /// `unclean.leader.election.interval.ms`.
    pub unclean: Duration,
}

impl Default for ElectionIntervals {
    fn default() -> Self {
        Self {
            preferred: Some(Duration::from_secs(300)),
            unclean: Duration::from_secs(300),
        }
    }
}

/// When the controller looks next; `None` for never.
#[derive(Clone, Copy, Debug)]
pub(super) struct DueElections {
    preferred: Option<Instant>,
    unclean: Option<Instant>,
}

impl DueElections {
    /// The first looks of a controller that begins to lead.
    pub(super) fn after(intervals: &ElectionIntervals, now: Instant) -> Self {
        Self {
            preferred: intervals.preferred.and_then(|every| now.checked_add(every)),
            unclean: now.checked_add(intervals.unclean),
        }
    }

    fn next(&self) -> Option<Instant> {
        self.preferred.into_iter().chain(self.unclean).min()
    }
}

impl Controller {
    /// Elects where it is time to look; `None` if that changes nothing, or it is not time yet. It is to be
    /// called until then.
    pub fn elect_periodically(&mut self, now: Instant) -> Option<Decision<()>> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let next = DueElections::after(&self.settings.elections, now);
        let mut records = Vec::new();
        if is_due(self.due_elections.preferred) {
            let imbalanced = self.index.imbalanced();
            records = self.elections(Wish::Preferred, imbalanced, |_| true);
            if records.len() < MAX_PER_DECISION {
                self.due_elections.preferred = next.preferred;
            }
        }
        if records.is_empty() && is_due(self.due_elections.unclean) {
            let leaderless = self.index.leaderless();
            let allows = |topic: &TopicImage| self.allows_unclean_election(&topic.name);
            records = self.elections(Wish::Unclean, leaderless, allows);
            if records.len() < MAX_PER_DECISION {
                self.due_elections.unclean = next.unclean;
            }
        }
        let answer = ();
        (!records.is_empty()).then_some(Decision { records, answer })
    }

    /// When [`Self::elect_periodically`] has something to look at.
    pub fn next_periodic_election(&self) -> Option<Instant> {
        self.due_elections.next()
    }

    fn elections(
        &self,
        wish: Wish,
        partitions: impl Iterator<Item = PartitionKey>,
        is_wanted: impl Fn(&TopicImage) -> bool,
    ) -> Vec<MetadataRecord> {
        let elected = partitions.filter_map(|(topic_id, index)| {
            let topic = self.image.topics().by_id(&topic_id);
            let topic = topic.expect("the index holds only partitions of the image");
            if !is_wanted(topic) {
                return None;
            }
            let partition = topic.partition(index).expect("as above");
            self.elected(topic, index, partition, wish)
        });
        elected.take(MAX_PER_DECISION).collect()
    }
}
