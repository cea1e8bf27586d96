//! What the controller must be told of the log directories of replicas, in batches. What it did not take is
//! told again after a pause.
//!
//! One request is under way at a time. One whose answer was lost may still arrive after a later one, and undo
//! it, as with Kafka: who tells must look at what the metadata says in the end.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{BrokerId, DirectoryId, TopicIdPartition};
use crate::protocol::ErrorCode;
use crate::protocol::messages::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, RequestDirectoryData,
    RequestPartitionData, RequestTopicData,
};

/// The most replicas of one request, as in Kafka.
const MAX_PER_REQUEST: usize = 2_250;

/// The pause after the first request that failed. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between requests.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// In which log directory a replica of this broker lies, for AssignReplicasToDirs (KIP-858).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaDirectory {
    /// The partition.
    pub partition: TopicIdPartition,
    /// The directory in which the log lies, or is about to.
    pub directory: DirectoryId,
}

/// Replicas whose directories the controller has not confirmed yet.
#[derive(Debug, Default)]
pub struct PendingReplicaDirectories {
    ready: BTreeMap<TopicIdPartition, DirectoryId>,
    /// The replicas that the request under way names.
    sent: BTreeMap<TopicIdPartition, DirectoryId>,
    failures: u32,
}

impl PendingReplicaDirectories {
    /// Adds news of a replica; only the newest counts.
    pub fn add(&mut self, replica_directory: ReplicaDirectory) {
        self.ready
            .insert(replica_directory.partition, replica_directory.directory);
    }

    /// Whether nothing waits to be asked for.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// The next request, with as many replicas as one may carry.
    pub fn next_request(
        &mut self,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> AssignReplicasToDirsRequest {
        let mut directories: BTreeMap<DirectoryId, Vec<RequestTopicData>> = BTreeMap::new();
        while self.sent.len() < MAX_PER_REQUEST
            && let Some((partition, directory)) = self.ready.pop_first()
        {
            self.sent.insert(partition, directory);
            let topics = directories.entry(directory).or_default();
            let index = RequestPartitionData {
                partition_index: partition.partition,
            };
            // Replicas ascend by topic, so those of one topic are adjacent.
            match topics.last_mut() {
                Some(last) if last.topic_id == partition.topic_id => last.partitions.push(index),
                _ => topics.push(RequestTopicData {
                    topic_id: partition.topic_id,
                    partitions: vec![index],
                }),
            }
        }
        let directories = directories.into_iter();
        AssignReplicasToDirsRequest {
            broker_id: broker.0,
            broker_epoch,
            directories: directories
                .map(|(id, topics)| RequestDirectoryData { id, topics })
                .collect(),
        }
    }

    /// Takes an answer in: what was refused is sent again, unless there is newer news of the replica.
    pub fn answered(&mut self, response: &AssignReplicasToDirsResponse) {
        let mut failed = std::mem::take(&mut self.sent);
        if !response.error_code.is_error() {
            for (partition, code) in results(response) {
                if is_settled(code) {
                    failed.remove(&partition);
                }
            }
        }
        self.failures = if failed.is_empty() {
            0
        } else {
            self.failures.saturating_add(1)
        };
        for (partition, directory) in failed {
            self.ready.entry(partition).or_insert(directory);
        }
    }

    /// How long to wait before the next request.
    pub fn pause(&self) -> Duration {
        let Some(doublings) = self.failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings.min(16));
        pause.min(LONGEST_PAUSE)
    }
}

fn results(
    response: &AssignReplicasToDirsResponse,
) -> impl Iterator<Item = (TopicIdPartition, ErrorCode)> {
    let topics = response.directories.iter().flat_map(|it| &it.topics);
    topics.flat_map(|topic| {
        topic.partitions.iter().map(|partition| {
            let id = TopicIdPartition {
                topic_id: topic.topic_id,
                partition: partition.partition_index,
            };
            (id, partition.error_code)
        })
    })
}

