//! How one partition changes: who is in sync, who may lead without loss though not in sync (the eligible
//! leader replicas, KIP-966), and who leads. Whatever happens to a partition goes through here.
//!
//! With the feature `eligible.leader.replicas.version` a replica that leaves the in-sync set while that is
//! below `min.insync.replicas` becomes an eligible leader: the leader commits nothing as long as it is, so
//! the replica has all that was committed. The in-sync set may become empty then. Without the feature it is
//! never emptied: its last member stays, as the only one that may lead without loss when it returns.

use super::Controller;
use crate::metadata::image::{LEADER_UNCHANGED, LeaderRecovery, PartitionImage};
use crate::model::{BrokerId, DirectoryId, Uuid};
use crate::protocol::messages::metadata_records::PartitionChangeRecord;

/// How a replica leaves a partition's in-sync set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Departure {
    /// It keeps what it has: its broker is fenced or stops, or its directory is offline.
    Kept,
    /// Its broker has not stopped in order: the end of its log may be gone.
    Unclean,
    /// Its log is damaged, or not to be found. It may turn out to be whole.
    Lost,
    /// Its log is another one than it was.
    Emptied,
}

/// Brokers that a decision treats otherwise than the image does, because their records come with it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Movement {
    /// This broker leaves every in-sync set, and may not lead.
    pub leaving: Option<(BrokerId, Departure)>,
    /// This broker may lead, though it is still fenced.
    pub arriving: Option<BrokerId>,
}

impl Movement {
    /// `broker` leaves.
    pub(super) fn leaving(broker: BrokerId, how: Departure) -> Self {
        Self {
            leaving: Some((broker, how)),
            arriving: None,
        }
    }

    fn is_leaving(&self, broker: BrokerId) -> bool {
        self.leaving.is_some_and(|(leaving, _)| leaving == broker)
    }

    /// Whether the replica of `broker` lacks what it had, or may.
    fn is_losing(&self, broker: BrokerId) -> bool {
        let leaving = self.leaving.filter(|(leaving, _)| *leaving == broker);
        leaving.is_some_and(|(_, how)| how != Departure::Kept)
    }
}

/// What the configs say of a topic's partitions.
#[derive(Clone, Copy, Debug)]
pub(super) struct TopicRules {
    /// `unclean.leader.election.enable`.
    pub unclean_allowed: bool,
    /// `min.insync.replicas`, which may be more than there are replicas.
    pub min_in_sync: usize,
}

/// A change that is to be decided.
pub(super) struct PartitionChange<'a> {
    pub controller: &'a Controller,
    pub partition: &'a PartitionImage,
    /// The replicas that the partition is to have.
    pub replicas: &'a [BrokerId],
    /// The in-sync set that the partition is to have.
    pub isr: Vec<BrokerId>,
    pub movement: Movement,
    pub rules: TopicRules,
    /// Whether the first replica takes over from a leader that could go on.
    pub prefers_first: bool,
    /// Whether the leader epoch rises when the in-sync set shrinks.
    pub raises_epoch_on_shrink: bool,
}

/// Where a leader comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Elected {
    InSync(BrokerId),
    /// From the eligible leader replicas: all others have to join it.
    Eligible(BrokerId),
    /// From neither: committed records may be lost.
    Unclean(BrokerId),
    Nobody,
}

/// What the partition becomes.
struct Outcome {
    leader: BrokerId,
    isr: Vec<BrokerId>,
    elr: Vec<BrokerId>,
    is_unclean: bool,
}

impl<'a> PartitionChange<'a> {
    /// The change by which a movement of brokers concerns a partition that they have replicas of.
    pub(super) fn by_movement(
        controller: &'a Controller,
        partition: &'a PartitionImage,
        movement: Movement,
        rules: TopicRules,
    ) -> Self {
        let isr = partition.isr.iter().copied();
        Self {
            controller,
            partition,
            replicas: &partition.replicas,
            isr: isr.filter(|id| !movement.is_leaving(*id)).collect(),
            movement,
            rules,
            prefers_first: false,
            raises_epoch_on_shrink: controller
                .image
                .metadata_version()
                .isr_shrink_raises_leader_epoch(),
        }
    }

