//! FetchSnapshot in its wire form.

use bytes::Bytes;

use super::{
    Answer, AnswerFault, Incoming, PARTITION, QuorumAddresses, check_top_level, directory, epoch,
    error_code, key, leader_id, leader_of, refusal_of, topic_name,
};
use crate::model::Offset;
use crate::protocol::messages::fetch_snapshot as wire;
use crate::protocol::{ErrorCode, Payload};
use crate::raft::log_state::OffsetAndEpoch;
use crate::raft::message::{FetchSnapshotRequest, Request, Response, ResponseBody, SnapshotChunk};
use crate::raft::node::FETCH_MAX_BYTES;

pub(super) fn request(
    addresses: &QuorumAddresses,
    request: &FetchSnapshotRequest,
) -> wire::FetchSnapshotRequest {
    wire::FetchSnapshotRequest {
        replica_id: request.replica.id.0,
        max_bytes: i32::try_from(request.max_bytes).unwrap_or(i32::MAX),
        topics: vec![wire::RequestTopicSnapshot {
            name: topic_name(),
            partitions: vec![wire::RequestPartitionSnapshot {
                partition: PARTITION,
                current_leader_epoch: request.epoch.0,
                snapshot_id: snapshot_id(request.id),
                position: i64::try_from(request.position).unwrap_or(i64::MAX),
                replica_directory_id: directory(request.replica.directory_id),
            }],
        }],
        cluster_id: Some(addresses.cluster_id.clone()),
    }
}

fn snapshot_id(id: OffsetAndEpoch) -> wire::SnapshotId {
    wire::SnapshotId {
        end_offset: id.offset.0,
        epoch: id.epoch.0,
    }
}

fn id_of(id: &wire::SnapshotId) -> OffsetAndEpoch {
    OffsetAndEpoch {
        offset: Offset(id.end_offset),
        epoch: epoch(id.epoch),
    }
}

impl Answer for wire::FetchSnapshotResponse {
    fn read(self) -> Result<Response, AnswerFault> {
        check_top_level(self.error_code)?;
        let partition = only_partition!(self.topics, name, index);
        let partition = partition.ok_or(AnswerFault::OtherPartition)?;
        let records = partition.unaligned_records.bytes();
        let chunk = SnapshotChunk {
            id: id_of(&partition.snapshot_id),
            size: u64::try_from(partition.size).unwrap_or(0),
            position: u64::try_from(partition.position).unwrap_or(0),
            bytes: records.cloned().unwrap_or_default(),
        };
        Ok(Response {
            refusal: refusal_of(partition.error_code)?,
            epoch: epoch(partition.current_leader.leader_epoch),
            leader: leader_of(partition.current_leader.leader_id),
            body: ResponseBody::FetchSnapshot(chunk),
        })
    }
}

impl Incoming for wire::FetchSnapshotRequest {
    fn read(self, addresses: &QuorumAddresses) -> Result<Request, wire::FetchSnapshotResponse> {
        let refused = |error_code| wire::FetchSnapshotResponse {
            error_code,
            ..wire::FetchSnapshotResponse::default()
        };
        if !addresses.is_of_cluster(self.cluster_id.as_ref()) {
            return Err(refused(ErrorCode::INCONSISTENT_CLUSTER_ID));
        }
        let is_of_one = matches!(&self.topics[..], [topic] if topic.partitions.len() == 1);
        if !is_of_one {
            return Err(refused(ErrorCode::INVALID_REQUEST));
        }
        let named = self.topics[0].name.clone();
        let index = self.topics[0].partitions[0].partition;
        let partition = only_partition!(self.topics, name, partition);
        let Some(asked) = partition else {
            return Err(wire::FetchSnapshotResponse {
                topics: vec![wire::ResponseTopicSnapshot {
                    name: named,
                    partitions: vec![wire::ResponsePartitionSnapshot {
                        index,
                        error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                        unaligned_records: Payload::EMPTY,
                        ..wire::ResponsePartitionSnapshot::default()
                    }],
                }],
                ..wire::FetchSnapshotResponse::default()
            });
        };
        Ok(Request::FetchSnapshot(FetchSnapshotRequest {
            replica: key(self.replica_id, asked.replica_directory_id),
            epoch: epoch(asked.current_leader_epoch),
            id: id_of(&asked.snapshot_id),
            // No snapshot is so large: a negative position is out of range as well.
            position: u64::try_from(asked.position).unwrap_or(u64::MAX),
            max_bytes: u32::try_from(self.max_bytes)
                .unwrap_or(0)
                .min(FETCH_MAX_BYTES),
        }))
    }

    fn answer(
        addresses: &QuorumAddresses,
        request: &Request,
        response: &Response,
        records: Bytes,
    ) -> wire::FetchSnapshotResponse {
        let mut chunk = match &response.body {
            ResponseBody::FetchSnapshot(chunk) => chunk.clone(),
            _ => SnapshotChunk::default(),
        };
        if let Request::FetchSnapshot(request) = request {
            (chunk.id, chunk.position) = (request.id, request.position);
        }
        wire::FetchSnapshotResponse {
            topics: vec![wire::ResponseTopicSnapshot {
                name: topic_name(),
                partitions: vec![wire::ResponsePartitionSnapshot {
                    index: PARTITION,
                    error_code: error_code(response),
                    snapshot_id: snapshot_id(chunk.id),
                    size: i64::try_from(chunk.size).unwrap_or(i64::MAX),
                    position: i64::try_from(chunk.position).unwrap_or(i64::MAX),
                    unaligned_records: Payload::Bytes(records),
                    current_leader: wire::LeaderIdAndEpoch {
                        leader_id: leader_id(response),
                        leader_epoch: response.epoch.0,
                    },
                }],
            }],
            node_endpoints: node_endpoints!(addresses, response),
            ..wire::FetchSnapshotResponse::default()
        }
    }
}