/// Whether nothing is left to tell: the controller took it, or the replica is gone.
fn is_settled(code: ErrorCode) -> bool {
    [
        ErrorCode::NONE,
        ErrorCode::UNKNOWN_TOPIC_ID,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ]
    .contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{TopicId, Uuid};
    use crate::protocol::messages::assign_replicas_to_dirs::{
        ResponseDirectoryData, ResponsePartitionData, ResponseTopicData,
    };

    fn directory(number: u8) -> DirectoryId {
        Uuid::from_bytes([number; 16])
    }

    fn replica_directory(topic: u8, partition: i32, to: u8) -> ReplicaDirectory {
        ReplicaDirectory {
            partition: TopicIdPartition {
                topic_id: TopicId::from_bytes([topic; 16]),
                partition,
            },
            directory: directory(to),
        }
    }

    fn pending(replica_directories: &[ReplicaDirectory]) -> PendingReplicaDirectories {
        let mut pending = PendingReplicaDirectories::default();
        replica_directories.iter().for_each(|it| pending.add(*it));
        pending
    }

    fn next(pending: &mut PendingReplicaDirectories) -> Vec<(u8, u8, Vec<i32>)> {
        let request = pending.next_request(BrokerId(1), 7);
        assert_eq!((request.broker_id, request.broker_epoch), (1, 7));
        let mut rows = Vec::new();
        for directory in request.directories {
            for topic in directory.topics {
                let partitions = topic.partitions.iter().map(|it| it.partition_index);
                rows.push((
                    directory.id.as_bytes()[0],
                    topic.topic_id.as_bytes()[0],
                    partitions.collect(),
                ));
            }
        }
        rows
    }

    /// Answers with an error for each partition of topic 1.
    fn answer(codes: &[(i32, ErrorCode)]) -> AssignReplicasToDirsResponse {
        let partitions = codes
            .iter()
            .map(|&(partition_index, error_code)| ResponsePartitionData {
                partition_index,
                error_code,
            });
        AssignReplicasToDirsResponse {
            directories: vec![ResponseDirectoryData {
                id: directory(9),
                topics: vec![ResponseTopicData {
                    topic_id: TopicId::from_bytes([1; 16]),
                    partitions: partitions.collect(),
                }],
            }],
            ..AssignReplicasToDirsResponse::default()
        }
    }

    #[test]
    fn a_request_has_the_replicas_by_directory_and_topic() {
        let mut pending = pending(&[
            replica_directory(2, 0, 8),
            replica_directory(1, 1, 9),
            replica_directory(1, 0, 9),
            replica_directory(1, 2, 8),
        ]);

        let expected = [(8, 1, vec![2]), (8, 2, vec![0]), (9, 1, vec![0, 1])];
        assert_eq!(next(&mut pending), expected);
        assert!(pending.is_empty());
    }

    #[test]
    fn many_replicas_go_in_several_requests() {
        let many: Vec<_> = (0..5_000)
            .map(|index| replica_directory(1, index, 9))
            .collect();
        let mut pending = pending(&many);

        let mut counts = Vec::new();
        while !pending.is_empty() {
            let rows = next(&mut pending);
            let partitions = &rows[0].2;
            counts.push(partitions.len());
            let taken: Vec<_> = partitions.iter().map(|it| (*it, ErrorCode::NONE)).collect();
            pending.answered(&answer(&taken));
        }

        assert_eq!(counts, [2_250, 2_250, 500]);
    }

    #[test]
    fn what_was_not_taken_is_told_again_after_a_growing_pause() {
        let mut pending = pending(&[
            replica_directory(1, 0, 9),
            replica_directory(1, 1, 9),
            replica_directory(1, 2, 9),
        ]);

        next(&mut pending);
        pending.answered(&answer(&[
            (0, ErrorCode::NONE),
            (1, ErrorCode::UNKNOWN_TOPIC_ID),
            (2, ErrorCode::UNKNOWN_SERVER_ERROR),
        ]));
        assert_eq!(pending.pause(), FIRST_PAUSE);
        assert_eq!(next(&mut pending), [(9, 1, vec![2])]);

        let refused = AssignReplicasToDirsResponse {
            error_code: ErrorCode::NOT_CONTROLLER,
            ..AssignReplicasToDirsResponse::default()
        };
        pending.answered(&refused);
        assert_eq!(pending.pause(), 2 * FIRST_PAUSE);
        for _ in 0..20 {
            next(&mut pending);
            pending.answered(&refused);
        }
        assert_eq!(pending.pause(), LONGEST_PAUSE);

        next(&mut pending);
        pending.answered(&answer(&[(2, ErrorCode::NONE)]));
        assert_eq!(
            (pending.pause(), pending.is_empty()),
            (Duration::ZERO, true)
        );
    }

    #[test]
    fn something_newer_is_not_replaced_by_what_failed() {
        let mut pending = pending(&[replica_directory(1, 0, 9)]);
        next(&mut pending);
        pending.add(replica_directory(1, 0, 8));

        pending.answered(&AssignReplicasToDirsResponse {
            error_code: ErrorCode::REQUEST_TIMED_OUT,
            ..AssignReplicasToDirsResponse::default()
        });

        assert_eq!(next(&mut pending), [(8, 1, vec![0])]);
    }
}
