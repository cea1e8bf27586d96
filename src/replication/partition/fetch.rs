//! Reads a partition for a Fetch: checked and located under the lock, read outside it.

use std::time::Duration;

use parking_lot::MutexGuard;

use super::{LOCK_PATIENCE, Partition, Role, State};
use crate::model::{BrokerId, LeaderEpoch, Offset};
use crate::protocol::payload::Payload;
use crate::replication::delayed::Interest;
use crate::replication::error::ReplicaError;
use crate::replication::fetch_session::PartitionRequest;
use crate::storage::disk::Borrower;
use crate::storage::error::StorageError;
use crate::storage::leader_epochs::EpochEnd;
use crate::storage::log::{OffsetOutOfRange, ReadPlan};
use crate::storage::transaction_index::AbortedTransaction;

/// How long a reader waits for the partition's lock, on a disk that does not count as slow.
const READ_PATIENCE: Duration = Duration::from_millis(100);

/// Who reads, and what it may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader<'a> {
    /// Up to where the reader may see the partition.
    pub interest: Interest,
    /// Whether only the leader may answer: a follower asks, or a client that does not know of other
    /// replicas.
    pub only_leader: bool,
    /// The follower, if a follower reads.
    pub follower: Option<BrokerId>,
    /// The brokers whose replicas a consumer had better read.
    pub near: &'a [BrokerId],
}

impl Reader<'_> {
    fn borrower(&self) -> Borrower {
        match self.follower {
            Some(_) => Borrower::Replica,
            None => Borrower::Client,
        }
    }
}

/// A partition's offsets, and what there is to read.
#[derive(Debug)]
pub struct FetchPlan {
    /// The high watermark.
    pub high_watermark: Offset,
    /// The last stable offset.
    pub last_stable_offset: Offset,
    /// The log start offset.
    pub log_start_offset: Offset,
    /// The log end offset.
    pub end_offset: Offset,
    /// Where the reader's log and this one may have parted, if they have: there is nothing to read then.
    pub diverging: Option<EpochEnd>,
    /// Whether the reader must be told of aborted transactions.
    is_committed_only: bool,
    borrower: Borrower,
    fetch_offset: Offset,
    read: Option<ReadPlan>,
    /// The leader epoch in which the Fetch was checked; `None` if the partition could not be looked at:
    /// then nothing that it says counts.
    pub checked_in: Option<LeaderEpoch>,
    /// The replica that the reader had better read: there is nothing to read here then.
    pub preferred: Option<BrokerId>,
    /// Whether a follower reads that is throttled: one that is not in sync.
    pub is_throttled: bool,
}

/// The outcome of a read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchedRecords {
    /// The records.
    pub payload: Payload,
    /// For readers of committed data: the aborted transactions in the records.
    pub aborted: Option<Vec<AbortedTransaction>>,
}

impl Partition {
    /// Checks a Fetch and plans its read, without I/O.
    pub fn plan_fetch(
        &self,
        request: &PartitionRequest,
        reader: Reader<'_>,
    ) -> Result<FetchPlan, ReplicaError> {
        let Some(state) = self.lock_to_read(reader.follower.is_some()) else {
            return Ok(self.nothing_yet(request, reader));
        };
        state.check_reader(request.current_leader_epoch, reader.only_leader)?;
        if let Some(follower) = reader.follower {
            state.check_follower(follower, request.current_leader_epoch)?;
        }
        let mut plan = FetchPlan {
            high_watermark: state.high_watermark,
            last_stable_offset: state.last_stable_offset,
            log_start_offset: state.log.log_start_offset(),
            end_offset: state.log.end_offset(),
            diverging: None,
            is_committed_only: reader.interest == Interest::LastStable,
            borrower: reader.borrower(),
            fetch_offset: request.fetch_offset,
            read: None,
            checked_in: Some(state.leader_epoch),
            preferred: state.preferred(reader.near, request.fetch_offset),
            is_throttled: reader.follower.is_some_and(|id| self.throttles(&state, id)),
        };
        if request.last_fetched_epoch != LeaderEpoch::NONE {
            plan.diverging = state.divergence(request)?;
        }
        // A follower whose log differs cuts it before it reads on.
        if plan.diverging.is_none() && plan.preferred.is_none() {
            let up_to = match reader.interest {
                Interest::LogEnd => plan.end_offset,
                Interest::HighWatermark => plan.high_watermark,
                Interest::LastStable => plan.last_stable_offset,
            };
            plan.read = Some(state.log.locate(request.fetch_offset, up_to)?);
        }
        Ok(plan)
    }

