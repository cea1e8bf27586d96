//! Vote in its wire form.

use bytes::Bytes;

use super::{
    Answer, AnswerFault, Incoming, PARTITION, QuorumAddresses, addressee, check_top_level,
    directory, epoch, error_code, key, leader_id, leader_of, refusal_of, topic_name,
};
use crate::model::{BrokerId, Offset};
use crate::protocol::ErrorCode;
use crate::protocol::messages::vote as wire;
use crate::raft::log_state::OffsetAndEpoch;
use crate::raft::message::{Request, Response, ResponseBody, VoteRequest};

pub(super) fn request(
    addresses: &QuorumAddresses,
    to: BrokerId,
    request: &VoteRequest,
) -> wire::VoteRequest {
    let voter = request.voter.and_then(|voter| voter.directory_id);
    wire::VoteRequest {
        cluster_id: Some(addresses.cluster_id.clone()),
        voter_id: to.0,
        topics: vec![wire::RequestTopicData {
            topic_name: topic_name(),
            partitions: vec![wire::RequestPartitionData {
                partition_index: PARTITION,
                replica_epoch: request.epoch.0,
                replica_id: request.candidate.id.0,
                replica_directory_id: directory(request.candidate.directory_id),
                voter_directory_id: directory(voter),
                last_offset_epoch: request.last.epoch.0,
                last_offset: request.last.offset.0,
                pre_vote: request.pre_vote,
            }],
        }],
    }
}

impl Answer for wire::VoteResponse {
    fn read(self) -> Result<Response, AnswerFault> {
        check_top_level(self.error_code)?;
        let partition = only_partition!(self.topics, topic_name, partition_index);
        let partition = partition.ok_or(AnswerFault::OtherPartition)?;
        Ok(Response {
            refusal: refusal_of(partition.error_code)?,
            epoch: epoch(partition.leader_epoch),
            leader: leader_of(partition.leader_id),
            body: ResponseBody::Vote {
                granted: partition.vote_granted,
            },
        })
    }
}

impl Incoming for wire::VoteRequest {
    fn read(self, addresses: &QuorumAddresses) -> Result<Request, wire::VoteResponse> {
        let refused = |error_code| wire::VoteResponse {
            error_code,
            ..wire::VoteResponse::default()
        };
        if !addresses.is_of_cluster(self.cluster_id.as_ref()) {
            return Err(refused(ErrorCode::INCONSISTENT_CLUSTER_ID));
        }
        let partition = only_partition!(self.topics, topic_name, partition_index);
        let Some(asked) = partition else {
            return Err(refused(ErrorCode::INVALID_REQUEST));
        };
        Ok(Request::Vote(VoteRequest {
            candidate: key(asked.replica_id, asked.replica_directory_id),
            epoch: epoch(asked.replica_epoch),
            last: OffsetAndEpoch {
                offset: Offset(asked.last_offset),
                epoch: epoch(asked.last_offset_epoch),
            },
            pre_vote: asked.pre_vote,
            voter: addressee(self.voter_id, asked.voter_directory_id),
        }))
    }

    fn answer(
        addresses: &QuorumAddresses,
        _request: &Request,
        response: &Response,
        _records: Bytes,
    ) -> wire::VoteResponse {
        wire::VoteResponse {
            error_code: ErrorCode::NONE,
            topics: vec![wire::ResponseTopicData {
                topic_name: topic_name(),
                partitions: vec![wire::ResponsePartitionData {
                    partition_index: PARTITION,
                    error_code: error_code(response),
                    leader_id: leader_id(response),
                    leader_epoch: response.epoch.0,
                    vote_granted: response.body == ResponseBody::Vote { granted: true },
                }],
            }],
            node_endpoints: node_endpoints!(addresses, response),
        }
    }
}
