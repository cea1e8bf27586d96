//! Who leads a partition after brokers came or went: the records of fencing, unfencing and
//! controlled shutdown.
//!
//! Without eligible leader replicas (KIP-966, not served yet) an in-sync set is never emptied: the
//! last member stays in it, as the only one that may lead without loss when it returns.

use super::Controller;
use super::partition_index::PartitionKey;
use super::reassignment::Target;
use crate::metadata::image::{
    BrokerImage, LEADER_UNCHANGED, LeaderRecovery, PartitionImage, TopicImage,
};
use crate::model::{BrokerId, DirectoryId, Uuid};
use crate::protocol::messages::metadata_records::{
    BrokerRegistrationChangeRecord, MetadataRecord, PartitionChangeRecord,
};

/// Brokers that a decision treats otherwise than the image does, because their records come with it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Movement {
    /// This broker leaves every in-sync set, and may not lead.
    pub leaving: Option<BrokerId>,
    /// This broker may lead, though it is still fenced.
    pub arriving: Option<BrokerId>,
}

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

    /// The records that take a broker out of every in-sync set and every leadership.
    pub(super) fn departure_records(&self, broker: BrokerId) -> Vec<MetadataRecord> {
        let movement = Movement {
            leaving: Some(broker),
            ..Movement::default()
        };
        let mut records = Vec::new();
        self.leadership_changes(movement, self.index.in_sync_on(broker), &mut records);
        records
    }

    /// Adds a change for each partition that the movement gives another leader or in-sync set.
    pub(super) fn leadership_changes(
        &self,
        movement: Movement,
        partitions: impl Iterator<Item = PartitionKey>,
        records: &mut Vec<MetadataRecord>,
    ) {
        for (topic_id, index) in partitions {
            let topic = self.image.topics().by_id(&topic_id);
            let topic = topic.expect("the index holds only partitions of the image");
            let partition = topic.partition(index).expect("as above");
            let election = self.election(&topic.name, partition, movement);
            if let Some(change) = election.change() {
                let change = PartitionChangeRecord {
                    partition_id: index,
                    topic_id,
                    ..change
                };
                records.push(change.into());
            }
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
        let is_online = is_online(directory, &broker.directories);
        let movement = Movement {
            // Without its directory the replica cannot lead, as if its broker had left.
            leaving: (!is_online).then_some(broker.id),
            ..Movement::default()
        };
        let election = self.election(&topic.name, &after, movement).change();
        let change = PartitionChangeRecord {
            partition_id: index,
            topic_id,
            directories: change.directories,
            ..election.unwrap_or_default()
        };
        let is_change = is_new || change.leader != LEADER_UNCHANGED || change.isr.is_some();
        is_change.then(|| change.into())
    }

    fn election<'a>(
        &'a self,
        topic: &str,
        partition: &'a PartitionImage,
        movement: Movement,
    ) -> Election<'a> {
        let stays = |broker: &BrokerId| Some(*broker) != movement.leaving;
        let version = self.image.metadata_version();
        Election {
            partition,
            replicas: &partition.replicas,
            isr: partition.isr.iter().copied().filter(stays).collect(),
            controller: self,
            movement,
            unclean_allowed: self.allows_unclean_election(topic),
            prefers_first: false,
            raise_epoch_on_shrink: version.isr_shrink_raises_leader_epoch(),
        }
    }

    /// The change that gives a partition other replicas or another in-sync set, with another leader if the
    /// one that it has is not among them any more. It is without the partition's name, and changes nothing
    /// if nothing changes.
    pub(super) fn change_to(
        &self,
        partition: &PartitionImage,
        target: &Target,
        unclean_allowed: bool,
    ) -> PartitionChangeRecord {
        let version = self.image.metadata_version();
        let election = Election {
            partition,
            replicas: &target.replicas,
            isr: target.isr.clone(),
            controller: self,
            movement: Movement::default(),
            unclean_allowed,
            prefers_first: false,
            raise_epoch_on_shrink: version.isr_shrink_raises_leader_epoch(),
        };
        let elected = election.change().unwrap_or_default();
        let mut change = self.assignment_change(partition, target);
        change.isr = elected.isr;
        change.eligible_leader_replicas = elected.eligible_leader_replicas;
        change.leader_recovery_state = elected.leader_recovery_state;
        change.leader = elected.leader;
        let is_dropped = |id: &BrokerId| !target.replicas.contains(id);
        if change.leader == LEADER_UNCHANGED && partition.replicas.iter().any(is_dropped) {
            // The leader epoch must rise, so that a replica which is dropped does not count as a follower
            // any more.
            change.leader = partition.leader.0;
        }
        change
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
        let election = Election {
            partition,
            replicas: &partition.replicas,
            isr: partition.isr.to_vec(),
            controller: self,
            movement: Movement::default(),
            unclean_allowed: wish == Wish::Unclean,
            prefers_first: wish == Wish::Preferred,
            raise_epoch_on_shrink: false,
        };
        let change = election.change()?;
        let is_elected = change.leader != LEADER_UNCHANGED && change.leader != BrokerId::NONE.0;
        is_elected.then(|| {
            PartitionChangeRecord {
                partition_id: index,
                topic_id: topic.id,
                ..change
            }
            .into()
        })
    }

    fn may_lead(&self, partition: &PartitionImage, broker: BrokerId, movement: Movement) -> bool {
        let Some(registered) = self.image.brokers().get(broker) else {
            return false;
        };
        if movement.leaving == Some(broker) {
            return false;
        }
        let directory = partition.directory_of(broker).unwrap_or(Uuid::ZERO);
        (movement.arriving == Some(broker) || registered.is_active())
            && is_online(directory, &registered.directories)
    }
}

