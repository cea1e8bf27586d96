//! The KRaft quorum: who leads the metadata log, and what of it is committed (KIP-595, KIP-996).
//!
//! [`RaftNode`] is the whole protocol as a pure state machine; `driver.rs` gives it a disk, a clock
//! and the state machine of `metadata`. Every size of quorum takes the same path: with one voter
//! the majority is one.

mod accumulator;
mod cleanup_driver;
mod clock_driver;
mod connections;
mod control_record;
mod delivery;
mod departure;
/// The quorum at work: its handle, its config, its errors.
pub mod driver;
mod effect;
mod election_state;
mod event;
mod fetch;
mod fetch_answer;
mod full_disk_driver;
mod jitter;
mod log_driver;
mod log_state;
mod loop_driver;
mod message;
mod newcomer;
mod node;
mod peers_driver;
mod plausible;
mod progress;
mod proposed;
mod quorum_epoch;
mod quorum_info;
mod quorum_state_driver;
mod replies_driver;
mod response;
mod retention;
mod role;
mod snapshot;
mod snapshot_driver;
mod started;
mod strangers;
mod synced_driver;
mod tally;
mod transition;
mod unreachable;
mod verify_driver;
mod vote;
mod voter_lines_driver;
mod voters;
/// The quorum's messages in their wire form.
pub mod wire;

pub use accumulator::{Accumulator, AppendError};
pub(crate) use clock_driver::Clock;
pub use driver::{Raft, RaftConfig, RaftError, WriteSnapshotError};
pub use effect::{
    Absence, Announcement, BatchContent, Correlation, Effect, Input, LeaderBatch, RequestToken,
};
pub use election_state::{ElectionState, ElectionStateError};
pub use event::{CommittedBatch, RaftEvent, RaftListener};
pub use jitter::Jitter;
pub use log_state::{EpochStart, LogState, OffsetAndEpoch, Validity};
pub(crate) use loop_driver::RaftThread;
pub use message::{
    BeginQuorumEpochRequest, EndQuorumEpochRequest, FetchAnswer, FetchRequest,
    FetchSnapshotRequest, FetchedBatch, Refusal, Request, Response, ResponseBody, SnapshotChunk,
    ToldHighWatermark, VoteRequest,
};
pub use newcomer::NewcomerInfo;
pub use node::{Identity, RaftNode, Timeouts};
pub use peers_driver::{AnswerSlot, NoPeers, Peers};
pub use progress::{Progress, ReplicaProgress};
pub use quorum_info::{QuorumInfo, ReplicaInfo};
pub use quorum_state_driver::{QuorumStateError, QuorumStateStore};
pub use replies_driver::Served;
pub use retention::{Retention, SnapshotInfo};
pub use role::Role;
pub use snapshot::{Snapshot, SnapshotEncoder, SnapshotError};
pub use snapshot_driver::{
    SnapshotFileError, SnapshotStore, SnapshotWriter, read_bootstrap, write_bootstrap,
};
pub use tally::Tally;
pub use voter_lines_driver::VoterLines;
pub use voters::{ReplicaKey, Voter, Voters};
pub use wire::METADATA_TOPIC_NAME;
