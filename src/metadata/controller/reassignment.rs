//! AlterPartitionReassignments: partitions get other replicas, and such reassignments are cancelled.
//!
//! A reassignment adds the new replicas to the old ones. When all that it adds are in sync, those that are
//! not wanted any more go (KIP-455). One that adds none completes at once.
//!
//! A partition that the request names twice is refused. Each reassignment is decided against the state
//! before the request, so two of one partition would end in what neither of them means.

use super::Controller;
use super::create_topics::duplicates;
use super::decision::{Decision, Refusal, error_fields};
use super::partition_change::is_change;
use super::request::{Circumstances, ControllerRequest};
use crate::metadata::image::{MetadataImage, PartitionImage, TopicImage};
use crate::model::BrokerId;
use crate::protocol::Str;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopic, ReassignableTopicResponse,
};
use crate::protocol::messages::metadata_records::{MetadataRecord, PartitionChangeRecord};

/// A partition as a request names it.
type NamedPartition<'a> = (&'a Str, i32);

fn named_partitions(topic: &ReassignableTopic) -> impl Iterator<Item = NamedPartition<'_>> {
    let indexes = topic.partitions.iter();
    indexes.map(|partition| (&topic.name, partition.partition_index))
}

/// Whether a partition is on its way to what is wanted, or there, or has ended its move if that is wanted.
fn is_begun(wanted: &ReassignablePartition, state: &PartitionImage) -> bool {
    match &wanted.replicas {
        None => !state.is_reassigning(),
        Some(replicas) => {
            let mut replicas = replicas.iter();
            replicas.all(|id| state.replicas.contains(&BrokerId(*id)))
        }
    }
}

/// The replicas of a partition while it is reassigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub replicas: Vec<BrokerId>,
    pub isr: Vec<BrokerId>,
    pub adding: Vec<BrokerId>,
    pub removing: Vec<BrokerId>,
}

impl ControllerRequest for AlterPartitionReassignmentsRequest {
    fn decide(
        &self,
        controller: &mut Controller,
        _circumstances: Circumstances<'_>,
    ) -> Result<Decision<AlterPartitionReassignmentsResponse>, Refusal> {
        Ok(controller.alter_partition_reassignments(self))
    }

    fn refuse(&self, refusal: &Refusal) -> AlterPartitionReassignmentsResponse {
        let refused = Err(refusal.clone());
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter();
            let partitions = partitions.map(|wanted| result(wanted.partition_index, &refused));
            ReassignableTopicResponse {
                name: topic.name.clone(),
                partitions: partitions.collect(),
            }
        });
        AlterPartitionReassignmentsResponse {
            error_code: refusal.code,
            error_message: refusal.text(),
            responses: topics.collect(),
            ..AlterPartitionReassignmentsResponse::default()
        }
    }

    /// Who lists reassignments next must find what was begun, and nothing that was ended.
    fn is_seen(&self, answer: &AlterPartitionReassignmentsResponse, image: &MetadataImage) -> bool {
        // The answer is in the order of the request.
        let mut topics = self.topics.iter().zip(&answer.responses);
        topics.all(|(asked, answered)| {
            let topic = image.topics().by_name(&asked.name);
            let mut partitions = asked.partitions.iter().zip(&answered.partitions);
            partitions.all(|(wanted, answered)| {
                let state = topic.and_then(|topic| topic.partition(wanted.partition_index));
                // A topic that is not there is gone by now.
                answered.error_code.is_error() || state.is_none_or(|it| is_begun(wanted, it))
            })
        })
    }

    fn timeout_ms(&self) -> i32 {
        self.timeout_ms
    }
}

impl Controller {
    /// Decides which reassignments begin and which end.
    pub(super) fn alter_partition_reassignments(
        &self,
        request: &AlterPartitionReassignmentsRequest,
    ) -> Decision<AlterPartitionReassignmentsResponse> {
        let mut records = Vec::new();
        let mut answer = AlterPartitionReassignmentsResponse {
            allow_replication_factor_change: request.allow_replication_factor_change,
            ..AlterPartitionReassignmentsResponse::default()
        };
        let may_change_factor = request.allow_replication_factor_change;
        let named = request.topics.iter().flat_map(named_partitions);
        let named: Vec<NamedPartition<'_>> = named.collect();
        let named_twice = duplicates(named.iter());
        for topic in &request.topics {
            let partitions = topic.partitions.iter().map(|partition| {
                let outcome = if named_twice.contains(&(&topic.name, partition.partition_index)) {
                    let message = "Each partition must appear at most once.";
                    Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
                } else {
                    self.reassign(topic, partition, may_change_factor)
                };
                let outcome = outcome.map(|record| records.extend(record));
                result(partition.partition_index, &outcome)
            });
            answer.responses.push(ReassignableTopicResponse {
                name: topic.name.clone(),
                partitions: partitions.collect(),
            });
        }
        Decision { records, answer }
    }

