//! Who leads a partition after brokers came or went: the records of fencing, unfencing, controlled shutdown
//! and unclean stops, and of replicas whose directory is lost.

use super::Controller;
use super::partition_change::{
    Departure, Movement, PartitionChange, TopicRules, gives_leader, is_change, is_online,
};
use super::partition_index::PartitionKey;
use super::reassignment::Target;
use crate::metadata::image::{BrokerImage, PartitionImage, TopicImage};
use crate::model::{BrokerId, DirectoryId, TopicId, Uuid};
use crate::protocol::messages::metadata_records::{
    BrokerRegistrationChangeRecord, MetadataRecord, PartitionChangeRecord,
};

/// Which replica should lead a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// The first replica, if it is in sync.
    Preferred,
    /// Any replica that is alive, even if records are lost by it.
    Unclean,
}

/// The value of fencing in a [`BrokerRegistrationChangeRecord`].
const FENCE: i8 = 1;
const UNFENCE: i8 = -1;

impl Controller {
    /// The records that fence a broker and give its partitions other leaders, or none.
    pub(super) fn fence_records(&self, broker: BrokerId, epoch: i64) -> Vec<MetadataRecord> {
        let mut records = self.departure_records(broker);
        records.push(registration_change(broker, epoch, |change| {
            change.fenced = FENCE;
        }));
        records
    }

    /// The records that unfence a broker and let it lead where nobody does.
    pub(super) fn unfence_records(&self, broker: BrokerId, epoch: i64) -> Vec<MetadataRecord> {
        let mut records = vec![registration_change(broker, epoch, |change| {
            change.fenced = UNFENCE;
        })];
        let movement = Movement {
            arriving: Some(broker),
            ..Movement::default()
        };
        self.leadership_changes(movement, self.index.leaderless(), &mut records);
        records
    }

    /// The records that begin or continue a controlled shutdown: they hand over what the broker leads.
    pub(super) fn controlled_shutdown_records(
        &self,
        broker: BrokerId,
        epoch: i64,
    ) -> Vec<MetadataRecord> {
        let registered = self.image.brokers().get(broker);
        let has_begun = registered.is_some_and(|broker| broker.in_controlled_shutdown);
        let mut records = Vec::new();
        if !has_begun {
            records.push(registration_change(broker, epoch, |change| {
                change.in_controlled_shutdown = 1;
            }));
        }
        records.extend(self.departure_records(broker));
        records
    }

    /// The records that take a broker out of every in-sync set and every leadership. Its replicas keep what
    /// they have.
    pub(super) fn departure_records(&self, broker: BrokerId) -> Vec<MetadataRecord> {
        let movement = Movement::leaving(broker, Departure::Kept);
        let mut records = Vec::new();
        self.leadership_changes(movement, self.index.in_sync_on(broker), &mut records);
        records
    }

    /// As [`Self::departure_records`], of a broker whose replicas may have lost the end of their logs: they
    /// are eligible leaders no more. Without the feature this is all the same, as in Kafka.
    pub(super) fn unclean_departure_records(&self, broker: BrokerId) -> Vec<MetadataRecord> {
        let movement = Movement::leaving(broker, Departure::Unclean);
        let affected = self.index.in_sync_on(broker);
        let affected = affected.chain(self.index.eligible_on(broker));
        let mut records = Vec::new();
        self.leadership_changes(movement, affected, &mut records);
        records
    }

    /// Adds a change for each partition that the movement gives another leader or in-sync set.
    pub(super) fn leadership_changes(
        &self,
        movement: Movement,
        partitions: impl Iterator<Item = PartitionKey>,
        records: &mut Vec<MetadataRecord>,
    ) {
        // Partitions come topic by topic.
        let mut last: Option<(TopicId, TopicRules)> = None;
        for (topic_id, index) in partitions {
            let topic = self.image.topics().by_id(&topic_id);
            let topic = topic.expect("the index holds only partitions of the image");
            let partition = topic.partition(index).expect("as above");
            let rules = match last {
                Some((of, rules)) if of == topic_id => rules,
                _ => self.rules_of(&topic.name),
            };
            last = Some((topic_id, rules));
            let change = PartitionChange::by_movement(self, partition, movement, rules);
            records.extend(named(change.record(), (topic_id, index)));
        }
    }

    /// The change that puts a broker's replica into a directory, and what follows for leadership:
    /// a replica in a directory that is offline cannot lead, one that is online again may. `None`
    /// if nothing changes. The partition must have a replica on the broker.
    pub(super) fn directory_change(
        &self,
        (topic_id, index): PartitionKey,
        broker: &BrokerImage,
        directory: DirectoryId,
    ) -> Option<MetadataRecord> {
        let topic = self.image.topics().by_id(&topic_id)?;
        let partition = topic.partition(index)?;
        let placed = partition.replicas.iter().zip(&partition.directories);
        let directories: Vec<_> = placed
            .map(|(replica, known)| {
                if *replica == broker.id {
                    directory
                } else {
                    *known
                }
            })
            .collect();
        let is_new = *directories != *partition.directories;
        let change = PartitionChangeRecord {
            directories: is_new.then_some(directories),
            ..PartitionChangeRecord::default()
        };
        let after = partition.merge(&change);
        let after = after.expect("there is one directory for each replica");
        if is_found(directory, partition, broker.id) && !is_last_leader(partition, broker.id) {
            // A copy of an earlier request, or somebody else leads by now: it must join as others do.
            return None;
        }
        let movement = Movement {
            leaving: self
                .departure_to(directory, partition, broker)
                .map(|how| (broker.id, how)),
            arriving: None,
        };
        let rules = self.rules_of(&topic.name);
        let elected = PartitionChange::by_movement(self, &after, movement, rules).record();
        let change = PartitionChangeRecord {
            directories: change.directories,
            ..elected
        };
        named(change, (topic_id, index))
    }

