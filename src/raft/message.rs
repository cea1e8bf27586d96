//! What replicas say to each other, without its wire form.
//!
//! The API edge translates: each of these is Kafka's message of that name for the one partition
//! `__cluster_metadata-0`. Cluster id and partition are checked there.

use std::time::Duration;

use bytes::Bytes;

use super::log_state::OffsetAndEpoch;
use super::voters::ReplicaKey;
use crate::model::{BrokerId, LeaderEpoch, Offset};

/// Asks a replica for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Vote (key 52).
    Vote(VoteRequest),
    /// BeginQuorumEpoch (key 53): the sender leads.
    BeginQuorumEpoch(BeginQuorumEpochRequest),
    /// EndQuorumEpoch (key 54): the sender stops leading.
    EndQuorumEpoch(EndQuorumEpochRequest),
    /// Fetch (key 1) of the metadata log.
    Fetch(FetchRequest),
    /// FetchSnapshot (key 59).
    FetchSnapshot(FetchSnapshotRequest),
}

/// Answers a request of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Why the request was not served; then the rest of `body` says nothing.
    pub refusal: Option<Refusal>,
    /// The epoch of the answering replica.
    pub epoch: LeaderEpoch,
    /// The leader that it knows of in this epoch.
    pub leader: Option<BrokerId>,
    /// What was asked for.
    pub body: ResponseBody,
}

/// The part of an answer that depends on the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// To a vote: whether it was granted.
    Vote {
        /// Whether the replica is for the candidate.
        granted: bool,
    },
    /// To [`Request::BeginQuorumEpoch`].
    BeginQuorumEpoch,
    /// To [`Request::EndQuorumEpoch`].
    EndQuorumEpoch,
    /// To a fetch.
    Fetch(FetchAnswer),
    /// To a fetch of a snapshot.
    FetchSnapshot(SnapshotChunk),
}

/// Why a replica refuses a request. Each is one of Kafka's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// FENCED_LEADER_EPOCH: the request is of an epoch that is over.
    FencedLeaderEpoch,
    /// UNKNOWN_LEADER_EPOCH: the request is of an epoch that this replica has not heard of.
    UnknownLeaderEpoch,
    /// NOT_LEADER_OR_FOLLOWER: only the leader can serve this.
    NotLeaderOrFollower,
    /// INVALID_REQUEST: its fields contradict each other.
    InvalidRequest,
    /// INVALID_VOTER_KEY: meant for another replica than this one.
    InvalidVoterKey,
    /// SNAPSHOT_NOT_FOUND: it was deleted, or never was here.
    SnapshotNotFound,
    /// POSITION_OUT_OF_RANGE: the snapshot is shorter.
    PositionOutOfRange,
}

/// Asks for a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteRequest {
    /// Who wants to lead.
    pub candidate: ReplicaKey,
    /// In which epoch; a pre-vote is asked in the epoch before.
    pub epoch: LeaderEpoch,
    /// The end of the candidate's log.
    pub last: OffsetAndEpoch,
    /// Whether only the chance of being elected is asked for (KIP-996): nothing is promised.
    pub pre_vote: bool,
    /// Whom it is meant for; not said in the oldest versions.
    pub voter: Option<ReplicaKey>,
}

/// Tells a voter who leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeginQuorumEpochRequest {
    /// The sender.
    pub leader: BrokerId,
    /// The epoch that it leads.
    pub epoch: LeaderEpoch,
    /// Whom it is meant for; not said in the oldest version.
    pub voter: Option<ReplicaKey>,
}

/// Tells a voter that its leader resigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndQuorumEpochRequest {
    /// The sender.
    pub leader: BrokerId,
    /// The epoch that it led.
    pub epoch: LeaderEpoch,
    /// Who should be elected, the best first.
    pub successors: Vec<ReplicaKey>,
}

/// Asks for the log from an offset on, and tells that all below is flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// Who asks.
    pub replica: ReplicaKey,
    /// The epoch in which it takes the receiver for the leader.
    pub epoch: LeaderEpoch,
    /// Where its log ends, and the epoch of its last record.
    pub position: OffsetAndEpoch,
    /// The high watermark that it knows; a higher one is worth an answer without data.
    pub high_watermark: Option<Offset>,
    /// How long to hold the request while there is nothing to say.
    pub max_wait: Duration,
    /// How much to send; the first batch is sent whole.
    pub max_bytes: u32,
}

/// What a leader answers to a fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchAnswer {
    /// The leader's high watermark, once it has one.
    pub high_watermark: Option<Offset>,
    /// The first offset of the leader's log.
    pub log_start_offset: Offset,
    /// Set: the logs diverge; truncate to this.
    pub diverging: Option<OffsetAndEpoch>,
    /// Set: the log begins later; fetch this snapshot.
    pub snapshot: Option<OffsetAndEpoch>,
    /// The batches, whose checksums and offsets the driver has checked.
    pub batches: Vec<FetchedBatch>,
}

/// One batch of another replica's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedBatch {
    /// The offset of its first record.
    pub base_offset: Offset,
    /// The offset of its last record.
    pub last_offset: Offset,
    /// The epoch of the leader that wrote it.
    pub epoch: LeaderEpoch,
    /// As it is on disk.
    pub bytes: Bytes,
}

/// Asks for a part of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchSnapshotRequest {
    /// Who asks.
    pub replica: ReplicaKey,
    /// The epoch in which it takes the receiver for the leader.
    pub epoch: LeaderEpoch,
    /// Which snapshot.
    pub id: OffsetAndEpoch,
    /// From which byte on.
    pub position: u64,
    /// How much to send.
    pub max_bytes: u32,
}

/// A part of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotChunk {
    /// Of which snapshot.
    pub id: OffsetAndEpoch,
    /// Size of the whole, in bytes.
    pub size: u64,
    /// Where this part begins.
    pub position: u64,
    /// The part.
    pub bytes: Bytes,
}
