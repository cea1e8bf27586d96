//! What operators count of a cluster's metadata: brokers, partitions, and which of them are in trouble.
//!
//! The counts follow the deltas: a change costs what it changes, however many partitions there are.

use std::ops::{AddAssign, SubAssign};

use super::delta::{ChangedPartition, MetadataDelta};
use super::image::{MetadataImage, PartitionImage};
use crate::model::BrokerId;

/// The counts, as one broker has read the metadata. Those of the partitions that it leads are its own, as
/// in Kafka: the sums over all brokers are the cluster's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterCounts {
    /// Topics.
    pub topics: i64,
    /// Brokers that are registered and not fenced.
    pub active_brokers: i64,
    /// Brokers that are registered and fenced.
    pub fenced_brokers: i64,
    /// Partitions.
    pub partitions: PartitionCounts,
}

/// Counts of partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionCounts {
    /// All partitions.
    pub all: i64,
    /// Partitions without a leader.
    pub leaderless: i64,
    /// Partitions that another replica leads than the preferred one, or none.
    pub not_preferred: i64,
    /// Partitions that this broker leads.
    pub led: i64,
    /// Of those, partitions with replicas that are not in sync; those that a reassignment adds do not count.
    pub under_replicated: i64,
    /// Of those, partitions with fewer in-sync replicas than `min.insync.replicas`.
    pub under_min_isr: i64,
    /// Of those, partitions with just as many as that.
    pub at_min_isr: i64,
    /// Of those, partitions that are reassigned.
    pub reassigning: i64,
}

/// Events that a delta shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterEvents {
    /// Partitions that got another leader.
    pub elections: u64,
    /// Of those, leaders that may lack what was committed.
    pub unclean_elections: u64,
    /// In-sync sets of partitions that this broker leads that have lost replicas.
    pub isr_shrinks: u64,
    /// In-sync sets of partitions that this broker leads that have gained replicas.
    pub isr_expands: u64,
}

/// From whose side it is counted.
pub struct Side<'a> {
    /// This broker.
    pub local: BrokerId,
    /// A topic's `min.insync.replicas`, as an image has it.
    pub min_isr: &'a dyn Fn(&MetadataImage, &str) -> usize,
}

impl ClusterCounts {
    /// Counts everything in an image.
    pub fn of(image: &MetadataImage, side: &Side<'_>) -> Self {
        let mut partitions = PartitionCounts::default();
        for topic in image.topics().iter() {
            let min_isr = (side.min_isr)(image, &topic.name);
            for (_, partition) in topic.partitions.iter() {
                partitions += PartitionCounts::of(partition, side.local, min_isr);
            }
        }
        Self {
            partitions,
            ..Self::without_partitions(image)
        }
    }

    /// The counts after a delta, from those of its base.
    pub fn after(&self, delta: &MetadataDelta, side: &Side<'_>) -> Self {
        let (base, image) = (delta.base(), delta.image());
        // Any topic may have another minimum.
        if !delta.changes().configs.is_empty() {
            return Self::of(image, side);
        }
        let mut partitions = self.partitions;
        let of = |partition: &PartitionImage, topic: &str| {
            PartitionCounts::of(partition, side.local, (side.min_isr)(image, topic))
        };
        for topic in delta.deleted_topics() {
            let min_isr = (side.min_isr)(base, &topic.name);
            for (_, partition) in topic.partitions.iter() {
                partitions -= PartitionCounts::of(partition, side.local, min_isr);
            }
        }
        for changed in delta.changed_partitions() {
            if let Some(previous) = changed.previous {
                partitions -= of(previous, &changed.topic.name);
            }
            partitions += of(changed.current, &changed.topic.name);
        }
        Self {
            partitions,
            ..Self::without_partitions(image)
        }
    }

    fn without_partitions(image: &MetadataImage) -> Self {
        let brokers = image.brokers();
        let fenced = brokers.iter().filter(|broker| broker.fenced).count();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        Self {
            topics: number(image.topics().len()),
            active_brokers: number(brokers.len() - fenced),
            fenced_brokers: number(fenced),
            partitions: PartitionCounts::default(),
        }
    }
}

impl PartitionCounts {
    fn of(partition: &PartitionImage, local: BrokerId, min_isr: usize) -> Self {
        let is_led = partition.leader == local;
        let in_sync = partition.isr.len();
        let min_isr = min_isr.min(partition.replicas.len());
        let wanted = partition
            .replicas
            .len()
            .saturating_sub(partition.adding.len());
        let led = |is_counted: bool| i64::from(is_led && is_counted);
        Self {
            all: 1,
            leaderless: i64::from(!partition.has_leader()),
            not_preferred: i64::from(partition.leader != partition.preferred_leader()),
            led: led(true),
            under_replicated: led(in_sync < wanted),
            under_min_isr: led(in_sync < min_isr),
            at_min_isr: led(in_sync == min_isr),
            reassigning: led(partition.is_reassigning()),
        }
    }

    fn change(&mut self, other: Self, change: impl Fn(&mut i64, i64)) {
        change(&mut self.all, other.all);
        change(&mut self.leaderless, other.leaderless);
        change(&mut self.not_preferred, other.not_preferred);
        change(&mut self.led, other.led);
        change(&mut self.under_replicated, other.under_replicated);
        change(&mut self.under_min_isr, other.under_min_isr);
        change(&mut self.at_min_isr, other.at_min_isr);
        change(&mut self.reassigning, other.reassigning);
    }
}

impl AddAssign for PartitionCounts {
    fn add_assign(&mut self, other: Self) {
        self.change(other, |count, more| *count += more);
    }
}

impl SubAssign for PartitionCounts {
    fn sub_assign(&mut self, other: Self) {
        self.change(other, |count, less| *count -= less);
    }
}