    /// The record of the change, without the partition's name; the default one if nothing changes.
    pub(super) fn record(&self) -> PartitionChangeRecord {
        let partition = self.partition;
        let outcome = self.outcome();
        let raw = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect::<Vec<i32>>();
        let is_recovering = partition.leader_recovery == LeaderRecovery::Recovering;
        let mut change = PartitionChangeRecord {
            isr: (*outcome.isr != *partition.isr).then(|| raw(&outcome.isr)),
            eligible_leader_replicas: (!is_same_set(&outcome.elr, &partition.elr))
                .then(|| raw(&outcome.elr)),
            last_known_elr: self.last_known_leader(&outcome).map(|ids| raw(&ids)),
            ..PartitionChangeRecord::default()
        };
        if outcome.is_unclean && !is_recovering {
            change.leader_recovery_state = LeaderRecovery::Recovering.to_wire();
        }
        if outcome.leader != partition.leader || self.raises_leader_epoch(&outcome) {
            change.leader = outcome.leader.0;
        }
        change
    }

    /// Whether the leader epoch must rise though the leader stays.
    fn raises_leader_epoch(&self, outcome: &Outcome) -> bool {
        let shrinks = || {
            let mut isr = self.partition.isr.iter();
            isr.any(|id| !outcome.isr.contains(id))
        };
        // A replica that is dropped must not count as a follower any more.
        let mut replicas = self.partition.replicas.iter();
        replicas.any(|id| !self.replicas.contains(id)) || self.raises_epoch_on_shrink && shrinks()
    }

    fn outcome(&self) -> Outcome {
        let elr = self.eligible();
        let elected = self.elect(&elr);
        let mut outcome = Outcome {
            leader: BrokerId::NONE,
            isr: self.isr.clone(),
            elr,
            is_unclean: matches!(elected, Elected::Unclean(_)),
        };
        match elected {
            Elected::InSync(leader) => outcome.leader = leader,
            Elected::Nobody => {
                if self.isr.is_empty() && !self.has_elr() {
                    outcome.isr = self.partition.isr.to_vec();
                }
            }
            Elected::Eligible(leader) => {
                outcome.leader = leader;
                outcome.isr = vec![leader];
                outcome.elr.retain(|id| *id != leader);
            }
            Elected::Unclean(leader) => {
                outcome.leader = leader;
                outcome.isr = vec![leader];
                outcome.elr.clear();
            }
        }
        // The new leader may commit by itself: what the others have is not all any more.
        if outcome.isr.len() >= self.min_in_sync() {
            outcome.elr.clear();
        }
        outcome
    }

    fn has_elr(&self) -> bool {
        self.controller.image.features().has_elr()
    }

    /// What the leader counts with; see `replication::high_watermark::effective_min_in_sync`.
    fn min_in_sync(&self) -> usize {
        self.rules.min_in_sync.min(self.replicas.len())
    }

    /// The eligible leader replicas before the election, ascending: those that there were, and those that
    /// leave the in-sync set.
    fn eligible(&self) -> Vec<BrokerId> {
        if !self.has_elr() || self.isr.len() >= self.min_in_sync() {
            return Vec::new();
        }
        let partition = self.partition;
        let candidates = partition.elr.iter().chain(&partition.isr).copied();
        let is_eligible = |id: &BrokerId| {
            self.replicas.contains(id) && !self.isr.contains(id) && !self.movement.is_losing(*id)
        };
        let mut eligible: Vec<BrokerId> = candidates.filter(is_eligible).collect();
        eligible.sort_unstable();
        eligible.dedup();
        eligible
    }

    fn elect(&self, elr: &[BrokerId]) -> Elected {
        let candidates = if self.isr.is_empty() { elr } else { &self.isr };
        let valid = |id: &BrokerId| candidates.contains(id) && self.may_lead(*id);
        let first = self.replicas.first().filter(|_| self.prefers_first);
        let current = Some(&self.partition.leader);
        let ordered = first.into_iter().chain(current).chain(self.replicas);
        if let Some(leader) = self.undrained_first(ordered.filter(|id| valid(id))) {
            return if self.isr.contains(&leader) {
                Elected::InSync(leader)
            } else {
                Elected::Eligible(leader)
            };
        }
        let may_be_unclean =
            || self.undrained_first(self.replicas.iter().filter(|id| self.may_lead(**id)));
        let unclean = self
            .electable_last_leader(elr)
            .or_else(|| self.rules.unclean_allowed.then(may_be_unclean).flatten());
        unclean.map_or(Elected::Nobody, Elected::Unclean)
    }

