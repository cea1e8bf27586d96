//! AlterPartition (key 56), versions 2-3.
//!
//! A partition leader asks the controller to change the in-sync replicas.

use crate::model::Uuid;
use crate::protocol::ErrorCode;

api!(AlterPartition: AlterPartitionRequest -> AlterPartitionResponse);

message! {
    AlterPartitionRequest: versions 2-3, first flexible 0;

    pub struct AlterPartitionRequest {
        broker_id: i32,
        broker_epoch: i64 = -1,
        topics: Vec<RequestTopicData>,
    }

    pub struct RequestTopicData {
        topic_id: Uuid,
        partitions: Vec<RequestPartitionData>,
    }

    pub struct RequestPartitionData {
        partition_index: i32,
        leader_epoch: i32,
        new_isr: Vec<i32> [2-2],
        new_isr_with_epochs: Vec<BrokerState> [3+],
        leader_recovery_state: i8,
        partition_epoch: i32,
    }

    pub struct BrokerState {
        broker_id: i32,
        broker_epoch: i64 = -1,
    }
}

message! {
    AlterPartitionResponse: versions 2-3, first flexible 0;

    pub struct AlterPartitionResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        topics: Vec<ResponseTopicData>,
    }

    pub struct ResponseTopicData {
        topic_id: Uuid,
        partitions: Vec<ResponsePartitionData>,
    }

    pub struct ResponsePartitionData {
        partition_index: i32,
        error_code: ErrorCode,
        leader_id: i32,
        leader_epoch: i32,
        isr: Vec<i32>,
        leader_recovery_state: i8,
        partition_epoch: i32,
    }
}
