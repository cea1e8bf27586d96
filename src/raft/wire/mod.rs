//! The quorum's messages in their wire form: Kafka's requests of those names, each for the one partition
//! `__cluster_metadata-0`.
//!
//! A file has the four directions of one API: a request that is sent and its answer that comes, a request
//! that comes and its answer that is sent. A request that comes is refused here if it is of another cluster
//! or for another partition; all else the state machine decides. Nothing that comes is trusted: a number
//! that can't be one is an error, not a panic.

/// Takes the metadata log's partition out of topics whose fields have these names; see [`only`].
macro_rules! only_partition {
    ($topics:expr, $name:ident, $index:ident) => {
        super::only(
            $topics,
            |topic| topic.$name == super::topic_name(),
            |topic| topic.partitions,
            |partition| partition.$index,
        )
    };
}

/// Where the leader is found, in the struct that each of the quorum's own answers has for it.
macro_rules! node_endpoints {
    ($addresses:expr, $response:expr) => {
        $addresses
            .endpoint_of($response.leader)
            .map(|endpoint| wire::NodeEndpoint {
                node_id: endpoint.id.0,
                host: endpoint.host,
                port: endpoint.port,
            })
            .into_iter()
            .collect()
    };
}

mod begin_quorum_epoch;
mod end_quorum_epoch;
mod fetch;
mod fetch_snapshot;
mod vote;

use super::message::{Refusal, Request, Response};
use super::voters::{ReplicaKey, Voter};
use crate::model::{BrokerId, DirectoryId, LeaderEpoch, Uuid};
use crate::protocol::{ErrorCode, Str};

/// The name of the metadata topic, which nobody may create.
pub const METADATA_TOPIC_NAME: &str = "__cluster_metadata";
/// The one partition of the metadata topic.
const PARTITION: i32 = 0;

/// What the wire carries beside a message: the cluster, and where its members are found.
#[derive(Clone, Debug)]
pub struct QuorumAddresses {
    /// The cluster's id.
    pub cluster_id: Str,
    /// All voters.
    pub voters: Vec<Voter>,
    /// The name of the listener on which voters connect to each other.
    pub listener: Str,
}

/// An endpoint as several messages have it.
struct Endpoint {
    id: BrokerId,
    host: Str,
    port: u16,
}

/// Why an answer is of no use.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AnswerFault {
    /// The other replica belongs to another cluster.
    #[error("it belongs to another cluster")]
    OtherCluster,
    /// It refuses the request for a reason that the quorum's protocol does not know here.
    #[error("it answers {0:?}")]
    Refused(ErrorCode),
    /// It answers for no or for another partition.
    #[error("it answers for another partition")]
    OtherPartition,
    /// The records are damaged.
    #[error("it sent damaged records: {0}")]
    Records(String),
}

/// A request of another replica, as the state machine takes it, or the error that refuses it.
pub trait Incoming: crate::protocol::Request + Sized {
    /// What the request says, if it is for this quorum.
    ///
    /// # Errors
    /// It is not, and this is the answer.
    fn read(self, addresses: &QuorumAddresses) -> Result<Request, Self::Response>;

    /// The answer in its wire form. `request` is what [`Self::read`] gave; `records` is what was read from
    /// the log or from a snapshot.
    fn answer(
        addresses: &QuorumAddresses,
        request: &Request,
        response: &Response,
        records: bytes::Bytes,
    ) -> Self::Response;
}

/// A request to another replica, in its wire form.
pub enum Outgoing {
    /// Vote.
    Vote(crate::protocol::messages::vote::VoteRequest),
    /// BeginQuorumEpoch.
    BeginQuorumEpoch(crate::protocol::messages::begin_quorum_epoch::BeginQuorumEpochRequest),
    /// EndQuorumEpoch.
    EndQuorumEpoch(crate::protocol::messages::end_quorum_epoch::EndQuorumEpochRequest),
    /// Fetch.
    Fetch(crate::protocol::messages::fetch::FetchRequest),
    /// FetchSnapshot.
    FetchSnapshot(crate::protocol::messages::fetch_snapshot::FetchSnapshotRequest),
}

/// An answer to an [`Outgoing`] request that can be read.
pub trait Answer {
    /// What the answer says.
    ///
    /// # Errors
    /// It says nothing that the quorum could use.
    fn read(self) -> Result<Response, AnswerFault>;
}