    /// The first of those who may lead that is not drained; the first, if all are.
    fn undrained_first<'b>(
        &self,
        mut may_lead: impl Iterator<Item = &'b BrokerId>,
    ) -> Option<BrokerId> {
        let drains = &self.controller.drains;
        let first = may_lead.next()?;
        let is_undrained = |id: &&BrokerId| !drains.contains(**id);
        let undrained = std::iter::once(first).chain(may_lead).find(is_undrained);
        Some(*undrained.unwrap_or(first))
    }

    /// The last leader, where nobody else could lead: no other replica has more than it had, but its broker
    /// has not stopped in order, so it may have lost the end of its log.
    fn electable_last_leader(&self, elr: &[BrokerId]) -> Option<BrokerId> {
        if !self.has_elr() || !self.isr.is_empty() || !elr.is_empty() {
            return None;
        }
        // A list of several has another meaning, which Kafka's code has and no release writes.
        match *self.partition.last_known_elr {
            [last] if self.replicas.contains(&last) && self.may_lead(last) => Some(last),
            _ => None,
        }
    }

    fn may_lead(&self, broker: BrokerId) -> bool {
        let brokers = self.controller.image.brokers();
        let registered = brokers
            .get(broker)
            .filter(|_| !self.movement.is_leaving(broker));
        registered.is_some_and(|registered| {
            let directory = self.partition.directory_of(broker);
            (self.movement.arriving == Some(broker) || registered.is_active())
                && is_online(directory.unwrap_or(Uuid::ZERO), &registered.directories)
        })
    }

    /// What to note as the last known leader: the one that the partition loses; none while it has one.
    /// `None` if that stays as it is.
    fn last_known_leader(&self, outcome: &Outcome) -> Option<Vec<BrokerId>> {
        if !self.has_elr() {
            return None;
        }
        let partition = self.partition;
        let known = &*partition.last_known_elr;
        let is_emptied = |id: BrokerId| self.movement.leaving == Some((id, Departure::Emptied));
        let noted = if outcome.leader != BrokerId::NONE {
            Vec::new()
        } else if !known.is_empty() {
            known.to_vec()
        } else if partition.has_leader() {
            vec![partition.leader]
        } else if let ([last], []) = (&*partition.isr, &*outcome.isr) {
            // Without the feature the last one in sync had stayed in the set.
            vec![*last]
        } else {
            Vec::new()
        };
        let noted: Vec<BrokerId> = noted.into_iter().filter(|id| !is_emptied(*id)).collect();
        (*noted != *known).then_some(noted)
    }
}

fn is_same_set(a: &[BrokerId], b: &[BrokerId]) -> bool {
    a.len() == b.len() && a.iter().all(|id| b.contains(id))
}

/// Whether a record changes anything.
pub(super) fn is_change(record: &PartitionChangeRecord) -> bool {
    let nothing = PartitionChangeRecord {
        partition_id: record.partition_id,
        topic_id: record.topic_id,
        ..PartitionChangeRecord::default()
    };
    *record != nothing
}

/// Whether a record gives the partition a leader.
pub(super) fn gives_leader(record: &PartitionChangeRecord) -> bool {
    record.leader != LEADER_UNCHANGED && record.leader != BrokerId::NONE.0
}

/// Whether a replica's directory is known to be gone. Replicas that are not assigned to a
/// directory yet count as online, as do all of a broker that has not told its directories.
pub(super) fn is_online(directory: DirectoryId, online: &[DirectoryId]) -> bool {
    if directory == Uuid::UNASSIGNED_DIRECTORY || directory == Uuid::ZERO {
        return true;
    }
    directory != Uuid::LOST_DIRECTORY && (online.is_empty() || online.contains(&directory))
}
