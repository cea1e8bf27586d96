//! DescribeQuorum (key 55), versions 0-2: the voters and observers of the metadata quorum, and how far
//! each has read.
//!
//! Version 1 adds times, 2 directory ids and the nodes' listeners (KIP-853). Only the leader knows how far
//! the others have read.

use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use super::controller_requests::sender;
use crate::clock::wall_clock;
use crate::metadata::controller::{ControllerRequestContext, METADATA_TOPIC_NAME};
use crate::metadata::image::MetadataImage;
use crate::model::{BrokerId, Timestamp, Uuid};
use crate::protocol::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, Listener, Node, ReplicaState,
    RequestPartitionData, ResponsePartitionData, ResponseTopicData,
};
use crate::protocol::{ErrorCode, Str};
use crate::raft::{QuorumInfo, ReplicaInfo};

/// The one partition of the metadata topic.
const PARTITION: i32 = 0;
/// The message where there is no error: empty and not null, as in Kafka.
const NO_MESSAGE: Str = Str::from_static("");

/// Answers with what the leader knows: this node, or the one that a broker passes the request on to.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: DescribeQuorumRequest,
) -> DescribeQuorumResponse {
    let of_request = ControllerRequestContext {
        sender: Some(sender(&context)),
        ..ControllerRequestContext::unlimited(context.principal().clone(), context.version())
    };
    match api.controller().relay(&request, &of_request).await {
        Some(answer) => answer,
        None => {
            if !api.quorum().leads {
                context.note_undecided();
            }
            describe(&api, &request)
        }
    }
}

/// Answers with what this node knows, if it leads.
fn describe(api: &Api, request: &DescribeQuorumRequest) -> DescribeQuorumResponse {
    let is_metadata = match &request.topics[..] {
        [topic] => {
            let partitions = topic.partitions.iter().map(|it| it.partition_index);
            topic.topic_name == METADATA_TOPIC_NAME && partitions.eq([PARTITION])
        }
        _ => false,
    };
    if !is_metadata {
        return unknown(request);
    }
    let quorum = api.quorum();
    if !quorum.leads {
        let code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
        return DescribeQuorumResponse {
            error_code: code,
            error_message: Some(Str::from_static(code.message())),
            ..DescribeQuorumResponse::default()
        };
    }
    DescribeQuorumResponse {
        error_message: Some(NO_MESSAGE),
        topics: vec![ResponseTopicData {
            topic_name: Str::from_static(METADATA_TOPIC_NAME),
            partitions: vec![partition(api.node_id(), &quorum)],
        }],
        nodes: nodes(&api.image(), &quorum),
        ..DescribeQuorumResponse::default()
    }
}

fn unknown(request: &DescribeQuorumRequest) -> DescribeQuorumResponse {
    let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let partition = |asked: &RequestPartitionData| ResponsePartitionData {
        partition_index: asked.partition_index,
        error_code: code,
        error_message: Some(Str::from_static(code.message())),
        ..ResponsePartitionData::default()
    };
    let topics = request.topics.iter().map(|topic| ResponseTopicData {
        topic_name: topic.topic_name.clone(),
        partitions: topic.partitions.iter().map(partition).collect(),
    });
    DescribeQuorumResponse {
        error_message: Some(NO_MESSAGE),
        topics: topics.collect(),
        ..DescribeQuorumResponse::default()
    }
}

fn partition(own: BrokerId, quorum: &QuorumInfo) -> ResponsePartitionData {
    let state = |replica: &ReplicaInfo| replica_state(own, replica);
    ResponsePartitionData {
        partition_index: PARTITION,
        error_message: Some(NO_MESSAGE),
        leader_id: own.0,
        leader_epoch: quorum.epoch.0,
        high_watermark: quorum.high_watermark.map_or(-1, |offset| offset.0),
        current_voters: quorum.voters.iter().map(state).collect(),
        observers: quorum.observers.iter().map(state).collect(),
        ..ResponsePartitionData::default()
    }
}

/// How far a replica has read. The leader itself has always read everything.
fn replica_state(own: BrokerId, replica: &ReplicaInfo) -> ReplicaState {
    let time = |told: Option<Timestamp>| {
        let told = if replica.key.id == own {
            Some(wall_clock())
        } else {
            told
        };
        told.unwrap_or(Timestamp::NONE).0
    };
    ReplicaState {
        replica_id: replica.key.id.0,
        replica_directory_id: replica.key.directory_id.unwrap_or(Uuid::ZERO),
        log_end_offset: replica.log_end_offset.map_or(-1, |offset| offset.0),
        last_fetch_timestamp: time(replica.last_fetch),
        last_caught_up_timestamp: time(replica.last_caught_up),
    }
}

/// The voters that have registered, with their listeners.
fn nodes(image: &MetadataImage, quorum: &QuorumInfo) -> Vec<Node> {
    let controllers = image.controllers();
    let voters = quorum.voters.iter();
    let registered = voters.filter_map(|voter| controllers.get(voter.key.id));
    registered
        .map(|controller| Node {
            node_id: controller.id.0,
            listeners: controller
                .endpoints
                .iter()
                .map(|endpoint| Listener {
                    name: Str::copy_from(&endpoint.listener),
                    host: Str::copy_from(&endpoint.host),
                    port: endpoint.port,
                })
                .collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::describe_quorum::RequestTopicData;

    #[test]
    fn a_partition_that_is_not_the_metadata_log_is_unknown() {
        let request = DescribeQuorumRequest {
            topics: vec![RequestTopicData {
                topic_name: Str::from_static("t"),
                partitions: vec![RequestPartitionData { partition_index: 3 }],
            }],
        };

        let answer = unknown(&request);

        assert_eq!(answer.error_code, ErrorCode::NONE);
        assert_eq!(answer.error_message.as_deref(), Some(""));
        let partition = &answer.topics[0].partitions[0];
        let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        assert_eq!((partition.partition_index, partition.error_code), (3, code));
    }
}
