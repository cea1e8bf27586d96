//! Fetch of the metadata log in its wire form.
//!
//! There are no sessions, and `max_bytes` bounds the whole answer, as in Kafka's quorum.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Answer, AnswerFault, Incoming, PARTITION, QuorumAddresses, check_top_level, directory, epoch,
    error_code, key, leader_id, leader_of, only, refusal_of, topic_name,
};
use crate::model::{LeaderEpoch, Offset, Uuid};
use crate::protocol::messages::fetch as wire;
use crate::protocol::{ErrorCode, Payload};
use crate::raft::log_state::OffsetAndEpoch;
use crate::raft::message::{
    FetchAnswer, FetchRequest, FetchedBatch, Request, Response, ResponseBody, ToldHighWatermark,
};
use crate::raft::node::FETCH_MAX_BYTES;
use crate::records::checked_batches;

pub(super) fn request(addresses: &QuorumAddresses, request: &FetchRequest) -> wire::FetchRequest {
    let high_watermark = match request.high_watermark {
        ToldHighWatermark::Known(offset) => offset.0,
        ToldHighWatermark::Unknown => -1,
        ToldHighWatermark::Untold => i64::MAX,
    };
    let max_bytes = i32::try_from(request.max_bytes).unwrap_or(i32::MAX);
    wire::FetchRequest {
        replica_id: request.replica.id.0,
        replica_state: wire::ReplicaState {
            replica_id: request.replica.id.0,
            ..wire::ReplicaState::default()
        },
        cluster_id: Some(addresses.cluster_id.clone()),
        max_wait_ms: i32::try_from(request.max_wait.as_millis()).unwrap_or(i32::MAX),
        max_bytes,
        topics: vec![wire::FetchTopic {
            topic: topic_name(),
            topic_id: Uuid::METADATA_TOPIC,
            partitions: vec![wire::FetchPartition {
                partition: PARTITION,
                current_leader_epoch: request.epoch.0,
                fetch_offset: request.position.offset.0,
                last_fetched_epoch: request.position.epoch.0,
                partition_max_bytes: max_bytes,
                replica_directory_id: directory(request.replica.directory_id),
                high_watermark,
                ..wire::FetchPartition::default()
            }],
        }],
        ..wire::FetchRequest::default()
    }
}

impl Answer for wire::FetchResponse {
    fn read(self) -> Result<Response, AnswerFault> {
        check_top_level(self.error_code)?;
        let partition = only(
            self.responses,
            |topic| topic.topic == topic_name() || topic.topic_id == Uuid::METADATA_TOPIC,
            |topic| topic.partitions,
            |partition| partition.partition_index,
        );
        let partition = partition.ok_or(AnswerFault::OtherPartition)?;
        let refusal = refusal_of(partition.error_code)?;
        let (diverging, snapshot) = (partition.diverging_epoch, partition.snapshot_id);
        let body = FetchAnswer {
            high_watermark: (partition.high_watermark >= 0)
                .then_some(Offset(partition.high_watermark)),
            log_start_offset: Offset(partition.log_start_offset),
            diverging: position(diverging.end_offset, diverging.epoch),
            snapshot: position(snapshot.end_offset, snapshot.epoch),
            batches: batches(partition.records.bytes())?,
        };
        Ok(Response {
            refusal,
            epoch: epoch(partition.current_leader.leader_epoch),
            leader: leader_of(partition.current_leader.leader_id),
            body: ResponseBody::Fetch(body),
        })
    }
}

fn position(offset: i64, epoch: i32) -> Option<OffsetAndEpoch> {
    (offset >= 0 && epoch >= 0).then_some(OffsetAndEpoch {
        offset: Offset(offset),
        epoch: LeaderEpoch(epoch),
    })
}

/// The whole batches of an answer, each checked.
fn batches(records: Option<&Bytes>) -> Result<Vec<FetchedBatch>, AnswerFault> {
    let Some(records) = records else {
        return Ok(Vec::new());
    };
    let checked = checked_batches(records, Offset::NONE).map(|batch| {
        let batch = batch.map_err(|error| AnswerFault::Records(error.to_string()))?;
        Ok(FetchedBatch {
            base_offset: batch.base_offset(),
            last_offset: batch.last_offset(),
            epoch: batch.partition_leader_epoch(),
            bytes: records.slice_ref(batch.bytes()),
        })
    });
    let batches: Vec<FetchedBatch> = checked.collect::<Result<_, _>>()?;
    // Nothing at all would say that the log ends here.
    if batches.is_empty() && !records.is_empty() {
        return Err(AnswerFault::Records("no batch is whole".to_owned()));
    }
    Ok(batches)
}