    fn reassign(
        &self,
        topic: &ReassignableTopic,
        wanted: &ReassignablePartition,
        may_change_factor: bool,
    ) -> Result<Option<MetadataRecord>, Refusal> {
        let (name, index) = (&topic.name, wanted.partition_index);
        let unknown =
            |message: String| Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message);
        let topic = self.image.topics().by_name(name);
        let topic =
            topic.ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
        let partition = topic.partition(index);
        let partition = partition
            .ok_or_else(|| unknown(format!("Unable to find partition {name}:{index}.")))?;
        // Only a reassignment that is cancelled may end with a leader that is not in sync, as in Kafka.
        let mut rules = self.rules_of(name);
        let target = match &wanted.replicas {
            None => self.taken_back(topic, index, partition)?,
            Some(replicas) => {
                rules.unclean_allowed = false;
                self.reassigned(partition, replicas, may_change_factor)?
            }
        };
        let change = self.change_to(partition, &target, rules);
        Ok(is_change(&change).then(|| {
            PartitionChangeRecord {
                topic_id: topic.id,
                partition_id: index,
                ..change
            }
            .into()
        }))
    }

    /// The partition after its reassignment was cancelled.
    fn taken_back(
        &self,
        topic: &TopicImage,
        index: i32,
        partition: &PartitionImage,
    ) -> Result<Target, Refusal> {
        if !partition.is_reassigning() {
            // Without a message: clients have their own text for this code.
            return Err(Refusal::plain(ErrorCode::NO_REASSIGNMENT_IN_PROGRESS));
        }
        let stays = |replica: &BrokerId| !partition.adding.contains(replica);
        let replicas: Vec<BrokerId> = partition.replicas.iter().copied().filter(stays).collect();
        let mut isr: Vec<BrokerId> = partition.isr.iter().copied().filter(stays).collect();
        if isr.is_empty() {
            if !self.allows_unclean_election(&topic.name) {
                return Err(Refusal::new(
                    ErrorCode::INVALID_REPLICA_ASSIGNMENT,
                    format!(
                        "Unable to revert partition assignment for {}:{index} because it would \
                         require an unclean leader election.",
                        topic.name
                    ),
                ));
            }
            isr.extend(replicas.first());
        }
        Ok(Target {
            replicas,
            isr,
            adding: Vec::new(),
            removing: Vec::new(),
        })
    }

    /// The partition after its reassignment to `wanted` has begun, or has ended if it adds no replica.
    fn reassigned(
        &self,
        partition: &PartitionImage,
        wanted: &[i32],
        may_change_factor: bool,
    ) -> Result<Target, Refusal> {
        self.check_assignment(wanted, None)?;
        let wanted: Vec<BrokerId> = wanted.iter().copied().map(BrokerId).collect();
        // A reassignment that is under way is given up: the new one starts from the replicas without what that
        // one added.
        let current = &partition.replicas;
        let originals = current.len() - partition.adding.len();
        if !may_change_factor && wanted.len() != originals {
            return Err(Refusal::new(
                ErrorCode::INVALID_REPLICATION_FACTOR,
                format!(
                    "The replication factor is changed from {originals} to {}",
                    wanted.len()
                ),
            ));
        }
        let missing = |of: &[BrokerId], from: &[BrokerId]| {
            let missing = of.iter().copied().filter(|id| !from.contains(id));
            let mut missing: Vec<BrokerId> = missing.collect();
            missing.sort_unstable();
            missing
        };
        let removing = missing(current, &wanted);
        let target = Target {
            adding: missing(&wanted, current),
            replicas: wanted.into_iter().chain(removing.iter().copied()).collect(),
            isr: partition.isr.to_vec(),
            removing,
        };
        Ok(target.completed().unwrap_or(target))
    }

    /// The change of a partition's replicas to those of `target`: who they are, where they lie, and which
    /// come and go. Of leadership and the in-sync set it says nothing.
    pub(super) fn assignment_change(
        &self,
        partition: &PartitionImage,
        target: &Target,
    ) -> PartitionChangeRecord {
        let raw = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect::<Vec<i32>>();
        let changed = |new: &[BrokerId], old: &[BrokerId]| (*new != *old).then(|| raw(new));
        let replicas = changed(&target.replicas, &partition.replicas);
        let has_directories = self.image.metadata_version().assigns_directories();
        let directories = replicas.as_ref().filter(|_| has_directories).map(|_| {
            let directory = |id: &BrokerId| {
                let known = partition.directory_of(*id);
                known.unwrap_or_else(|| self.new_directory(*id))
            };
            target.replicas.iter().map(directory).collect()
        });
        PartitionChangeRecord {
            adding_replicas: changed(&target.adding, &partition.adding),
            removing_replicas: changed(&target.removing, &partition.removing),
            replicas,
            directories,
            ..PartitionChangeRecord::default()
        }
    }
}

impl Target {
    /// The end of the reassignment; `None` until all replicas that it adds are in sync, and one that stays
    /// is.
    pub(super) fn completed(&self) -> Option<Self> {
        let stays = |id: &BrokerId| !self.removing.contains(id);
        let isr: Vec<BrokerId> = self.isr.iter().copied().filter(stays).collect();
        let replicas: Vec<BrokerId> = self.replicas.iter().copied().filter(stays).collect();
        let is_in_sync = |id: &BrokerId| isr.contains(id);
        let shrinks = self.adding.len() < self.removing.len();
        let is_complete = !isr.is_empty()
            && self.adding.iter().all(is_in_sync)
            && (!shrinks || replicas.iter().all(is_in_sync));
        is_complete.then_some(Self {
            replicas,
            isr,
            adding: Vec::new(),
            removing: Vec::new(),
        })
    }
}

fn result(index: i32, outcome: &Result<(), Refusal>) -> ReassignablePartitionResponse {
    let (error_code, error_message) = error_fields(outcome);
    ReassignablePartitionResponse {
        partition_index: index,
        error_code,
        error_message,
    }
}
