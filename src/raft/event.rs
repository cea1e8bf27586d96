//! What the quorum tells its state machine: the committed log in order, and who leads.

use bytes::Bytes;

use super::log_state::OffsetAndEpoch;
use crate::model::{BrokerId, LeaderEpoch, Offset, Timestamp};

/// Takes in the committed log and changes of leadership.
///
/// Events come on the quorum's own thread, one after the other. The listener must not block: elections and
/// commits would wait for it.
pub trait RaftListener: Send {
    /// Something was committed, or the leadership changed.
    fn on_event(&mut self, event: RaftEvent);
}

/// An event for the state machine. Each committed batch comes exactly once in a run of the
/// process, in the order of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RaftEvent {
    /// Forget all state and start from this snapshot. It comes at most once, at the start, before all
    /// batches.
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
    /// This node leads, and every batch of earlier epochs was delivered: it may append from now on. What it
    /// appends gets offsets from `start_offset + 1` on.
    BecameLeader {
        /// The epoch to append in.
        epoch: LeaderEpoch,
        /// The offset of the epoch's first batch, a control batch.
        start_offset: Offset,
    },
    /// This node leads no more. What it appended and did not see committed may yet be committed, or never.
    Resigned {
        /// The epoch that it led.
        epoch: LeaderEpoch,
    },
    /// A new epoch has another leader, or none yet. It is told of this node as well, when it is elected.
    LeaderChanged {
        /// The leader, if it is known.
        leader: Option<BrokerId>,
        /// The new epoch.
        epoch: LeaderEpoch,
    },
    /// The quorum has stopped for good: the disk failed, or going on would lose data. The text
    /// says what happened and what to do.
    Failed(String),
}

/// A committed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedBatch {
    /// The offset of the batch's first record.
    pub base_offset: Offset,
    /// The offset of the batch's last record.
    pub last_offset: Offset,
    /// The epoch of the leader that wrote the batch.
    pub epoch: LeaderEpoch,
    /// When that leader appended it, by its clock.
    pub append_time: Timestamp,
    /// The values of the batch's records. A control batch has none: it only moves the offset on.
    pub records: Vec<Bytes>,
}

impl CommittedBatch {
    /// The position of the log after the batch: the name of a snapshot that ends with it.
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