    /// The change that gives a partition other replicas or another in-sync set, with another leader if the
    /// one that it has is not among them any more. It is without the partition's name, and changes nothing
    /// if nothing changes.
    pub(super) fn change_to(
        &self,
        partition: &PartitionImage,
        target: &Target,
        rules: TopicRules,
    ) -> PartitionChangeRecord {
        let version = self.image.metadata_version();
        let elected = PartitionChange {
            controller: self,
            partition,
            replicas: &target.replicas,
            isr: target.isr.clone(),
            movement: Movement::default(),
            rules,
            prefers_first: false,
            raises_epoch_on_shrink: version.isr_shrink_raises_leader_epoch(),
        };
        let elected = elected.record();
        let assigned = self.assignment_change(partition, target);
        PartitionChangeRecord {
            replicas: assigned.replicas,
            adding_replicas: assigned.adding_replicas,
            removing_replicas: assigned.removing_replicas,
            directories: assigned.directories,
            ..elected
        }
    }

    /// The record that makes the wished replica lead; `None` if the partition keeps its leader, or stays
    /// without one.
    pub(super) fn elected(
        &self,
        topic: &TopicImage,
        index: i32,
        partition: &PartitionImage,
        wish: Wish,
    ) -> Option<MetadataRecord> {
        let rules = TopicRules {
            unclean_allowed: wish == Wish::Unclean,
            ..self.rules_of(&topic.name)
        };
        let change = PartitionChange {
            prefers_first: wish == Wish::Preferred,
            raises_epoch_on_shrink: false,
            ..PartitionChange::by_movement(self, partition, Movement::default(), rules)
        };
        let change = change.record();
        gives_leader(&change).then(|| named(change, (topic.id, index)))?
    }

    /// How the replica of a broker that tells its directory leaves the in-sync set; `None` if it stays.
    ///
    /// Kafka knows [`Departure::Kept`] only, and may elect a replica whose log was made anew. Where a partition
    /// has one replica nobody has more than that has, whatever it is. A lost replica is found again if its broker
    /// says that it is in no directory in particular, which brokers say only of a log that is whole.
    fn departure_to(
        &self,
        directory: DirectoryId,
        partition: &PartitionImage,
        broker: &BrokerImage,
    ) -> Option<Departure> {
        let online = &broker.directories;
        let was_in = partition.directory_of(broker.id).unwrap_or(Uuid::ZERO);
        let may_be_spared = self.image.features().has_elr() && partition.replicas.len() > 1;
        if is_online(directory, online) {
            // The log is another one than that in the directory which is gone.
            let is_another = directory != was_in
                && !is_online(was_in, online)
                && !is_found(directory, partition, broker.id);
            return (may_be_spared && is_another).then_some(Departure::Emptied);
        }
        let is_lost = may_be_spared && directory == Uuid::LOST_DIRECTORY;
        Some(if is_lost {
            Departure::Lost
        } else {
            Departure::Kept
        })
    }
}

/// Whether a broker says with this directory that its lost replica is whole after all.
fn is_found(directory: DirectoryId, partition: &PartitionImage, broker: BrokerId) -> bool {
    let was_lost = partition.directory_of(broker) == Some(Uuid::LOST_DIRECTORY);
    directory == Uuid::UNASSIGNED_DIRECTORY && was_lost
}

/// Whether nobody leads, and nobody has since this broker did.
fn is_last_leader(partition: &PartitionImage, broker: BrokerId) -> bool {
    !partition.has_leader() && *partition.last_known_elr == [broker]
}

/// The change as a record of the partition; `None` if it changes nothing.
fn named(
    change: PartitionChangeRecord,
    (topic_id, partition_id): PartitionKey,
) -> Option<MetadataRecord> {
    is_change(&change).then(|| {
        PartitionChangeRecord {
            topic_id,
            partition_id,
            ..change
        }
        .into()
    })
}

/// A change of a broker's registration that sets nothing but what `set` does.
pub(super) fn registration_change(
    broker: BrokerId,
    epoch: i64,
    set: impl FnOnce(&mut BrokerRegistrationChangeRecord),
) -> MetadataRecord {
    let mut change = BrokerRegistrationChangeRecord {
        broker_id: broker.0,
        broker_epoch: epoch,
        ..BrokerRegistrationChangeRecord::default()
    };
    set(&mut change);
    change.into()
}
