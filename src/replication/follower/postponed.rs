//! Partitions of a fetcher that cannot be fetched for now, and when each is tried again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::model::{LeaderEpoch, TopicIdPartition};

/// The pause after a bug has ended what was done to a log. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Partitions that are to be begun with again.
#[derive(Debug, Default)]
pub struct Postponed {
    waiting: BTreeMap<TopicIdPartition, (Instant, LeaderEpoch)>,
    /// How often in a row a bug has ended what was done to a log.
    bugs: BTreeMap<TopicIdPartition, u32>,
}

impl Postponed {
    /// Begins with a partition again at `due`.
    pub fn put(&mut self, id: TopicIdPartition, epoch: LeaderEpoch, due: Instant) {
        self.waiting.insert(id, (due, epoch));
    }

    /// Begins with a partition again after a pause: a bug has ended what was done to its log.
    pub fn put_after_bug(&mut self, id: TopicIdPartition, epoch: LeaderEpoch, now: Instant) {
        let bugs = self.bugs.entry(id).or_default();
        let pause = FIRST_PAUSE.saturating_mul(1 << (*bugs).min(16));
        *bugs = bugs.saturating_add(1);
        self.put(id, epoch, now + pause.min(LONGEST_PAUSE));
    }

    /// Something was done to the log of a partition, or it is not followed any more.
    pub fn forget_bugs(&mut self, id: &TopicIdPartition) {
        self.bugs.remove(id);
    }

    /// A partition is fetched in another way from now on, or not at all.
    pub fn remove(&mut self, id: &TopicIdPartition) {
        self.waiting.remove(id);
    }

    /// The partitions that are due, with their epochs; they wait no more.
    pub fn take_due(&mut self, now: Instant) -> Vec<(TopicIdPartition, LeaderEpoch)> {
        let due = self.waiting.extract_if(.., |_, (due, _)| *due <= now);
        due.map(|(id, (_, epoch))| (id, epoch)).collect()
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Instant> {
        self.waiting.values().map(|(due, _)| *due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TopicId;

    const EPOCH: LeaderEpoch = LeaderEpoch(3);

    fn id(partition: i32) -> TopicIdPartition {
        TopicIdPartition {
            topic_id: TopicId::from_bytes([1; 16]),
            partition,
        }
    }

    #[test]
    fn a_partition_is_due_when_its_own_pause_is_over() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut postponed = Postponed::default();
        postponed.put(id(0), EPOCH, at(5));
        postponed.put(id(1), EPOCH, at(1));
        postponed.put(id(2), EPOCH, at(1));
        postponed.remove(&id(2));

        assert_eq!(postponed.next(), Some(at(1)));
        assert_eq!(postponed.take_due(at(0)), []);
        assert_eq!(postponed.take_due(at(2)), [(id(1), EPOCH)]);
        assert_eq!(postponed.next(), Some(at(5)));
    }

    #[test]
    fn pauses_after_bugs_grow_up_to_a_minute_until_something_works() {
        let start = Instant::now();
        let mut postponed = Postponed::default();
        let mut pause = || {
            postponed.put_after_bug(id(0), EPOCH, start);
            let due = postponed.next().expect("it waits");
            (due - start).as_secs()
        };

        let pauses: Vec<u64> = (0..8).map(|_| pause()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        postponed.forget_bugs(&id(0));
        postponed.put_after_bug(id(0), EPOCH, start);
        assert_eq!(postponed.next(), Some(start + FIRST_PAUSE));
    }
}
