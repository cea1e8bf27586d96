//! What the quorum tells its state machine: the committed log in order, and who leads.

use bytes::Bytes;

use super::log_state::OffsetAndEpoch;
use crate::model::{BrokerId, LeaderEpoch, Offset, Timestamp};

/// Takes in the committed log and changes of leadership.
///
/// Called on the quorum's own thread, one event after the other: it must not block, or elections
/// and commits wait for it.
pub trait RaftListener: Send {
    /// Something was committed, or the leadership changed.
    fn on_event(&mut self, event: RaftEvent);
}

/// An event for the state machine. Each committed batch comes exactly once in a run of the
/// process, in the order of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RaftEvent {
    /// Forget all state and start from this snapshot; at most one at start, before all batches.
    LoadSnapshot {
        /// The position of the log that it stands for; the batches from there on follow.
        id: OffsetAndEpoch,
        /// When the last batch that it covers was appended.
        last_contained_log_timestamp: Timestamp,
        /// The values of its records, batch by batch.
        batches: Vec<Vec<Bytes>>,
    },
    /// The next batch of the log is committed.
    Committed(CommittedBatch),
    /// This node leads, and every batch of earlier epochs was delivered: append from now on. What
    /// is appended gets offsets from `start_offset + 1` on.
    BecameLeader {
        /// The epoch to append in.
        epoch: LeaderEpoch,
        /// The offset of the epoch's first batch, a control batch.
        start_offset: Offset,
    },
    /// This node leads no more. What it appended and did not see committed may come yet, or never.
    Resigned {
        /// The epoch that it led.
        epoch: LeaderEpoch,
    },
    /// Another leader, or none yet, in a new epoch. Also said of this node, when it is elected.
    LeaderChanged {
        /// The leader, if it is known.
        leader: Option<BrokerId>,
        /// The epoch.
        epoch: LeaderEpoch,
    },
    /// The quorum has stopped for good: the disk failed, or going on would lose data. The text
    /// says what happened and what to do.
    Failed(String),
}

/// A committed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedBatch {
    /// The offset of its first record.
    pub base_offset: Offset,
    /// The offset of its last record.
    pub last_offset: Offset,
    /// The epoch of the leader that wrote it.
    pub epoch: LeaderEpoch,
    /// When that leader appended it, by its clock.
    pub append_time: Timestamp,
    /// The values of its records; none in a control batch, which only moves the offset on.
    pub records: Vec<Bytes>,
}

impl CommittedBatch {
    /// The position of the log after it: what a snapshot that covers it is named after.
    pub fn end(&self) -> OffsetAndEpoch {
        OffsetAndEpoch {
            offset: self.last_offset + 1,
            epoch: self.epoch,
        }
    }

    pub(super) fn size(&self) -> usize {
        self.records.iter().map(Bytes::len).sum()
    }
}
