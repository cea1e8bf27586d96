//! How partitions are: which have no leader, and which have too few replicas in sync.

use std::ops::AddAssign;

use serde::Serialize;

use crate::metadata::image::PartitionImage;
use crate::model::BrokerId;

/// How many partitions are how. One partition may count several times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(in crate::web::pages) struct PartitionCounts {
    /// All.
    pub(in crate::web::pages) partitions: usize,
    /// Without a leader: nobody reads or writes them.
    pub(in crate::web::pages) offline: usize,
    /// With fewer replicas in sync than `min.insync.replicas`: they refuse what must not be lost.
    pub(in crate::web::pages) under_min_isr: usize,
    /// With as many in sync as that: one less, and they refuse.
    pub(in crate::web::pages) at_min_isr: usize,
    /// With replicas that are not in sync.
    pub(in crate::web::pages) under_replicated: usize,
    /// With replicas on their way to other brokers.
    pub(in crate::web::pages) reassigning: usize,
    /// Led by another than their preferred leader.
    pub(in crate::web::pages) not_preferred: usize,
}

impl PartitionCounts {
    /// One partition.
    pub(in crate::web::pages) fn of(partition: &PartitionImage, min_isr: usize) -> Self {
        let is_offline = partition.leader == BrokerId::NONE;
        let wanted = partition.replicas.len();
        // Those that a reassignment adds do not count yet, as in Kafka.
        let settled = wanted.saturating_sub(partition.adding.len());
        let needed = min_isr.min(wanted);
        let in_sync = partition.isr.len();
        let is_moving = !partition.adding.is_empty() || !partition.removing.is_empty();
        let is_preferred = partition.replicas.first() == Some(&partition.leader);
        Self {
            partitions: 1,
            offline: usize::from(is_offline),
            under_min_isr: usize::from(in_sync < needed),
            at_min_isr: usize::from(in_sync == needed && in_sync < settled),
            under_replicated: usize::from(in_sync < settled),
            reassigning: usize::from(is_moving),
            not_preferred: usize::from(!is_preferred && !is_offline),
        }
    }

    /// How bad it is, to sort by: the worst is the largest.
    pub(in crate::web::pages) fn badness(&self) -> (usize, usize, usize) {
        (self.offline, self.under_min_isr, self.under_replicated)
    }
}

impl AddAssign for PartitionCounts {
    fn add_assign(&mut self, other: Self) {
        self.partitions += other.partitions;
        self.offline += other.offline;
        self.under_min_isr += other.under_min_isr;
        self.at_min_isr += other.at_min_isr;
        self.under_replicated += other.under_replicated;
        self.reassigning += other.reassigning;
        self.not_preferred += other.not_preferred;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::pages::view::testing::{ids, partition};

    #[test]
    fn replicas_that_are_missing_count_by_what_is_needed() {
        let counts = |isr: &[i32]| PartitionCounts::of(&partition(&[1, 2, 3], isr), 2);

        let all = PartitionCounts {
            partitions: 1,
            ..PartitionCounts::default()
        };
        assert_eq!(counts(&[1, 2, 3]), all);
        let fewer = PartitionCounts {
            under_replicated: 1,
            at_min_isr: 1,
            ..all
        };
        assert_eq!(counts(&[1, 3]), fewer);
        let too_few = PartitionCounts {
            under_replicated: 1,
            under_min_isr: 1,
            not_preferred: 1,
            ..all
        };
        assert_eq!(counts(&[3]), too_few);
    }

    #[test]
    fn a_partition_alone_is_not_at_its_limit() {
        let counts = PartitionCounts::of(&partition(&[1], &[1]), 1);

        assert_eq!((counts.at_min_isr, counts.under_replicated), (0, 0));
    }

    #[test]
    fn replicas_that_are_being_added_are_not_missing_yet() {
        let mut moving = partition(&[1, 2, 3], &[1, 2]);
        moving.adding = ids(&[3]);

        let counts = PartitionCounts::of(&moving, 1);

        assert_eq!((counts.under_replicated, counts.reassigning), (0, 1));
    }

    #[test]
    fn without_a_leader_a_partition_is_offline() {
        let counts = PartitionCounts::of(&partition(&[1, 2], &[]), 1);

        assert_eq!((counts.offline, counts.not_preferred), (1, 0));
    }
}