/// Whether a replica's directory is known to be gone. Replicas that are not assigned to a
/// directory yet count as online, as do all of a broker that has not told its directories.
pub(super) fn is_online(directory: DirectoryId, online: &[DirectoryId]) -> bool {
    if directory == Uuid::UNASSIGNED_DIRECTORY || directory == Uuid::ZERO {
        return true;
    }
    directory != Uuid::LOST_DIRECTORY && (online.is_empty() || online.contains(&directory))
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

/// The question who should lead a partition now.
struct Election<'a> {
    partition: &'a PartitionImage,
    /// The replicas that the partition is to have.
    replicas: &'a [BrokerId],
    /// The in-sync set that the partition is to have. An empty one is not taken over: the old one stays.
    isr: Vec<BrokerId>,
    controller: &'a Controller,
    movement: Movement,
    unclean_allowed: bool,
    /// Whether the first replica takes over from a leader that could go on.
    prefers_first: bool,
    raise_epoch_on_shrink: bool,
}

impl Election<'_> {
    /// The change that the election brings, without the partition's name; `None` if it brings none.
    fn change(&self) -> Option<PartitionChangeRecord> {
        let partition = self.partition;
        let (leader, is_unclean) = self.elect();
        let mut change = PartitionChangeRecord::default();
        if leader != partition.leader {
            change.leader = leader.0;
            if is_unclean {
                change.isr = Some(vec![leader.0]);
                if partition.leader_recovery != LeaderRecovery::Recovering {
                    change.leader_recovery_state = LeaderRecovery::Recovering.to_wire();
                }
            }
        }
        // Eligible leader replicas stem from a log in which the feature was on: they are cleared.
        if !partition.elr.is_empty() {
            change.eligible_leader_replicas = Some(Vec::new());
        }
        if change.isr.is_none() && !self.isr.is_empty() && *self.isr != *partition.isr {
            change.isr = Some(self.isr.iter().map(|broker| broker.0).collect());
            let shrinks = partition.isr.iter().any(|id| !self.isr.contains(id));
            if self.raise_epoch_on_shrink && shrinks && change.leader == LEADER_UNCHANGED {
                change.leader = partition.leader.0;
            }
        }
        (change != PartitionChangeRecord::default()).then_some(change)
    }

    fn may_lead(&self, broker: BrokerId) -> bool {
        self.controller
            .may_lead(self.partition, broker, self.movement)
    }

    /// Elects: the leader, and whether it is from outside the in-sync set.
    fn elect(&self) -> (BrokerId, bool) {
        let in_sync = |broker: &BrokerId| self.isr.contains(broker) && self.may_lead(*broker);
        if let Some(first) = self.replicas.first()
            && self.prefers_first
            && in_sync(first)
        {
            return (*first, false);
        }
        if in_sync(&self.partition.leader) {
            return (self.partition.leader, false);
        }
        let mut replicas = self.replicas.iter();
        if let Some(leader) = replicas.clone().find(|replica| in_sync(replica)) {
            return (*leader, false);
        }
        let unclean = replicas.find(|replica| self.unclean_allowed && self.may_lead(**replica));
        match unclean {
            Some(leader) => (*leader, true),
            None => (BrokerId::NONE, false),
        }
    }
}
