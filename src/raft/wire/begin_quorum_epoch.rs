//! BeginQuorumEpoch in its wire form.

use bytes::Bytes;

use super::{
    Answer, AnswerFault, Incoming, PARTITION, QuorumAddresses, addressee, check_top_level,
    directory, epoch, error_code, leader_id, leader_of, refusal_of, topic_name,
};
use crate::model::BrokerId;
use crate::protocol::ErrorCode;
use crate::protocol::messages::begin_quorum_epoch as wire;
use crate::raft::message::{BeginQuorumEpochRequest, Request, Response, ResponseBody};

pub(super) fn request(
    addresses: &QuorumAddresses,
    to: BrokerId,
    request: &BeginQuorumEpochRequest,
) -> wire::BeginQuorumEpochRequest {
    let voter = request.voter.and_then(|voter| voter.directory_id);
    let endpoint = addresses.endpoint_of(Some(request.leader));
    wire::BeginQuorumEpochRequest {
        cluster_id: Some(addresses.cluster_id.clone()),
        voter_id: to.0,
        topics: vec![wire::RequestTopicData {
            topic_name: topic_name(),
            partitions: vec![wire::RequestPartitionData {
                partition_index: PARTITION,
                voter_directory_id: directory(voter),
                leader_id: request.leader.0,
                leader_epoch: request.epoch.0,
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

impl Answer for wire::BeginQuorumEpochResponse {
    fn read(self) -> Result<Response, AnswerFault> {
        check_top_level(self.error_code)?;
        let partition = only_partition!(self.topics, topic_name, partition_index);
        let partition = partition.ok_or(AnswerFault::OtherPartition)?;
        Ok(Response {
            refusal: refusal_of(partition.error_code)?,
            epoch: epoch(partition.leader_epoch),
            leader: leader_of(partition.leader_id),
            body: ResponseBody::BeginQuorumEpoch,
        })
    }
}

impl Incoming for wire::BeginQuorumEpochRequest {
    fn read(self, addresses: &QuorumAddresses) -> Result<Request, wire::BeginQuorumEpochResponse> {
        let refused = |error_code| wire::BeginQuorumEpochResponse {
            error_code,
            ..wire::BeginQuorumEpochResponse::default()
        };
        if !addresses.is_of_cluster(self.cluster_id.as_ref()) {
            return Err(refused(ErrorCode::INCONSISTENT_CLUSTER_ID));
        }
        let partition = only_partition!(self.topics, topic_name, partition_index);
        let Some(told) = partition else {
            return Err(refused(ErrorCode::INVALID_REQUEST));
        };
        Ok(Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
            leader: BrokerId(told.leader_id),
            epoch: epoch(told.leader_epoch),
            voter: addressee(self.voter_id, told.voter_directory_id),
        }))
    }

    fn answer(
        addresses: &QuorumAddresses,
        _request: &Request,
        response: &Response,
        _records: Bytes,
    ) -> wire::BeginQuorumEpochResponse {
        wire::BeginQuorumEpochResponse {
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
