//! AlterPartition: a leader asks for another in-sync set (KIP-497).
//!
//! The controller takes it only from the leader, in its epoch, and on top of the partition epoch that it
//! has itself, so of two changes that know nothing of each other one is refused. No replica joins that
//! could be gone again: its broker must be active, and the same process that the leader has heard of
//! (KIP-841, KIP-903). A change that completes a reassignment also brings the replicas that it was for
//! (KIP-455).
//!
//! A partition that the request names twice is decided once, on its first mention. Versions: 3 names the
//! epochs of brokers (KIP-903).

use std::collections::BTreeSet;

use super::Controller;
use super::decision::{Decision, Refusal};
use super::partition_change::{is_change, is_online};
use super::reassignment::Target;
use super::request::{Circumstances, ControllerRequest};
use crate::metadata::image::{LEADER_UNCHANGED, LeaderRecovery, PartitionImage, TopicImage};
use crate::model::{BrokerId, TopicId, Uuid};
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, BrokerState, RequestPartitionData,
    RequestTopicData, ResponsePartitionData, ResponseTopicData,
};
use crate::protocol::messages::metadata_records::{MetadataRecord, PartitionChangeRecord};

/// A broker epoch that says nothing.
const UNKNOWN_EPOCH: i64 = -1;

/// The in-sync set that a leader asks for.
struct Wanted {
    isr: Vec<BrokerId>,
    recovery: LeaderRecovery,
}

/// What the request has asked for so far.
struct Asked {
    leader: BrokerId,
    named: BTreeSet<(TopicId, i32)>,
    records: Vec<MetadataRecord>,
}

impl ControllerRequest for AlterPartitionRequest {
    fn decide(
        &self,
        controller: &mut Controller,
        _circumstances: Circumstances<'_>,
    ) -> Result<Decision<AlterPartitionResponse>, Refusal> {
        controller.alter_partition(self)
    }

    fn refuse(&self, refusal: &Refusal) -> AlterPartitionResponse {
        AlterPartitionResponse {
            error_code: refusal.code,
            ..AlterPartitionResponse::default()
        }
    }
}

impl Controller {
    /// Decides on the in-sync sets that a leader asks for, one by one.
    ///
    /// # Errors
    /// STALE_BROKER_EPOCH: another process is registered with the id, or none.
    pub(super) fn alter_partition(
        &self,
        request: &AlterPartitionRequest,
    ) -> Result<Decision<AlterPartitionResponse>, Refusal> {
        let leader = self.check_broker_epoch(BrokerId(request.broker_id), request.broker_epoch)?;
        let mut asked = Asked {
            leader: leader.id,
            named: BTreeSet::new(),
            records: Vec::new(),
        };
        let topics = request.topics.iter();
        let topics = topics.map(|topic| ResponseTopicData {
            topic_id: topic.topic_id,
            partitions: self.alter_topic(topic, &mut asked),
        });
        let answer = AlterPartitionResponse {
            topics: topics.collect(),
            ..AlterPartitionResponse::default()
        };
        Ok(Decision {
            records: asked.records,
            answer,
        })
    }

    fn alter_topic(
        &self,
        asked_topic: &RequestTopicData,
        asked: &mut Asked,
    ) -> Vec<ResponsePartitionData> {
        let id = asked_topic.topic_id;
        let topic = self.image.topics().by_id(&id).filter(|_| id != Uuid::ZERO);
        let partitions = asked_topic.partitions.iter().map(|partition| {
            let outcome = match topic {
                None => Err(ErrorCode::UNKNOWN_TOPIC_ID),
                Some(topic) => self.alter_isr(topic, partition, asked),
            };
            let index = partition.partition_index;
            match outcome {
                Ok(state) => answered(index, &state),
                Err(error_code) => ResponsePartitionData {
                    partition_index: index,
                    error_code,
                    ..ResponsePartitionData::default()
                },
            }
        });
        partitions.collect()
    }

    /// The partition after the change; the record goes to `asked`, unless nothing changes.
    fn alter_isr(
        &self,
        topic: &TopicImage,
        data: &RequestPartitionData,
        asked: &mut Asked,
    ) -> Result<PartitionImage, ErrorCode> {
        let index = data.partition_index;
        let partition = topic.partition(index);
        let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        check_epochs(data, partition, asked.leader)?;
        // What was decided a moment ago has raised the epoch that a second mention builds on.
        if !asked.named.insert((topic.id, index)) {
            return Err(ErrorCode::INVALID_UPDATE_VERSION);
        }
        let wanted = self.wanted(data, partition)?;
        let target = Target {
            replicas: partition.replicas.to_vec(),
            isr: wanted.isr,
            adding: partition.adding.to_vec(),
            removing: partition.removing.to_vec(),
        };
        let target = target.completed().unwrap_or(target);
        let mut change = self.change_to(partition, &target, self.rules_of(&topic.name));
        if wanted.recovery != partition.leader_recovery {
            change.leader_recovery_state = wanted.recovery.to_wire();
        }
        if !is_change(&change) {
            if partition.isr.len() > 1 {
                return Ok(partition.clone());
            }
            // A leader that is alone asks for itself to have the epoch raised: then no earlier request of
            // its is taken any more. With others it asks for the set in another order.
            change.isr = Some(vec![asked.leader.0]);
        }
        let after = partition.merge(&change);
        let after = after.expect("there is one directory for each replica");
        let is_led_by_another =
            change.leader != LEADER_UNCHANGED && change.leader != asked.leader.0;
        let change = PartitionChangeRecord {
            topic_id: topic.id,
            partition_id: index,
            ..change
        };
        asked.records.push(change.into());
        // The reassignment has ended without the leader that asks, or that is drained, and another may lead
        // now: it must wait for the metadata.
        if is_led_by_another {
            return Err(ErrorCode::NEW_LEADER_ELECTED);
        }
        Ok(after)
    }

