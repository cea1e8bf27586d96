//! AlterReplicaLogDirs (key 34), versions 1-2: moves replicas between this broker's log directories
//! (KIP-113). The answer says which moves have begun; DescribeLogDirs shows how far they are.
//!
//! Version 2 is flexible.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use crate::model::TopicPartition;
use crate::protocol::messages::alter_replica_log_dirs::{
    AlterReplicaLogDir, AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse,
};
use crate::protocol::{ErrorCode, Str};
use crate::replication::manager::ReplicaManager;

/// Begins the moves on a thread that may block, and answers for each replica by itself.
pub async fn handle(
    api: Arc<Api>,
    _context: Arc<RequestContext>,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    let replicas = api.replicas().clone();
    let begun = tokio::task::spawn_blocking(move || begin(&replicas, request.dirs)).await;
    let results = begun.unwrap_or_default().into_iter();
    AlterReplicaLogDirsResponse {
        results: results
            .map(|(topic_name, partitions)| AlterReplicaLogDirTopicResult {
                topic_name,
                partitions,
            })
            .collect(),
        ..AlterReplicaLogDirsResponse::default()
    }
}

fn begin(
    replicas: &ReplicaManager,
    dirs: Vec<AlterReplicaLogDir>,
) -> BTreeMap<Str, Vec<AlterReplicaLogDirPartitionResult>> {
    let mut results: BTreeMap<Str, Vec<_>> = BTreeMap::new();
    for dir in dirs {
        for topic in dir.topics {
            let name: Arc<str> = Arc::from(&*topic.name);
            let answers = results.entry(topic.name).or_default();
            for partition_index in topic.partitions {
                let partition = TopicPartition::new(Arc::clone(&name), partition_index);
                let moved = replicas.move_replica(&partition, Path::new(&*dir.path));
                answers.push(AlterReplicaLogDirPartitionResult {
                    partition_index,
                    error_code: moved.err().unwrap_or(ErrorCode::NONE),
                });
            }
        }
    }
    results
}
