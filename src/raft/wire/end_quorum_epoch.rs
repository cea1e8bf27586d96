//! EndQuorumEpoch in its wire form.

use bytes::Bytes;

use super::{
    Answer, AnswerFault, Incoming, PARTITION, QuorumAddresses, check_top_level, directory, epoch,
    error_code, key, leader_id, leader_of, refusal_of, topic_name,
};
use crate::model::{BrokerId, Uuid};
use crate::protocol::ErrorCode;
use crate::protocol::messages::end_quorum_epoch as wire;
use crate::raft::message::{EndQuorumEpochRequest, Request, Response, ResponseBody};

pub(super) fn request(
    addresses: &QuorumAddresses,
    request: &EndQuorumEpochRequest,
) -> wire::EndQuorumEpochRequest {
    let endpoint = addresses.endpoint_of(Some(request.leader));
    let successors = request.successors.iter();
    wire::EndQuorumEpochRequest {
        cluster_id: Some(addresses.cluster_id.clone()),
        topics: vec![wire::RequestTopicData {
            topic_name: topic_name(),
            partitions: vec![wire::RequestPartitionData {
                partition_index: PARTITION,
                leader_id: request.leader.0,
                leader_epoch: request.epoch.0,
                preferred_successors: successors.clone().map(|key| key.id.0).collect(),
                preferred_candidates: successors
                    .map(|key| wire::ReplicaInfo {
                        candidate_id: key.id.0,
                        candidate_directory_id: directory(key.directory_id),
                    })
                    .collect(),
            }],
        }],
        leader_endpoints: endpoint
            .map(|endpoint| wire::LeaderEndpoint {
                name: addresses.listener.clone(),
                host: endpoint.host,
                port: endpoint.port,
            })
            .into_iter()
            .collect(),
    }
}

impl Answer for wire::EndQuorumEpochResponse {
    fn read(self) -> Result<Response, AnswerFault> {
        check_top_level(self.error_code)?;
        let partition = only_partition!(self.topics, topic_name, partition_index);
        let partition = partition.ok_or(AnswerFault::OtherPartition)?;
        Ok(Response {
            refusal: refusal_of(partition.error_code)?,
            epoch: epoch(partition.leader_epoch),
            leader: leader_of(partition.leader_id),
            body: ResponseBody::EndQuorumEpoch,
        })
    }
}

impl Incoming for wire::EndQuorumEpochRequest {
    fn read(self, addresses: &QuorumAddresses) -> Result<Request, wire::EndQuorumEpochResponse> {
        let refused = |error_code| wire::EndQuorumEpochResponse {
            error_code,
            ..wire::EndQuorumEpochResponse::default()
        };
        if !addresses.is_of_cluster(self.cluster_id.as_ref()) {
            return Err(refused(ErrorCode::INCONSISTENT_CLUSTER_ID));
        }
        let partition = only_partition!(self.topics, topic_name, partition_index);
        let Some(told) = partition else {
            return Err(refused(ErrorCode::INVALID_REQUEST));
        };
        // Version 0 names nodes, later ones replicas.
        let nodes = told.preferred_successors.iter();
        let nodes = nodes.map(|id| key(*id, Uuid::ZERO));
        let replicas = told.preferred_candidates.iter();
        let replicas =
            replicas.map(|replica| key(replica.candidate_id, replica.candidate_directory_id));
        Ok(Request::EndQuorumEpoch(EndQuorumEpochRequest {
            leader: BrokerId(told.leader_id),
            epoch: epoch(told.leader_epoch),
            successors: nodes.chain(replicas).collect(),
        }))
    }

    fn answer(
        addresses: &QuorumAddresses,
        _request: &Request,
        response: &Response,
        _records: Bytes,
    ) -> wire::EndQuorumEpochResponse {
        wire::EndQuorumEpochResponse {
            error_code: ErrorCode::NONE,
            topics: vec![wire::ResponseTopicData {
                topic_name: topic_name(),
                partitions: vec![wire::ResponsePartitionData {
                    partition_index: PARTITION,
                    error_code: error_code(response),
                    leader_id: leader_id(response),
                    leader_epoch: response.epoch.0,
                }],
            }],
            node_endpoints: node_endpoints!(addresses, response),
        }
    }
}