impl Incoming for wire::FetchRequest {
    fn read(self, addresses: &QuorumAddresses) -> Result<Request, wire::FetchResponse> {
        let refused = |error_code| wire::FetchResponse {
            error_code,
            ..wire::FetchResponse::default()
        };
        if !addresses.is_of_cluster(self.cluster_id.as_ref()) {
            return Err(refused(ErrorCode::INCONSISTENT_CLUSTER_ID));
        }
        let partition = only(
            self.topics,
            |topic| topic.topic == topic_name() || topic.topic_id == Uuid::METADATA_TOPIC,
            |topic| topic.partitions,
            |partition| partition.partition,
        );
        let Some(asked) = partition else {
            return Err(refused(ErrorCode::INVALID_REQUEST));
        };
        let replica_id = self.replica_id.max(self.replica_state.replica_id);
        // Versions before 12 do not tell the last epoch; the position cannot be checked without it.
        let is_whole = self.max_wait_ms >= 0
            && asked.fetch_offset >= 0
            && asked.last_fetched_epoch >= 0
            && asked.current_leader_epoch >= 0;
        // The state machine refuses it, and says who leads.
        let nowhere = OffsetAndEpoch {
            offset: Offset::NONE,
            epoch: LeaderEpoch::NONE,
        };
        Ok(Request::Fetch(FetchRequest {
            replica: key(replica_id, asked.replica_directory_id),
            epoch: epoch(asked.current_leader_epoch),
            position: if is_whole {
                OffsetAndEpoch {
                    offset: Offset(asked.fetch_offset),
                    epoch: epoch(asked.last_fetched_epoch),
                }
            } else {
                nowhere
            },
            high_watermark: match asked.high_watermark {
                i64::MAX => ToldHighWatermark::Untold,
                offset if offset >= 0 => ToldHighWatermark::Known(Offset(offset)),
                _ => ToldHighWatermark::Unknown,
            },
            max_wait: Duration::from_millis(u64::try_from(self.max_wait_ms).unwrap_or(0)),
            max_bytes: u32::try_from(self.max_bytes)
                .unwrap_or(0)
                .min(FETCH_MAX_BYTES),
        }))
    }

    fn answer(
        addresses: &QuorumAddresses,
        _request: &Request,
        response: &Response,
        records: Bytes,
    ) -> wire::FetchResponse {
        let nothing = FetchAnswer::default();
        let answer = match &response.body {
            ResponseBody::Fetch(answer) if response.refusal.is_none() => answer,
            _ => &nothing,
        };
        let diverging = answer.diverging.map(|position| wire::EpochEndOffset {
            epoch: position.epoch.0,
            end_offset: position.offset.0,
        });
        let snapshot = answer.snapshot.map(|id| wire::SnapshotId {
            end_offset: id.offset.0,
            epoch: id.epoch.0,
        });
        let has_answer = response.refusal.is_none();
        let endpoint = addresses.endpoint_of(response.leader);
        let node_endpoints = endpoint.map(|endpoint| wire::NodeEndpoint {
            node_id: endpoint.id.0,
            host: endpoint.host,
            port: i32::from(endpoint.port),
            rack: None,
        });
        wire::FetchResponse {
            node_endpoints: node_endpoints.into_iter().collect(),
            ..answer_of(wire::PartitionData {
                partition_index: PARTITION,
                error_code: error_code(response),
                high_watermark: answer.high_watermark.map_or(-1, |offset| offset.0),
                log_start_offset: if has_answer {
                    answer.log_start_offset.0
                } else {
                    -1
                },
                records: Payload::Bytes(records),
                diverging_epoch: diverging.unwrap_or_default(),
                current_leader: wire::LeaderIdAndEpoch {
                    leader_id: leader_id(response),
                    leader_epoch: response.epoch.0,
                },
                snapshot_id: snapshot.unwrap_or_default(),
                ..wire::PartitionData::default()
            })
        }
    }
}

fn answer_of(partition: wire::PartitionData) -> wire::FetchResponse {
    wire::FetchResponse {
        responses: vec![wire::FetchableTopicResponse {
            topic: topic_name(),
            topic_id: Uuid::METADATA_TOPIC,
            partitions: vec![partition],
        }],
        ..wire::FetchResponse::default()
    }
}
