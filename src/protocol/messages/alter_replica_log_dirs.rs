//! AlterReplicaLogDirs (key 34), versions 1-2.
//!
//! Moves replicas between the log directories of a broker.

use crate::protocol::{ErrorCode, Str};

api!(AlterReplicaLogDirs: AlterReplicaLogDirsRequest -> AlterReplicaLogDirsResponse);

message! {
    AlterReplicaLogDirsRequest: versions 1-2, first flexible 2;

    pub struct AlterReplicaLogDirsRequest {
        dirs: Vec<AlterReplicaLogDir>,
    }

    pub struct AlterReplicaLogDir {
        path: Str,
        topics: Vec<AlterReplicaLogDirTopic>,
    }

    pub struct AlterReplicaLogDirTopic {
        name: Str,
        partitions: Vec<i32>,
    }
}

message! {
    AlterReplicaLogDirsResponse: versions 1-2, first flexible 2;

    pub struct AlterReplicaLogDirsResponse {
        throttle_time_ms: i32,
        results: Vec<AlterReplicaLogDirTopicResult>,
    }

    pub struct AlterReplicaLogDirTopicResult {
        topic_name: Str,
        partitions: Vec<AlterReplicaLogDirPartitionResult>,
    }

    pub struct AlterReplicaLogDirPartitionResult {
        partition_index: i32,
        error_code: ErrorCode,
    }
}
