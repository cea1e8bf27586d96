//! What goes into the state machine and what comes out of it, as data.

use bytes::Bytes;

use super::election_state::ElectionState;
use super::log_state::OffsetAndEpoch;
use super::message::{FetchSnapshotRequest, FetchedBatch, Request, Response};
use crate::model::{BrokerId, LeaderEpoch, Offset};

/// Names a request that waits for its answer; the driver gives it out and keeps what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestToken(pub u64);

/// Names a request that was sent, so that an answer to one that was given up is not mistaken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Correlation(pub u64);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The node starts. Comes first, and once.
    Started,
    /// Batches to append, each atomic and not empty; dropped unless this node leads that epoch.
    Proposed {
        /// The epoch that the caller believes to lead.
        epoch: LeaderEpoch,
        /// The values of the records, batch by batch.
        batches: Vec<Vec<Bytes>>,
    },
    /// All that is below this offset is synced.
    Flushed(Offset),
    /// Another replica asks.
    Requested {
        /// What to answer with.
        token: RequestToken,
        /// The question.
        request: Request,
    },
    /// Another replica answered.
    Responded {
        /// Who.
        from: BrokerId,
        /// As it was sent with the question.
        correlation: Correlation,
        /// What.
        response: Response,
    },
    /// A request could not be delivered, or the connection broke before its answer.
    Unreachable {
        /// Who.
        to: BrokerId,
        /// As it was sent with the question.
        correlation: Correlation,
    },
    /// A snapshot of this log was written.
    SnapshotWritten(OffsetAndEpoch),
    /// The log was cleaned up to this snapshot, where it begins now.
    Cleaned(OffsetAndEpoch),
    /// The last byte of a fetched snapshot is stored.
    SnapshotStored(OffsetAndEpoch),
    /// Give up leading that epoch, as what it decided can't be applied.
    ResignRequested {
        /// The epoch to give up.
        epoch: LeaderEpoch,
    },
    /// The node stops: a leader hands over.
    ShutdownRequested,
}

/// What the driver has to do. Effects are carried out one after the other, in order: one begins
/// only when all before it are done. If one fails, none of the rest may happen and the node stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Replace `quorum-state`, durably.
    Persist(ElectionState),
    /// Write a batch at the end of the log; it need not be durable yet.
    Append(LeaderBatch),
    /// Write a fetched batch at the end of the log; it need not be durable yet.
    AppendFetched(FetchedBatch),
    /// Remove what is at and above this offset, durably.
    Truncate(Offset),
    /// Make all that was written durable, then give [`Input::Flushed`].
    Flush,
    /// Everything below is committed: hand it to the state machine.
    Commit(Offset),
    /// Ask another replica.
    Send {
        /// Which.
        to: BrokerId,
        /// Comes back with the answer.
        correlation: Correlation,
        /// What.
        request: Request,
    },
    /// Answer a request.
    Reply {
        /// Which.
        token: RequestToken,
        /// How.
        response: Response,
    },
    /// Answer a fetch with `response`, whose batches are yet to be read from the log.
    ReplyWithLog {
        /// Which request.
        token: RequestToken,
        /// From which offset on.
        from: Offset,
        /// How much; the first batch is sent whole.
        max_bytes: u32,
        /// The answer, but for the batches.
        response: Response,
    },
    /// Answer a fetch of a snapshot with `response`, whose chunk is yet to be read; or refuse it,
    /// if there is no such snapshot or position.
    ReplyWithSnapshot {
        /// Which request.
        token: RequestToken,
        /// What of which snapshot.
        request: FetchSnapshotRequest,
        /// The answer, but for the chunk.
        response: Response,
    },
    /// Add bytes to the snapshot that is being fetched; at position 0 begin it anew. With the
    /// last ones make it durable, then give [`Input::SnapshotStored`].
    StoreSnapshot {
        /// Which snapshot.
        id: OffsetAndEpoch,
        /// Where the bytes go.
        position: u64,
        /// The bytes.
        bytes: Bytes,
        /// Whether they are the last.
        is_last: bool,
    },
    /// Empty the log, to go on from this snapshot, and give it to the state machine.
    RestartAtSnapshot(OffsetAndEpoch),
    /// Tell the state machine who leads.
    Announce(Announcement),
    /// Stop for good: going on would lose or contradict what is committed. The text says why.
    Halt(String),
}

/// A change of leadership, as the state machine learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// This node leads; it may append. The state machine acts as leader only when it has seen all
    /// that is committed below `start_offset`, and the epoch's first batch with it.
    BecameLeader {
        /// The epoch.
        epoch: LeaderEpoch,
        /// The offset of the epoch's first batch.
        start_offset: Offset,
    },
    /// This node no longer leads; what it appended and was not committed may yet be, or not.
    Resigned {
        /// The epoch that it led.
        epoch: LeaderEpoch,
    },
    /// Another leader, or none, in a new epoch.
    LeaderChanged {
        /// The leader; `None` while there is an election.
        leader: Option<BrokerId>,
        /// The epoch.
        epoch: LeaderEpoch,
    },
}

/// A batch that a leader writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderBatch {
    /// The offset of its first record.
    pub base_offset: Offset,
    /// The leader's epoch.
    pub epoch: LeaderEpoch,
    /// Its records.
    pub content: BatchContent,
}

/// The records of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchContent {
    /// The control record that opens an epoch.
    LeaderChange {
        /// Who may vote.
        voters: Vec<BrokerId>,
        /// Who voted for this leader.
        granting: Vec<BrokerId>,
    },
    /// The state machine's records, which have no keys.
    Records(Vec<Bytes>),
}

impl LeaderBatch {
    /// How many records it has; at least one.
    pub fn record_count(&self) -> i64 {
        match &self.content {
            BatchContent::LeaderChange { .. } => 1,
            BatchContent::Records(records) => records.len() as i64,
        }
    }

    /// The offset of its last record.
    pub fn last_offset(&self) -> Offset {
        self.base_offset + (self.record_count() - 1)
    }
}