impl QuorumAddresses {
    /// A request to the voter `to`, in its wire form.
    pub fn outgoing(&self, to: BrokerId, request: &Request) -> Outgoing {
        match request {
            Request::Vote(request) => Outgoing::Vote(vote::request(self, to, request)),
            Request::BeginQuorumEpoch(request) => {
                Outgoing::BeginQuorumEpoch(begin_quorum_epoch::request(self, to, request))
            }
            Request::EndQuorumEpoch(request) => {
                Outgoing::EndQuorumEpoch(end_quorum_epoch::request(self, request))
            }
            Request::Fetch(request) => Outgoing::Fetch(fetch::request(self, request)),
            Request::FetchSnapshot(request) => {
                Outgoing::FetchSnapshot(fetch_snapshot::request(self, request))
            }
        }
    }

    /// Whether a request is of this cluster. Kafka lets requests pass that do not say it.
    fn is_of_cluster(&self, cluster_id: Option<&Str>) -> bool {
        cluster_id.is_none_or(|id| *id == self.cluster_id)
    }

    fn endpoint_of(&self, id: Option<BrokerId>) -> Option<Endpoint> {
        let id = id?;
        let voter = self.voters.iter().find(|voter| voter.id == id)?;
        Some(Endpoint {
            id,
            host: Str::copy_from(&voter.host),
            port: voter.port,
        })
    }
}

/// Takes the only partition out of a request or an answer, if that is the metadata log's.
fn only<T, P>(
    topics: Vec<T>,
    is_metadata: impl Fn(&T) -> bool,
    partitions: impl Fn(T) -> Vec<P>,
    index: impl Fn(&P) -> i32,
) -> Option<P> {
    let [topic] = <[T; 1]>::try_from(topics).ok()?;
    if !is_metadata(&topic) {
        return None;
    }
    let [partition] = <[P; 1]>::try_from(partitions(topic)).ok()?;
    (index(&partition) == PARTITION).then_some(partition)
}

fn topic_name() -> Str {
    Str::from_static(METADATA_TOPIC_NAME)
}

fn key(id: i32, directory_id: Uuid) -> ReplicaKey {
    ReplicaKey {
        id: BrokerId(id),
        directory_id: (directory_id != Uuid::ZERO).then_some(directory_id),
    }
}

fn directory(key: Option<DirectoryId>) -> Uuid {
    key.unwrap_or(Uuid::ZERO)
}

/// The voter that a request is meant for, if it says so.
fn addressee(id: i32, directory_id: Uuid) -> Option<ReplicaKey> {
    (id >= 0).then(|| key(id, directory_id))
}

fn leader_id(response: &Response) -> i32 {
    response.leader.unwrap_or(BrokerId::NONE).0
}

fn leader_of(id: i32) -> Option<BrokerId> {
    (id >= 0).then_some(BrokerId(id))
}

impl Refusal {
    const ALL: [(Self, ErrorCode); 9] = [
        (Self::Stopping, ErrorCode::BROKER_NOT_AVAILABLE),
        (Self::FencedLeaderEpoch, ErrorCode::FENCED_LEADER_EPOCH),
        (Self::UnknownLeaderEpoch, ErrorCode::UNKNOWN_LEADER_EPOCH),
        (Self::NotLeaderOrFollower, ErrorCode::NOT_LEADER_OR_FOLLOWER),
        (Self::InvalidRequest, ErrorCode::INVALID_REQUEST),
        (
            Self::InconsistentVoterSet,
            ErrorCode::INCONSISTENT_VOTER_SET,
        ),
        (Self::InvalidVoterKey, ErrorCode::INVALID_VOTER_KEY),
        (Self::SnapshotNotFound, ErrorCode::SNAPSHOT_NOT_FOUND),
        (Self::PositionOutOfRange, ErrorCode::POSITION_OUT_OF_RANGE),
    ];

    fn of_code(code: ErrorCode) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == code);
        found.map(|(refusal, _)| *refusal)
    }

    fn code(self) -> ErrorCode {
        let found = Self::ALL.iter().find(|(known, _)| *known == self);
        found.expect("each refusal has a code").1
    }
}

fn error_code(response: &Response) -> ErrorCode {
    response.refusal.map_or(ErrorCode::NONE, Refusal::code)
}

/// The refusal that an error stands for; `None` without an error.
fn refusal_of(code: ErrorCode) -> Result<Option<Refusal>, AnswerFault> {
    if !code.is_error() {
        return Ok(None);
    }
    let refusal = Refusal::of_code(code).ok_or(AnswerFault::Refused(code))?;
    Ok(Some(refusal))
}

/// Refuses an answer whose error is about the request as a whole.
fn check_top_level(code: ErrorCode) -> Result<(), AnswerFault> {
    match code {
        ErrorCode::NONE => Ok(()),
        ErrorCode::INCONSISTENT_CLUSTER_ID => Err(AnswerFault::OtherCluster),
        code => Err(AnswerFault::Refused(code)),
    }
}

fn epoch(raw: i32) -> LeaderEpoch {
    LeaderEpoch(raw)
}

#[cfg(test)]
mod tests;
