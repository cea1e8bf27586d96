//! What goes into the state machine and what comes out of it, as data.

use bytes::Bytes;

use super::election_state::ElectionState;
use super::log_state::OffsetAndEpoch;
use super::message::{FetchSnapshotRequest, FetchedBatch, Request, Response};
use crate::model::{BrokerId, LeaderEpoch, Offset};

/// Names a request that waits for its answer. The driver draws the token, and keeps how to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestToken(pub u64);

/// Names a request that was sent, so that a late answer to one that was given up is told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Correlation(pub u64);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The node has started. It is the first input, and comes once.
    Started,
    /// Batches to append, each atomic and not empty. They are dropped unless this node leads that epoch.
    Proposed {
        /// The epoch that the caller believes this node to lead.
        epoch: LeaderEpoch,
        /// The values of the records, batch by batch.
        batches: Vec<Vec<Bytes>>,
    },
    /// Everything below this offset is synced.
    Flushed(Offset),
    /// Another replica asks.
    Requested {
        /// The token to answer with.
        token: RequestToken,
        /// The question.
        request: Request,
    },
    /// Another replica answered.
    Responded {
        /// The replica that answered.
        from: BrokerId,
        /// The correlation that the question was sent with.
        correlation: Correlation,
        /// The answer.
        response: Response,
    },
    /// A request could not be delivered, or had no answer before its connections broke.
    Unreachable {
        /// The replica that was asked.
        to: BrokerId,
        /// The correlation that the question was sent with.
        correlation: Correlation,
        /// How that showed.
        absence: Absence,
    },
    /// A snapshot of this log was written.
    SnapshotWritten(OffsetAndEpoch),
    /// The log was cleaned up, and begins at this snapshot now.
    Cleaned(OffsetAndEpoch),
    /// The last byte of a fetched snapshot is stored.
    SnapshotStored(OffsetAndEpoch),
    /// The caller gives up leading an epoch, because it cannot apply what it decided.
    ResignRequested {
        /// The epoch to give up.
        epoch: LeaderEpoch,
    },
    /// The node stops: a leader hands over.
    ShutdownRequested,
}

/// How it shows that a replica can't be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Its host refused a new connection: nobody listens there, so the process is gone. That an old
    /// connection was closed or reset does not say so, as anything on the way may have done that: the
    /// driver then opens a new one, and sends the request again over it. Only if that is refused is
    /// the replica gone.
    Gone,
    /// Anything else: nothing came in time, there is no way there, a new connection broke as well. It
    /// may be alive, so this moves nothing but the next try.
    Silent,
}

/// What the driver has to do. Effects are carried out one after the other, in order: one begins
/// only when all before it are done. If one fails, none of the rest may happen and the node stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Replace `quorum-state`, durably. Without the file a voter is a newcomer when it starts.
    Persist(ElectionState),
    /// Write a batch at the end of the log; it need not be durable yet.
    Append(LeaderBatch),
    /// Write a fetched batch at the end of the log; it need not be durable yet.
    AppendFetched(FetchedBatch),
    /// Remove what is at and above this offset, durably.
    Truncate(Offset),
    /// Make all that was written durable, then give [`Input::Flushed`].
    Flush,
    /// Hand everything below this offset to the state machine: it is committed.
    Commit(Offset),
    /// Ask another replica.
    Send {
        /// The replica to ask.
        to: BrokerId,
        /// Comes back with the answer.
        correlation: Correlation,
        /// The question.
        request: Request,
    },
    /// Answer a request.
    Reply {
        /// The request's token.
        token: RequestToken,
        /// The answer.
        response: Response,
    },
    /// Answer a fetch with `response`, whose batches are yet to be read from the log.
    ReplyWithLog {
        /// The request's token.
        token: RequestToken,
        /// The offset to read from.
        from: Offset,
        /// How many bytes to read; the first batch is sent whole, even if it is larger.
        max_bytes: u32,
        /// The answer without its batches.
        response: Response,
    },
    /// Answer a fetch of a snapshot with `response`, whose chunk is yet to be read; or refuse it,
    /// if there is no such snapshot or position.
    ReplyWithSnapshot {
        /// The request's token.
        token: RequestToken,
        /// The request, which names the snapshot and the part of it.
        request: FetchSnapshotRequest,
        /// The answer without its chunk.
        response: Response,
    },
    /// Add bytes to the snapshot that is being fetched; position 0 begins it anew. After the last bytes
    /// make it durable, then give [`Input::SnapshotStored`].
    StoreSnapshot {
        /// The name of the snapshot.
        id: OffsetAndEpoch,
        /// The position of the bytes in the file.
        position: u64,
        /// The bytes.
        bytes: Bytes,
        /// Whether the file ends with these bytes.
        is_last: bool,
    },
    /// Empty the log so that it goes on from this snapshot, and give that to the state machine.
    RestartAtSnapshot(OffsetAndEpoch),
    /// Tell the state machine who leads.
    Announce(Announcement),
    /// Stop for good, because going on would lose or contradict what is committed. The text says why.
    Halt(String),
}

/// A change of leadership, as the state machine learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// This node leads, and may append. The state machine acts as the leader only when it has seen
    /// everything that is committed below `start_offset`, and the epoch's first batch with it.
    BecameLeader {
        /// The epoch that this node leads.
        epoch: LeaderEpoch,
        /// The offset of the epoch's first batch.
        start_offset: Offset,
    },
    /// This node leads no more. What it appended and did not see committed may yet be committed, or never.
    Resigned {
        /// The epoch that it led.
        epoch: LeaderEpoch,
    },
    /// A new epoch has another leader, or none yet.
    LeaderChanged {
        /// The leader; `None` while there is an election.
        leader: Option<BrokerId>,
        /// The new epoch.
        epoch: LeaderEpoch,
    },
}

/// A batch that a leader writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderBatch {
    /// The offset of the batch's first record.
    pub base_offset: Offset,
    /// The leader's epoch.
    pub epoch: LeaderEpoch,
    /// The batch's records.
    pub content: BatchContent,
}

/// The records of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchContent {
    /// The control record that opens an epoch.
    LeaderChange {
        /// The ids of the voters.
        voters: Vec<BrokerId>,
        /// The voters that elected this leader.
        granting: Vec<BrokerId>,
    },
    /// The state machine's records, which have no keys.
    Records(Vec<Bytes>),
}

impl LeaderBatch {
    /// How many records the content has: 1 or above.
    pub fn record_count(&self) -> i64 {
        match &self.content {
            BatchContent::LeaderChange { .. } => 1,
            BatchContent::Records(records) => records.len() as i64,
        }
    }

    /// The offset of the batch's last record.
    pub fn last_offset(&self) -> Offset {
        self.base_offset + (self.record_count() - 1)
    }
}
