//! The messages between replicas, without their wire form.
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
    /// Why the request is not served; if it is not, the rest of `body` has no meaning.
    pub refusal: Option<Refusal>,
    /// The epoch of the answering replica.
    pub epoch: LeaderEpoch,
    /// The leader of this epoch, if the replica knows it.
    pub leader: Option<BrokerId>,
    /// What was asked for.
    pub body: ResponseBody,
}

/// The part of an answer that depends on the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// To a vote: whether it was granted.
    Vote {
        /// Whether the replica votes for the candidate.
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
    /// INCONSISTENT_VOTER_SET: the candidate or leader that the request names has no vote here.
    InconsistentVoterSet,
    /// INVALID_VOTER_KEY: the request is meant for another replica than this one.
    InvalidVoterKey,
    /// SNAPSHOT_NOT_FOUND: the snapshot was deleted, or never was here.
    SnapshotNotFound,
    /// BROKER_NOT_AVAILABLE: this replica stops.
    Stopping,
    /// POSITION_OUT_OF_RANGE: the snapshot is shorter than that.
    PositionOutOfRange,
}

/// Asks for a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteRequest {
    /// The replica that wants to lead.
    pub candidate: ReplicaKey,
    /// The epoch that it wants to lead; in a pre-vote, the epoch that it is in.
    pub epoch: LeaderEpoch,
    /// The end of the candidate's log.
    pub last: OffsetAndEpoch,
    /// Whether the candidate only asks whether it would be elected (KIP-996): a grant promises nothing
    /// then.
    pub pre_vote: bool,
    /// The voter that is asked; the oldest versions do not say it.
    pub voter: Option<ReplicaKey>,
}

/// Tells a voter who leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeginQuorumEpochRequest {
    /// The leader, which sends the request.
    pub leader: BrokerId,
    /// The epoch that it leads.
    pub epoch: LeaderEpoch,
    /// The voter that the request is for; the oldest version does not say it.
    pub voter: Option<ReplicaKey>,
}

/// Tells a voter that its leader resigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndQuorumEpochRequest {
    /// The former leader, which sends the request.
    pub leader: BrokerId,
    /// The epoch that it led.
    pub epoch: LeaderEpoch,
    /// Which voters should be elected, the best first.
    pub successors: Vec<ReplicaKey>,
}

/// Asks for the log from an offset on, and says that everything below is flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// The replica that asks.
    pub replica: ReplicaKey,
    /// The epoch in which the replica takes the receiver for the leader.
    pub epoch: LeaderEpoch,
    /// Where the replica's log ends, and the epoch of its last record.
    pub position: OffsetAndEpoch,
    /// The high watermark that the replica knows: a higher one is worth an answer without data.
    pub high_watermark: ToldHighWatermark,
    /// How long to hold the request while there is nothing new.
    pub max_wait: Duration,
    /// How many bytes to send; the first batch is sent whole, even if it is larger.
    pub max_bytes: u32,
}

/// What a replica that fetches says of the high watermark that it knows (KIP-1166).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldHighWatermark {
    /// Nothing: on the wire the field is absent, as it is below version 18 of Fetch and may be from
    /// there on, or has its default, i64::MAX. Such a fetch is answered when there is data, or in its
    /// time: if each new fetch were told the watermark, it would never wait.
    Untold,
    /// It knows of none: on the wire -1.
    Unknown,
    /// It knows that all below is committed: on the wire the offset, from 0 on.
    Known(Offset),
}

impl ToldHighWatermark {
    /// Whether it does not know all that is committed.
    pub fn is_below(self, high_watermark: Option<Offset>) -> bool {
        match self {
            Self::Untold => false,
            Self::Unknown => high_watermark.is_some(),
            Self::Known(known) => high_watermark.is_some_and(|committed| committed > known),
        }
    }
}

/// A leader's answer to a fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchAnswer {
    /// The leader's high watermark, once it has one.
    pub high_watermark: Option<Offset>,
    /// The first offset of the leader's log.
    pub log_start_offset: Offset,
    /// The position to truncate to, if the logs diverge.
    pub diverging: Option<OffsetAndEpoch>,
    /// The snapshot to fetch, if the leader's log begins later.
    pub snapshot: Option<OffsetAndEpoch>,
    /// The batches, whose checksums and offsets the driver has checked. None says that the leader had no
    /// more: an answer with bytes of which no batch can be made is not to be given as one without any.
    pub batches: Vec<FetchedBatch>,
}

/// One batch of another replica's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedBatch {
    /// The offset of the batch's first record.
    pub base_offset: Offset,
    /// The offset of the batch's last record.
    pub last_offset: Offset,
    /// The epoch of the leader that wrote the batch.
    pub epoch: LeaderEpoch,
    /// The batch as it is on disk.
    pub bytes: Bytes,
}

/// Asks for a part of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchSnapshotRequest {
    /// The replica that asks.
    pub replica: ReplicaKey,
    /// The epoch in which the replica takes the receiver for the leader.
    pub epoch: LeaderEpoch,
    /// The name of the snapshot.
    pub id: OffsetAndEpoch,
    /// The first byte to send.
    pub position: u64,
    /// How many bytes to send at most.
    pub max_bytes: u32,
}

/// A part of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotChunk {
    /// The name of the snapshot.
    pub id: OffsetAndEpoch,
    /// The size of the whole snapshot in bytes.
    pub size: u64,
    /// The position of this part in the snapshot.
    pub position: u64,
    /// The bytes of this part.
    pub bytes: Bytes,
}