    /// The in-sync set that is asked for, checked.
    fn wanted(
        &self,
        data: &RequestPartitionData,
        partition: &PartitionImage,
    ) -> Result<Wanted, ErrorCode> {
        // Version 2 has no epochs of brokers: it names none, so none is checked.
        let names_epochs = !data.new_isr_with_epochs.is_empty();
        let without_epochs = data.new_isr.iter().map(|id| BrokerState {
            broker_id: *id,
            broker_epoch: UNKNOWN_EPOCH,
        });
        let named: Vec<BrokerState> = if names_epochs {
            data.new_isr_with_epochs.clone()
        } else {
            without_epochs.collect()
        };
        let isr: Vec<BrokerId> = named
            .iter()
            .map(|state| BrokerId(state.broker_id))
            .collect();
        if !is_valid_isr(&isr, partition) {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let recovery = match data.leader_recovery_state {
            0 => LeaderRecovery::Recovered,
            // A leader that has yet to recover is alone in sync, and one that has recovered stays so.
            1 if isr.len() == 1 && partition.leader_recovery == LeaderRecovery::Recovering => {
                LeaderRecovery::Recovering
            }
            _ => return Err(ErrorCode::INVALID_REQUEST),
        };
        let is_eligible = |state: &BrokerState| {
            let is_new = !partition.isr.contains(&BrokerId(state.broker_id));
            self.is_eligible(state, names_epochs && is_new)
                && (!is_new || self.has_its_directory(partition, state))
        };
        if !named.iter().all(is_eligible) {
            return Err(ErrorCode::INELIGIBLE_REPLICA);
        }
        Ok(Wanted { isr, recovery })
    }

    /// Whether a replica may be in sync: its broker is neither fenced nor about to stop, and the process
    /// that the leader has heard of.
    ///
    /// Kafka takes an unknown epoch for any process. A replica that joins must have one here: else a process
    /// that came back with an empty disk might count for the one before.
    fn is_eligible(&self, state: &BrokerState, needs_epoch: bool) -> bool {
        let broker = self.image.brokers().get(BrokerId(state.broker_id));
        broker.is_some_and(|broker| {
            let is_same_process = state.broker_epoch == broker.epoch;
            let is_unknown = state.broker_epoch == UNKNOWN_EPOCH;
            broker.is_active() && (is_same_process || is_unknown && !needs_epoch)
        })
    }

    /// Whether the directory of a replica is online. Kafka does not ask: the replica is taken in again right
    /// after its disk has failed, and nobody can lead when the others go.
    fn has_its_directory(&self, partition: &PartitionImage, state: &BrokerState) -> bool {
        let id = BrokerId(state.broker_id);
        let broker = self.image.brokers().get(id);
        match (partition.directory_of(id), broker) {
            (Some(directory), Some(broker)) => is_online(directory, &broker.directories),
            _ => true,
        }
    }
}

/// Checks that the partition is as the leader knows it, in Kafka's order.
///
/// A leader that knows more than this controller asks one that was replaced.
fn check_epochs(
    data: &RequestPartitionData,
    partition: &PartitionImage,
    leader: BrokerId,
) -> Result<(), ErrorCode> {
    let (leader_epoch, partition_epoch) = (partition.leader_epoch.0, partition.partition_epoch);
    if data.leader_epoch > leader_epoch || data.partition_epoch > partition_epoch {
        return Err(ErrorCode::NOT_CONTROLLER);
    }
    if data.leader_epoch < leader_epoch {
        return Err(ErrorCode::FENCED_LEADER_EPOCH);
    }
    if leader != partition.leader {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    if data.partition_epoch < partition_epoch {
        return Err(ErrorCode::INVALID_UPDATE_VERSION);
    }
    Ok(())
}

/// Whether these are some of the partition's replicas, each once, with the leader.
fn is_valid_isr(isr: &[BrokerId], partition: &PartitionImage) -> bool {
    let distinct: BTreeSet<&BrokerId> = isr.iter().collect();
    distinct.len() == isr.len()
        && isr.iter().all(|id| partition.replicas.contains(id))
        && isr.contains(&partition.leader)
}

fn answered(index: i32, state: &PartitionImage) -> ResponsePartitionData {
    ResponsePartitionData {
        partition_index: index,
        error_code: ErrorCode::NONE,
        leader_id: state.leader.0,
        leader_epoch: state.leader_epoch.0,
        isr: state.isr.iter().map(|id| id.0).collect(),
        leader_recovery_state: state.leader_recovery.to_wire(),
        partition_epoch: state.partition_epoch,
    }
}