impl ClusterEvents {
    /// What happened in a delta. Of several changes of one partition the outcome counts.
    pub fn of(delta: &MetadataDelta, local: BrokerId) -> Self {
        let mut events = Self::default();
        for ChangedPartition {
            previous, current, ..
        } in delta.changed_partitions()
        {
            let Some(previous) = previous else { continue };
            let leader = current.leader;
            if leader != previous.leader && current.has_leader() {
                let is_clean = previous.isr.contains(&leader) || previous.elr.contains(&leader);
                events.elections += 1;
                events.unclean_elections += u64::from(!is_clean);
            }
            if leader == local {
                let (before, after) = (&previous.isr, &current.isr);
                let has_lost = before.iter().any(|id| !after.contains(id));
                let has_gained = after.iter().any(|id| !before.contains(id));
                events.isr_shrinks += u64::from(has_lost);
                events.isr_expands += u64::from(has_gained);
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doubles::history::{Dice, random_history};
    use crate::metadata::image::ResourceKind;
    use crate::model::Uuid;
    use crate::protocol::messages::metadata_records::{
        MetadataRecord, PartitionChangeRecord, PartitionRecord, TopicRecord,
    };

    const LOCAL: BrokerId = BrokerId(1);
    const TOPIC: Uuid = Uuid::from_bytes([7; 16]);

    fn min_isr(image: &MetadataImage, topic: &str) -> usize {
        let value = image
            .configs()
            .get(ResourceKind::Topic, topic, "min.insync.replicas");
        value.map_or(1, |value| value.parse().unwrap_or(1))
    }

    const SIDE: Side<'static> = Side {
        local: LOCAL,
        min_isr: &min_isr,
    };

    #[test]
    fn counts_that_follow_deltas_are_those_of_the_image() {
        for seed in 0..100 {
            let (records, _) = random_history(seed, 400);
            let mut dice = Dice::new(seed);
            let mut image = MetadataImage::default();
            let mut counts = ClusterCounts::of(&image, &SIDE);
            let mut rest = records.as_slice();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(1 + dice.below(rest.len().min(20)));
                let mut delta = MetadataDelta::new(image);
                for record in now {
                    delta.replay(record).unwrap();
                }
                counts = counts.after(&delta, &SIDE);
                image = delta.image().clone();
                assert_eq!(counts, ClusterCounts::of(&image, &SIDE), "seed {seed}");
                rest = later;
            }
        }
    }

    fn partition(leader: i32, isr: &[i32]) -> [MetadataRecord; 2] {
        let topic = TopicRecord {
            name: "t".into(),
            topic_id: TOPIC,
        };
        let partition = PartitionRecord {
            topic_id: TOPIC,
            replicas: vec![1, 2, 3],
            isr: isr.to_vec(),
            leader,
            ..PartitionRecord::default()
        };
        [topic.into(), partition.into()]
    }

    fn image(records: &[MetadataRecord]) -> MetadataImage {
        let mut delta = MetadataDelta::new(MetadataImage::default());
        for record in records {
            delta.replay(record).unwrap();
        }
        delta.image().clone()
    }

    #[test]
    fn a_partition_counts_where_it_is_led_and_by_how_many_are_in_sync() {
        let of = |leader, isr: &[i32], min_isr: usize| {
            let image = image(&partition(leader, isr));
            let side = Side {
                local: LOCAL,
                min_isr: &|_, _| min_isr,
            };
            ClusterCounts::of(&image, &side).partitions
        };
        let healthy = PartitionCounts {
            all: 1,
            led: 1,
            ..PartitionCounts::default()
        };

        assert_eq!(of(1, &[1, 2, 3], 2), healthy);
        let lagging = PartitionCounts {
            under_replicated: 1,
            at_min_isr: 1,
            ..healthy
        };
        assert_eq!(of(1, &[1, 2], 2), lagging);
        let refusing = PartitionCounts {
            under_replicated: 1,
            under_min_isr: 1,
            ..healthy
        };
        assert_eq!(of(1, &[1], 2), refusing);
        let elsewhere = PartitionCounts {
            all: 1,
            not_preferred: 1,
            ..PartitionCounts::default()
        };
        assert_eq!(of(2, &[2], 2), elsewhere);
        let offline = PartitionCounts {
            leaderless: 1,
            ..elsewhere
        };
        assert_eq!(of(-1, &[1], 2), offline);
    }

    #[test]
    fn leaders_and_in_sync_sets_that_change_are_events() {
        let events = |isr: &[i32], change: PartitionChangeRecord| {
            let mut delta = MetadataDelta::new(image(&partition(1, isr)));
            delta.replay(&change.into()).unwrap();
            ClusterEvents::of(&delta, LOCAL)
        };
        let change = || PartitionChangeRecord {
            topic_id: TOPIC,
            ..PartitionChangeRecord::default()
        };
        let elected = |leader| PartitionChangeRecord {
            leader,
            isr: Some(vec![leader]),
            ..change()
        };
        let in_sync = |isr: &[i32]| PartitionChangeRecord {
            isr: Some(isr.to_vec()),
            ..change()
        };

        let clean = events(&[1, 2], elected(2));
        assert_eq!((clean.elections, clean.unclean_elections), (1, 0));
        let unclean = events(&[1, 2], elected(3));
        assert_eq!((unclean.elections, unclean.unclean_elections), (1, 1));
        let shrunk = events(&[1, 2, 3], in_sync(&[1, 2]));
        assert_eq!((shrunk.isr_shrinks, shrunk.isr_expands), (1, 0));
        let expanded = events(&[1, 2], in_sync(&[1, 2, 3]));
        assert_eq!((expanded.isr_shrinks, expanded.isr_expands), (0, 1));
        assert_eq!(expanded.elections, 0);
    }
}
