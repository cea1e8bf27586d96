//! AssignReplicasToDirs: a broker with several log directories tells in which one each of its
//! replicas lies (KIP-858).
//!
//! A directory that the broker has not registered is one that failed before the controller was told of its
//! replicas. The directory is noted, and the replica leads no more, as in Kafka.

use std::collections::BTreeSet;

use super::Controller;
use super::decision::{Decision, Refusal};
use super::request::{Circumstances, ControllerRequest};
use crate::metadata::image::BrokerImage;
use crate::model::{BrokerId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, RequestDirectoryData,
    RequestTopicData, ResponseDirectoryData, ResponsePartitionData, ResponseTopicData,
};
use crate::protocol::messages::metadata_records::MetadataRecord;

/// What the request has told so far.
#[derive(Default)]
struct Told {
    /// The replicas that were told of: only the first news of each counts.
    replicas: BTreeSet<(TopicId, i32)>,
    records: Vec<MetadataRecord>,
}

impl ControllerRequest for AssignReplicasToDirsRequest {
    fn decide(
        &self,
        controller: &mut Controller,
        _circumstances: Circumstances<'_>,
    ) -> Result<Decision<AssignReplicasToDirsResponse>, Refusal> {
        controller.assign_replicas_to_dirs(self)
    }

    fn refuse(&self, refusal: &Refusal) -> AssignReplicasToDirsResponse {
        AssignReplicasToDirsResponse {
            error_code: refusal.code,
            ..AssignReplicasToDirsResponse::default()
        }
    }
}

impl Controller {
    /// Decides on what a broker says of its replicas, one by one.
    ///
    /// # Errors
    /// UNSUPPORTED_VERSION below metadata.version 3.7-IV2; STALE_BROKER_EPOCH.
    pub(super) fn assign_replicas_to_dirs(
        &self,
        request: &AssignReplicasToDirsRequest,
    ) -> Result<Decision<AssignReplicasToDirsResponse>, Refusal> {
        if !self.image.metadata_version().assigns_directories() {
            return Err(Refusal::new(
                ErrorCode::UNSUPPORTED_VERSION,
                "Directory assignment is not supported yet.",
            ));
        }
        let broker = self.check_broker_epoch(BrokerId(request.broker_id), request.broker_epoch)?;
        let mut told = Told::default();
        let directories = request
            .directories
            .iter()
            .map(|directory| self.assign_directory(broker, directory, &mut told));
        let answer = AssignReplicasToDirsResponse {
            directories: directories.collect(),
            ..AssignReplicasToDirsResponse::default()
        };
        Ok(Decision {
            records: told.records,
            answer,
        })
    }

    fn assign_directory(
        &self,
        broker: &BrokerImage,
        directory: &RequestDirectoryData,
        told: &mut Told,
    ) -> ResponseDirectoryData {
        let mut topics = Vec::with_capacity(directory.topics.len());
        for topic in &directory.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let index = partition.partition_index;
                // Only the first news of a replica counts: one record for a replica in a decision.
                if !told.replicas.insert((topic.topic_id, index)) {
                    continue;
                }
                let assigned = self.check_replica(broker.id, topic, index);
                if assigned.is_ok() {
                    let key = (topic.topic_id, index);
                    told.records
                        .extend(self.directory_change(key, broker, directory.id));
                }
                partitions.push(ResponsePartitionData {
                    partition_index: index,
                    error_code: assigned.err().unwrap_or(ErrorCode::NONE),
                });
            }
            topics.push(ResponseTopicData {
                topic_id: topic.topic_id,
                partitions,
            });
        }
        ResponseDirectoryData {
            id: directory.id,
            topics,
        }
    }

    fn check_replica(
        &self,
        broker: BrokerId,
        topic: &RequestTopicData,
        index: i32,
    ) -> Result<(), ErrorCode> {
        let found = self.image.topics().by_id(&topic.topic_id);
        let found = found.ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
        let partition = found.partition(index);
        let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        if partition.replicas.contains(&broker) {
            Ok(())
        } else {
            Err(ErrorCode::NOT_LEADER_OR_FOLLOWER)
        }
    }
}
