//! Why a replica refuses a request, or fails at it. Each reason has one of Kafka's error codes.

use crate::model::LeaderEpoch;
use crate::protocol::error_code::ErrorCode;
use crate::storage::error::StorageError;
use crate::storage::log::{AppendError, OffsetOutOfRange};
use crate::storage::producer_state::ProducerRefusal;

/// A request to a replica was refused, or failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// This broker does not lead the partition.
    #[error("this broker does not lead the partition")]
    NotLeader,
    /// There is no topic of that name, or no such partition.
    #[error("no such topic or partition")]
    UnknownTopicOrPartition,
    /// There is no topic of that id.
    #[error("no topic has this id")]
    UnknownTopicId,
    /// The topic was deleted; another one has its name and another id.
    #[error("the topic has another id")]
    InconsistentTopicId,
    /// The caller's leader is no longer the leader.
    #[error("leader epoch {asked} is over: it is {current}")]
    FencedLeaderEpoch {
        /// The epoch in the request.
        asked: LeaderEpoch,
        /// The epoch of this replica.
        current: LeaderEpoch,
    },
    /// The caller knows of a leader that this broker has not heard of.
    #[error("leader epoch {asked} is not known yet: it is {current}")]
    UnknownLeaderEpoch {
        /// The epoch in the request.
        asked: LeaderEpoch,
        /// The epoch of this replica.
        current: LeaderEpoch,
    },
    /// The write wants acks=all, but too few replicas are in sync to make it safe.
    #[error("{in_sync} replicas are in sync, min.insync.replicas is {needed}")]
    NotEnoughReplicas {
        /// How many replicas are in sync.
        in_sync: usize,
        /// How many replicas must be.
        needed: usize,
    },
    /// There is no record at the offset.
    #[error(transparent)]
    OffsetOutOfRange(#[from] OffsetOutOfRange),
    /// The epoch of the reader's last record is not one of this log's.
    #[error("epoch {0} of the last fetched record is unknown")]
    UnknownLastEpoch(LeaderEpoch),
    /// The leader does not know yet up to where its predecessor had committed.
    #[error("the high watermark is below the start of the leader's epoch")]
    OffsetNotAvailable,
    /// The records of a compacted topic cannot be deleted from the front.
    #[error("the topic's cleanup.policy does not allow it")]
    PolicyViolation,
    /// The batch does not follow what its producer wrote before.
    #[error(transparent)]
    Producer(#[from] ProducerRefusal),
    /// The batch is larger than a segment may be.
    #[error("batch of {size} bytes is larger than a segment of {segment_bytes}")]
    LargerThanSegment {
        /// The batch's size in bytes.
        size: u64,
        /// `segment.bytes`.
        segment_bytes: u32,
    },
    /// The batches from the leader do not continue the log.
    #[error("from the leader: {0}")]
    Replicated(String),
    /// The disk failed or is full, or the log directory is offline.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A panic has ended what was done; the log of this process tells where.
    #[error("a bug has ended what was done to the log")]
    Bug,
}

impl ReplicaError {
    /// Kafka's error code for a client.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotLeader => ErrorCode::NOT_LEADER_OR_FOLLOWER,
            Self::UnknownTopicOrPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Self::UnknownTopicId => ErrorCode::UNKNOWN_TOPIC_ID,
            Self::InconsistentTopicId => ErrorCode::INCONSISTENT_TOPIC_ID,
            Self::FencedLeaderEpoch { .. } => ErrorCode::FENCED_LEADER_EPOCH,
            Self::UnknownLeaderEpoch { .. } => ErrorCode::UNKNOWN_LEADER_EPOCH,
            Self::NotEnoughReplicas { .. } => ErrorCode::NOT_ENOUGH_REPLICAS,
            Self::OffsetOutOfRange(_) | Self::UnknownLastEpoch(_) => ErrorCode::OFFSET_OUT_OF_RANGE,
            Self::OffsetNotAvailable => ErrorCode::OFFSET_NOT_AVAILABLE,
            Self::PolicyViolation => ErrorCode::POLICY_VIOLATION,
            Self::Producer(refusal) => producer_code(*refusal),
            Self::LargerThanSegment { .. } => ErrorCode::RECORD_LIST_TOO_LARGE,
            Self::Replicated(_) => ErrorCode::CORRUPT_MESSAGE,
            Self::Storage(_) => ErrorCode::KAFKA_STORAGE_ERROR,
            Self::Bug => ErrorCode::UNKNOWN_SERVER_ERROR,
        }
    }

    /// The producer's last sequence number in the log, -1 if there is none in its epoch, where a batch was refused
    /// as it does not follow that.
    pub fn last_sequence(&self) -> Option<i32> {
        match self {
            Self::Producer(ProducerRefusal::OutOfOrderSequence { expected_after, .. }) => {
                Some(*expected_after)
            }
            _ => None,
        }
    }

    /// Whether the log directory must go offline.
    pub fn is_disk_failure(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_disk_failure())
    }
}

fn producer_code(refusal: ProducerRefusal) -> ErrorCode {
    match refusal {
        ProducerRefusal::OutOfOrderSequence { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        ProducerRefusal::InvalidProducerEpoch { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
        ProducerRefusal::InTransaction { .. } | ProducerRefusal::NotVerified { .. } => {
            ErrorCode::INVALID_TXN_STATE
        }
        ProducerRefusal::CoordinatorFenced { .. } => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
    }
}

impl From<AppendError> for ReplicaError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Producer(refusal) => Self::Producer(refusal),
            AppendError::LargerThanSegment {
                size,
                segment_bytes,
            } => Self::LargerThanSegment {
                size,
                segment_bytes,
            },
            AppendError::Storage(error) => Self::Storage(error),
            other @ (AppendError::Batch(_) | AppendError::EpochWentBack { .. }) => {
                Self::Replicated(other.to_string())
            }
        }
    }
}
