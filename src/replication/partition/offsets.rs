//! Answers questions about offsets: ListOffsets, OffsetForLeaderEpoch, DescribeProducers.

use super::{Partition, Role};
use crate::model::{BrokerId, LeaderEpoch, Offset, ProducerId, Timestamp};
use crate::records::Scratch;
use crate::replication::delayed::Interest;
use crate::replication::error::ReplicaError;
use crate::storage::leader_epochs::EpochEnd;
use crate::storage::log::LogView;
use crate::storage::producer_state::ProducerEntry;

/// Asks for the end of what the reader may see.
const LATEST: i64 = -1;
/// Asks for the log start.
const EARLIEST: i64 = -2;
/// Asks for the record with the largest timestamp.
const MAX_TIMESTAMP: i64 = -3;
/// Asks for the start of what is on local disk: without tiering, the log start.
const EARLIEST_LOCAL: i64 = -4;
/// Asks for the end of what is in tiered storage: there is none.
const LATEST_TIERED: i64 = -5;
/// Asks for the start of what has yet to be tiered: nothing has.
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// A ListOffsets question for one partition.
#[derive(Clone, Copy, Debug)]
pub struct OffsetQuery {
    /// A time, or one of Kafka's numbers for special offsets.
    pub timestamp: i64,
    /// Up to where the caller may see; `None` for a broker, which sees everything.
    pub isolation: Option<Interest>,
    /// The leader epoch the caller believes in.
    pub current_leader_epoch: LeaderEpoch,
    /// Whether only the leader may answer.
    pub only_leader: bool,
}

/// The answer. All fields are "none" if there is no such record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedOffset {
    /// The record's timestamp; none for the special offsets.
    pub timestamp: Timestamp,
    /// The record's offset, or the special one.
    pub offset: Offset,
    /// The leader epoch of the record.
    pub leader_epoch: LeaderEpoch,
}

impl ListedOffset {
    const NONE: Self = Self {
        timestamp: Timestamp::NONE,
        offset: Offset::NONE,
        leader_epoch: LeaderEpoch::NONE,
    };
}

/// An offset that is known, or a search for it.
#[derive(Debug)]
pub enum OffsetSearch {
    /// The answer is known.
    Known(ListedOffset),
    /// The log must be searched, on a thread that may block.
    Search(TimestampSearch),
}

/// A search in the log for a record by its time.
#[derive(Debug)]
pub struct TimestampSearch {
    view: LogView,
    /// The time to search for; `None` for the largest.
    timestamp: Option<Timestamp>,
    /// The reader may not see records from here on.
    up_to: Offset,
    /// Whether the leader does not know yet what is committed: a record above `up_to` then has no answer.
    is_lagging: bool,
}

impl TimestampSearch {
    /// Searches. It reads and decompresses at most one batch.
    pub fn run(self, scratch: &mut Scratch) -> Result<ListedOffset, ReplicaError> {
        let found = match self.timestamp {
            Some(timestamp) => self.view.offset_for_timestamp(timestamp, scratch)?,
            None => self.view.max_timestamp(scratch)?,
        };
        match found {
            Some(found) if found.offset < self.up_to => Ok(ListedOffset {
                timestamp: found.timestamp,
                offset: found.offset,
                leader_epoch: found.leader_epoch,
            }),
            Some(_) if self.is_lagging => Err(ReplicaError::OffsetNotAvailable),
            _ => Ok(ListedOffset::NONE),
        }
    }
}

/// The replicas of a partition, as its leader knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replicas {
    /// The replicas in sync, as the controller says.
    pub isr: Vec<BrokerId>,
    /// How many replicas there are.
    pub count: usize,
    /// How many must be in sync.
    pub min_in_sync: usize,
}