    /// The lock; `None` if an append that hangs in the disk holds it. That append wakes those who wait. A
    /// follower is asked to come again, so nothing is lost by waiting less for it: others of its partitions
    /// are in the same request.
    pub(super) fn lock_to_read(&self, is_follower: bool) -> Option<MutexGuard<'_, State>> {
        match (self.dir.load().is_slow(), is_follower) {
            (true, _) => self.state.try_lock(),
            (_, true) => self.state.try_lock_for(LOCK_PATIENCE),
            _ => self.state.try_lock_for(READ_PATIENCE),
        }
    }

    /// A plan to read nothing, as if nothing were new.
    fn nothing_yet(&self, request: &PartitionRequest, reader: Reader<'_>) -> FetchPlan {
        FetchPlan {
            high_watermark: self.high_watermark(),
            last_stable_offset: self.high_watermark(),
            log_start_offset: self.log_start_offset(),
            end_offset: self.end_offset(),
            diverging: None,
            is_committed_only: reader.interest == Interest::LastStable,
            borrower: reader.borrower(),
            fetch_offset: request.fetch_offset,
            read: None,
            checked_in: None,
            preferred: None,
            is_throttled: false,
        }
    }

    /// Whether this leader throttles a follower.
    fn throttles(&self, state: &State, follower: BrokerId) -> bool {
        let Role::Leader(leadership) = &state.role else {
            return false;
        };
        state.config.throttled_as_leader.has(self.id.partition)
            && !leadership.isr().contains(&follower)
    }
}

impl State {
    /// Checks that a reader may read here which knows of the leader epoch `epoch`.
    pub(super) fn check_reader(
        &self,
        epoch: LeaderEpoch,
        only_leader: bool,
    ) -> Result<(), ReplicaError> {
        self.check_running()?;
        self.check_epoch(epoch)?;
        if only_leader && !matches!(self.role, Role::Leader(_)) {
            return Err(ReplicaError::NotLeader);
        }
        Ok(())
    }

    /// The replica on one of these brokers that a consumer at `offset` had better read: one in sync that has
    /// the offset, of several the one that has the most, and had it last.
    fn preferred(&self, near: &[BrokerId], offset: Offset) -> Option<BrokerId> {
        let Role::Leader(leadership) = &self.role else {
            return None;
        };
        if near.is_empty() {
            return None;
        }
        let followers = leadership.followers().iter().filter(|it| {
            near.contains(&it.id)
                && leadership.isr().contains(&it.id)
                && (it.log_start_offset..=it.end_offset).contains(&offset)
        });
        let best = followers.max_by_key(|it| (it.end_offset, it.caught_up_at));
        best.map(|follower| follower.id)
    }

    /// Checks that the leader knows `follower` as a replica. A follower that states an epoch may know of a
    /// reassignment that has not arrived here yet: it is told to ask again.
    fn check_follower(&self, follower: BrokerId, epoch: LeaderEpoch) -> Result<(), ReplicaError> {
        let is_known = match &self.role {
            Role::Leader(leadership) => leadership.followers().iter().any(|it| it.id == follower),
            // Readers that want only the leader were refused before.
            Role::Follower | Role::Stopped(_) => true,
        };
        if is_known {
            return Ok(());
        }
        Err(match epoch {
            LeaderEpoch::NONE => ReplicaError::NotLeader,
            asked => ReplicaError::UnknownLeaderEpoch {
                asked,
                current: self.leader_epoch,
            },
        })
    }

    /// Where the reader's log and this one part, if they do. The epoch of the reader's last record shows
    /// it.
    fn divergence(&self, request: &PartitionRequest) -> Result<Option<EpochEnd>, ReplicaError> {
        let asked = request.last_fetched_epoch;
        let unknown = ReplicaError::UnknownLastEpoch(asked);
        let end = self.log.end_offset_for_epoch(asked).ok_or(unknown)?;
        let log_start_offset = self.log.log_start_offset();
        if request.fetch_offset < log_start_offset {
            return Err(ReplicaError::OffsetOutOfRange(OffsetOutOfRange {
                offset: request.fetch_offset,
                log_start_offset,
                end_offset: self.log.end_offset(),
            }));
        }
        let diverges = end.epoch < asked || end.end_offset < request.fetch_offset;
        Ok(diverges.then_some(end))
    }
}

impl FetchPlan {
    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.read.as_ref().is_none_or(ReadPlan::is_empty)
    }

    /// Whether an answer may have what there is to read: else too many files are lent to others.
    pub fn may_lend(&self) -> bool {
        let read = self.read.as_ref();
        read.is_none_or(|read| read.may_lend(self.borrower))
    }

    /// Reads. The batches stay in their file until they are sent; finding their place may need I/O. If a
    /// segment was deleted meanwhile, the Fetch must be planned again.
    pub fn read(&self, max_bytes: u32, at_least_one: bool) -> Result<FetchedRecords, StorageError> {
        let mut fetched = FetchedRecords {
            payload: Payload::EMPTY,
            aborted: self.is_committed_only.then(Vec::new),
        };
        let Some(read) = self.read.as_ref().filter(|read| !read.is_empty()) else {
            return Ok(fetched);
        };
        let outcome = read.read(max_bytes, at_least_one)?;
        if self.is_committed_only && !outcome.payload.is_empty() {
            let view = read.view();
            let aborted = view.aborted_transactions(self.fetch_offset, outcome.up_to)?;
            fetched.aborted = Some(aborted);
        }
        fetched.payload = outcome.payload;
        Ok(fetched)
    }
}
