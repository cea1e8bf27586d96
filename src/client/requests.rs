//! What requests for changes have in common, whoever makes them: how long they may take, which answer is worth
//! another attempt, and the lists of topics with partitions that Kafka's have in place of what is known by partition.

use std::collections::BTreeMap;

use crate::client::cluster::{Cluster, PartitionKey};
use crate::protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use crate::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::{ErrorCode, Str};

/// Commits offsets for a group that has no members.
pub fn offset_commit(group: Str, offsets: &BTreeMap<PartitionKey, i64>) -> OffsetCommitRequest {
    let partitions = offsets.iter().map(|(key, committed_offset)| {
        let partition = OffsetCommitRequestPartition {
            partition_index: key.1,
            committed_offset: *committed_offset,
            committed_metadata: Some(Str::default()),
            ..OffsetCommitRequestPartition::default()
        };
        (key.0.clone(), partition)
    });
    let topic = |(name, partitions)| OffsetCommitRequestTopic {
        name,
        partitions,
        ..OffsetCommitRequestTopic::default()
    };
    OffsetCommitRequest {
        group_id: group,
        topics: by_topic(partitions).into_iter().map(topic).collect(),
        ..OffsetCommitRequest::default()
    }
}

/// Has partitions move to these replicas; `None` cancels a move. The cluster has `timeout_ms` for it, and may be
/// forbidden to change how many replicas there are.
pub fn reassignments(
    targets: impl Iterator<Item = (PartitionKey, Option<Vec<i32>>)>,
    timeout_ms: i32,
    allow_replication_factor_change: bool,
) -> AlterPartitionReassignmentsRequest {
    let partitions = targets.map(|((topic, partition_index), replicas)| {
        let partition = ReassignablePartition {
            partition_index,
            replicas,
        };
        (topic, partition)
    });
    let topic = |(name, partitions)| ReassignableTopic { name, partitions };
    AlterPartitionReassignmentsRequest {
        timeout_ms,
        allow_replication_factor_change,
        topics: by_topic(partitions).into_iter().map(topic).collect(),
    }
}

/// How long the cluster may work on a request.
pub fn timeout_ms(cluster: &Cluster) -> i32 {
    let timeout = cluster.options().request_timeout.as_millis();
    i32::try_from(timeout).unwrap_or(i32::MAX)
}

/// The one error that is worth another attempt, at another controller: whatever else is refused is told at once.
pub fn not_controller(mut codes: impl Iterator<Item = ErrorCode>) -> ErrorCode {
    codes
        .find(|code| *code == ErrorCode::NOT_CONTROLLER)
        .unwrap_or(ErrorCode::NONE)
}

fn by_topic<P>(partitions: impl Iterator<Item = (Str, P)>) -> BTreeMap<Str, Vec<P>> {
    let mut topics: BTreeMap<Str, Vec<P>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(partition);
    }
    topics
}
