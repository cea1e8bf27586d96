//! The admin requests of a storm, and what their answers say of the outcome.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use broker::protocol::ErrorCode;
use broker::protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use broker::protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsTopic,
};
use broker::protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use broker::protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use broker::protocol::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use broker::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};

use crate::topics;
use crate::voice::ask;

/// The kind of a topic's configs.
pub const TOPIC_RESOURCE: i8 = 2;
/// The setting that is changed.
pub const RETENTION: &str = "retention.ms";
const LIMIT_MS: i32 = 8_000;

/// What is asked for of one topic.
#[derive(Clone, Debug)]
pub enum Change {
    Create {
        partitions: i32,
        replicas: i16,
    },
    Delete,
    /// So many partitions in all.
    Grow {
        partitions: i32,
    },
    Keep {
        retention: i64,
    },
    Move {
        partition: i32,
        replicas: Vec<i32>,
    },
    DeleteRecords {
        partition: i32,
    },
    Elect {
        partition: i32,
    },
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It is not done, now or later.
    Refused,
    /// It may be done, now or later.
    Unknown,
}

/// Asks a node for a change.
pub fn ask_for(node: &str, name: &str, change: &Change) -> Outcome {
    let address = node.parse().expect("an address");
    // Nobody there, nothing asked.
    if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        thread::sleep(Duration::from_millis(50));
        return Outcome::Refused;
    }
    match code(node, name, change) {
        Some(ErrorCode::NONE) => Outcome::Done,
        None | Some(ErrorCode::REQUEST_TIMED_OUT | ErrorCode::UNKNOWN_SERVER_ERROR) => {
            Outcome::Unknown
        }
        Some(_) => Outcome::Refused,
    }
}

fn code(node: &str, name: &str, change: &Change) -> Option<ErrorCode> {
    match change {
        Change::Create {
            partitions,
            replicas,
        } => topics::create(node, name, (*partitions, *replicas), &[]),
        Change::Delete => delete(node, name),
        Change::Grow { partitions } => grow(node, name, *partitions),
        Change::Keep { retention } => keep(node, name, *retention),
        Change::Move {
            partition,
            replicas,
        } => move_to(node, name, *partition, replicas),
        Change::DeleteRecords { partition } => delete_records(node, name, *partition),
        Change::Elect { partition } => elect(node, name, *partition),
    }
}

fn delete(node: &str, name: &str) -> Option<ErrorCode> {
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopicState {
            name: Some(name.to_owned().into()),
            ..DeleteTopicState::default()
        }],
        timeout_ms: LIMIT_MS,
        ..DeleteTopicsRequest::default()
    };
    Some(ask(node, &request)?.responses[0].error_code)
}

fn grow(node: &str, name: &str, count: i32) -> Option<ErrorCode> {
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic {
            name: name.to_owned().into(),
            count,
            assignments: None,
        }],
        timeout_ms: LIMIT_MS,
        validate_only: false,
    };
    Some(ask(node, &request)?.results[0].error_code)
}

fn keep(node: &str, name: &str, retention: i64) -> Option<ErrorCode> {
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: name.to_owned().into(),
            configs: vec![AlterableConfig {
                name: RETENTION.into(),
                config_operation: 0,
                value: Some(retention.to_string().into()),
            }],
        }],
        validate_only: false,
    };
    Some(ask(node, &request)?.responses[0].error_code)
}

fn move_to(node: &str, name: &str, partition: i32, replicas: &[i32]) -> Option<ErrorCode> {
    let request = AlterPartitionReassignmentsRequest {
        timeout_ms: LIMIT_MS,
        topics: vec![ReassignableTopic {
            name: name.to_owned().into(),
            partitions: vec![ReassignablePartition {
                partition_index: partition,
                replicas: Some(replicas.to_vec()),
            }],
        }],
        ..AlterPartitionReassignmentsRequest::default()
    };
    let answer = ask(node, &request)?;
    if answer.error_code.is_error() {
        return Some(answer.error_code);
    }
    Some(answer.responses[0].partitions[0].error_code)
}

fn delete_records(node: &str, name: &str, partition: i32) -> Option<ErrorCode> {
    let request = DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: name.to_owned().into(),
            partitions: vec![DeleteRecordsPartition {
                partition_index: partition,
                // All that is committed.
                offset: -1,
            }],
        }],
        timeout_ms: LIMIT_MS,
    };
    Some(ask(node, &request)?.topics[0].partitions[0].error_code)
}

fn elect(node: &str, name: &str, partition: i32) -> Option<ErrorCode> {
    let request = ElectLeadersRequest {
        topic_partitions: Some(vec![TopicPartitions {
            topic: name.to_owned().into(),
            partitions: vec![partition],
        }]),
        timeout_ms: LIMIT_MS,
        ..ElectLeadersRequest::default()
    };
    let answer = ask(node, &request)?;
    if answer.error_code.is_error() {
        return Some(answer.error_code);
    }
    let result = answer.replica_election_results.first()?;
    Some(result.partition_result.first()?.error_code)
}
