//! AssignReplicasToDirs (key 73), version 0.
//!
//! A broker with several log directories tells in which one each replica is.

use crate::model::Uuid;
use crate::protocol::ErrorCode;

api!(AssignReplicasToDirs: AssignReplicasToDirsRequest -> AssignReplicasToDirsResponse);

message! {
    AssignReplicasToDirsRequest: versions 0, first flexible 0;

    pub struct AssignReplicasToDirsRequest {
        broker_id: i32,
        broker_epoch: i64 = -1,
        directories: Vec<RequestDirectoryData>,
    }

    pub struct RequestDirectoryData {
        id: Uuid,
        topics: Vec<RequestTopicData>,
    }

    pub struct RequestTopicData {
        topic_id: Uuid,
        partitions: Vec<RequestPartitionData>,
    }

    pub struct RequestPartitionData {
        partition_index: i32,
    }
}

message! {
    AssignReplicasToDirsResponse: versions 0, first flexible 0;

    pub struct AssignReplicasToDirsResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        directories: Vec<ResponseDirectoryData>,
    }

    pub struct ResponseDirectoryData {
        id: Uuid,
        topics: Vec<ResponseTopicData>,
    }

    pub struct ResponseTopicData {
        topic_id: Uuid,
        partitions: Vec<ResponsePartitionData>,
    }

    pub struct ResponsePartitionData {
        partition_index: i32,
        error_code: ErrorCode,
    }
}