impl Partition {
    /// Answers a ListOffsets question, or prepares the search for it.
    pub fn list_offset(&self, query: &OffsetQuery) -> Result<OffsetSearch, ReplicaError> {
        let state = self.state.lock();
        state.check_reader(query.current_leader_epoch, query.only_leader)?;
        let up_to = match query.isolation {
            None | Some(Interest::LogEnd) => state.log.end_offset(),
            Some(Interest::HighWatermark) => state.high_watermark,
            Some(Interest::LastStable) => state.last_stable_offset,
        };
        let epoch_start = match &state.role {
            Role::Leader(leadership) => leadership.start_offset(),
            Role::Follower | Role::Stopped(_) => Offset::ZERO,
        };
        // A new leader does not know how far its predecessor had committed, until its own epoch has a
        // commit (KIP-207).
        let is_lagging = query.isolation.is_some() && epoch_start > state.high_watermark;
        let known = |offset, leader_epoch| {
            Ok(OffsetSearch::Known(ListedOffset {
                timestamp: Timestamp::NONE,
                offset,
                leader_epoch,
            }))
        };
        let timestamp = match query.timestamp {
            LATEST if is_lagging => return Err(ReplicaError::OffsetNotAvailable),
            LATEST => return known(up_to, state.leader_epoch),
            EARLIEST | EARLIEST_LOCAL => {
                let start = state.log.log_start_offset();
                let first = state.log.epochs().earliest();
                // Below the first epoch there are only batches of old formats, which have none.
                let epoch = first.filter(|first| first.start_offset <= start);
                return known(start, epoch.map_or(LeaderEpoch::NONE, |first| first.epoch));
            }
            LATEST_TIERED | EARLIEST_PENDING_UPLOAD => {
                return Ok(OffsetSearch::Known(ListedOffset::NONE));
            }
            MAX_TIMESTAMP => None,
            other => Some(Timestamp(other)),
        };
        Ok(OffsetSearch::Search(TimestampSearch {
            view: state.log.view(),
            timestamp,
            up_to,
            is_lagging,
        }))
    }

    /// Where a leader epoch ends in this log; `None` if it is unknown.
    pub fn offset_for_leader_epoch(
        &self,
        asked: LeaderEpoch,
        current_leader_epoch: LeaderEpoch,
        only_leader: bool,
    ) -> Result<Option<EpochEnd>, ReplicaError> {
        let state = self.state.lock();
        state.check_reader(current_leader_epoch, only_leader)?;
        Ok(state.log.end_offset_for_epoch(asked))
    }

    /// The producers that the partition remembers, by ascending id.
    pub fn producers(&self) -> Result<Vec<(ProducerId, ProducerEntry)>, ReplicaError> {
        let state = self.state.lock();
        state.check_running()?;
        let entries = state.log.producers().entries();
        Ok(entries
            .into_iter()
            .map(|(id, entry)| (id, entry.clone()))
            .collect())
    }

    /// Whether the log knows nothing of a producer, so that its first batch may have any sequence number.
    pub fn takes_any_sequence_of(&self, producer: ProducerId) -> bool {
        self.state.lock().log.producers().get(producer).is_none()
    }

    /// A view of the log at this moment, for maintenance and descriptions.
    pub fn view(&self) -> Result<LogView, ReplicaError> {
        let state = self.state.lock();
        state.check_running()?;
        Ok(state.log.view())
    }

    /// The size of the log in bytes; 0 once the partition was stopped.
    pub fn size(&self) -> u64 {
        let state = self.state.lock();
        state.check_running().map_or(0, |()| state.log.size())
    }

    /// What the leader knows of the replicas; `None` on a follower.
    pub fn replicas(&self) -> Option<Replicas> {
        let state = self.state.lock();
        let leadership = state.leadership().ok()?;
        let count = leadership.replica_count();
        let configured = state.config.min_insync_replicas;
        Some(Replicas {
            isr: leadership.isr().to_vec(),
            count,
            min_in_sync: super::effective_min_in_sync(configured, count),
        })
    }
}
