//! What the quorum knows of its log: where it begins and ends, what is durable, which epochs and
//! snapshots it holds. The bytes are the driver's.
//!
//! Invariant: `start_offset <= flushed_offset <= end_offset`, and epochs and their start offsets
//! both ascend. Answers about diverging logs come only from here (KIP-595, KIP-101).

use std::cmp::Ordering;
use std::fmt;

use crate::model::{LeaderEpoch, Offset};
pub use crate::storage::leader_epochs::EpochStart;

/// A position between batches of the log: the offset of the next record, and the epoch of the last.
///
/// It names a snapshot by what that holds, and compares logs: the higher epoch wins, then the longer log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OffsetAndEpoch {
    /// The offset after the last record.
    pub offset: Offset,
    /// The epoch of the last record.
    pub epoch: LeaderEpoch,
}

impl OffsetAndEpoch {
    /// Names the bootstrap snapshot, which is not part of the log's history.
    pub const BOOTSTRAP: Self = Self::new(0, 0);

    /// The position after the record at `offset - 1`, which was written in `epoch`.
    pub const fn new(offset: i64, epoch: i32) -> Self {
        Self {
            offset: Offset(offset),
            epoch: LeaderEpoch(epoch),
        }
    }
}

impl Ord for OffsetAndEpoch {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.epoch, self.offset).cmp(&(other.epoch, other.offset))
    }
}

impl PartialOrd for OffsetAndEpoch {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for OffsetAndEpoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "offset {} of epoch {}", self.offset, self.epoch)
    }
}

/// How a replica's log relates to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is a prefix of ours: the replica can go on from its end.
    Valid,
    /// It differs from ours: the two logs may agree up to this position, no further.
    Diverging(OffsetAndEpoch),
    /// It ends before ours begins: the replica must fetch this snapshot.
    Snapshot(OffsetAndEpoch),
}

/// Where the log begins and ends, and its epochs and snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    start_offset: Offset,
    end_offset: Offset,
    flushed_offset: Offset,
    epochs: Vec<EpochStart>,
    snapshots: Vec<OffsetAndEpoch>,
}

impl LogState {
    /// The state of a log that was opened. All of it counts as durable, because opening syncs what it
    /// keeps.
    pub fn recovered(
        start_offset: Offset,
        end_offset: Offset,
        epochs: Vec<EpochStart>,
        mut snapshots: Vec<OffsetAndEpoch>,
    ) -> Self {
        assert!(
            start_offset <= end_offset,
            "a log ends where it begins or after"
        );
        let ascend = |pair: &[EpochStart]| {
            pair[0].epoch < pair[1].epoch && pair[0].start_offset <= pair[1].start_offset
        };
        assert!(epochs.windows(2).all(ascend), "epochs ascend with the log");
        // The oldest snapshot stands for everything below the start.
        snapshots.retain(|id| id.offset >= start_offset);
        snapshots.sort_unstable();
        Self {
            start_offset,
            end_offset,
            flushed_offset: end_offset,
            epochs,
            snapshots,
        }
    }

    /// The first offset that is kept.
    pub fn start_offset(&self) -> Offset {
        self.start_offset
    }

    /// The offset of the next record.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// The offset below which everything is on disk and synced.
    pub fn flushed_offset(&self) -> Offset {
        self.flushed_offset
    }

    /// The newest snapshot.
    pub fn latest_snapshot(&self) -> Option<OffsetAndEpoch> {
        self.snapshots.last().copied()
    }

    /// The oldest snapshot that is kept.
    pub fn earliest_snapshot(&self) -> Option<OffsetAndEpoch> {
        self.snapshots.first().copied()
    }

    /// The epoch of the last record, or of the snapshot in its place; 0 when there is nothing.
    pub fn last_epoch(&self) -> LeaderEpoch {
        let last = self.epochs.last().map(|entry| entry.epoch);
        last.or_else(|| self.latest_snapshot().map(|id| id.epoch))
            .unwrap_or(LeaderEpoch(0))
    }

    /// The end of the log with its last epoch: what elections compare.
    pub fn end(&self) -> OffsetAndEpoch {
        OffsetAndEpoch {
            offset: self.end_offset,
            epoch: self.last_epoch(),
        }
    }

    /// Whether a snapshot that lies beside the log stands for a part of it. If not, the snapshot's records
    /// are committed and the log's are not: the node fetched the snapshot, and stopped before it emptied
    /// the log to go on from there.
    pub fn has(&self, snapshot: OffsetAndEpoch) -> bool {
        if snapshot.offset > self.end_offset || snapshot.epoch > self.last_epoch() {
            return false;
        }
        let before = self.epochs.iter().rev();
        let mut before = before.skip_while(|entry| entry.start_offset >= snapshot.offset);
        let is_checked = snapshot.offset > self.start_offset;
        !is_checked
            || before
                .next()
                .is_none_or(|entry| entry.epoch == snapshot.epoch)
    }

    /// The largest epoch that is not above `epoch`, and the offset at which the log leaves that epoch.
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> OffsetAndEpoch {
        if epoch == self.last_epoch() {
            return self.end();
        }
        let next = self.epochs.partition_point(|entry| entry.epoch <= epoch);
        let Some(higher) = self.epochs.get(next) else {
            return self.end();
        };
        let floor = next.checked_sub(1).map_or(epoch, |i| self.epochs[i].epoch);
        match self.earliest_snapshot() {
            Some(earliest) if higher.start_offset == earliest.offset && floor == epoch => earliest,
            _ => OffsetAndEpoch {
                offset: higher.start_offset,
                epoch: floor,
            },
        }
    }

    /// Whether a log whose last record is the one before `position` is a prefix of this one.
    pub fn validate(&self, position: OffsetAndEpoch) -> Validity {
        if self.start_offset == Offset::ZERO && position == OffsetAndEpoch::BOOTSTRAP {
            return Validity::Valid;
        }
        if let (Some(earliest), Some(latest)) = (self.earliest_snapshot(), self.latest_snapshot()) {
            let before_start = position.offset < self.start_offset;
            let other_start =
                position.offset == self.start_offset && position.epoch != earliest.epoch;
            if before_start || other_start || position.epoch < earliest.epoch {
                return Validity::Snapshot(latest);
            }
        }
        let ours = self.end_offset_for_epoch(position.epoch);
        if ours.epoch != position.epoch || ours.offset < position.offset {
            Validity::Diverging(ours)
        } else {
            Validity::Valid
        }
    }

    /// How much of the log to keep when the leader's log ends at `leader_end` in that epoch.
    pub fn truncation_for(&self, leader_end: OffsetAndEpoch) -> Offset {
        if leader_end.epoch == LeaderEpoch(0) {
            return leader_end.offset.min(self.end_offset);
        }
        let ours = self.end_offset_for_epoch(leader_end.epoch);
        if ours.epoch == leader_end.epoch {
            ours.offset.min(leader_end.offset)
        } else {
            ours.offset
        }
    }

    /// Notes a batch that was written at the end.
    pub(super) fn append(&mut self, last_offset: Offset, epoch: LeaderEpoch) {
        assert!(
            last_offset >= self.end_offset,
            "a batch is written at the end of the log"
        );
        assert!(
            epoch >= self.last_epoch(),
            "epochs of the log never go back"
        );
        if self.epochs.last().is_none_or(|entry| entry.epoch < epoch) {
            self.epochs.push(EpochStart {
                epoch,
                start_offset: self.end_offset,
            });
        }
        self.end_offset = last_offset + 1;
    }

    /// Notes that everything below `offset` is durable.
    pub(super) fn flush(&mut self, offset: Offset) {
        assert!(
            offset <= self.end_offset,
            "only what was written can be flushed"
        );
        self.flushed_offset = self.flushed_offset.max(offset);
    }

    /// Notes that everything at and above `offset` was removed.
    pub(super) fn truncate(&mut self, offset: Offset) {
        assert!(
            offset >= self.start_offset,
            "a log is not truncated below its start"
        );
        self.end_offset = self.end_offset.min(offset);
        self.flushed_offset = self.flushed_offset.min(offset);
        self.epochs.retain(|entry| entry.start_offset < offset);
    }

    /// Notes that a snapshot was written.
    pub(super) fn add_snapshot(&mut self, id: OffsetAndEpoch) {
        if let Err(place) = self.snapshots.binary_search(&id) {
            self.snapshots.insert(place, id);
        }
    }

    /// Notes that the log now begins at this snapshot, and older snapshots are gone.
    pub(super) fn start_at_snapshot(&mut self, id: OffsetAndEpoch) {
        assert!(
            id.offset <= self.end_offset,
            "a log starts at a snapshot that it covers"
        );
        self.start_offset = self.start_offset.max(id.offset);
        self.snapshots.retain(|snapshot| *snapshot >= id);
        let dead = self
            .epochs
            .partition_point(|entry| entry.start_offset <= id.offset);
        if let Some(floor) = dead.checked_sub(1) {
            self.epochs.drain(..floor);
            self.epochs[0].start_offset = self.epochs[0].start_offset.max(id.offset);
        }
    }

    /// Notes that the log was emptied to go on from this snapshot.
    pub(super) fn restart_at_snapshot(&mut self, id: OffsetAndEpoch) {
        self.epochs.clear();
        self.snapshots.retain(|snapshot| *snapshot > id);
        self.add_snapshot(id);
        (self.start_offset, self.end_offset, self.flushed_offset) =
            (id.offset, id.offset, id.offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(entries: &[(i32, i64)]) -> Vec<EpochStart> {
        let start = |(epoch, offset): &(i32, i64)| EpochStart {
            epoch: LeaderEpoch(*epoch),
            start_offset: Offset(*offset),
        };
        entries.iter().map(start).collect()
    }

    /// Offsets 0-9 of epoch 1, 10-19 of epoch 3, 20-29 of epoch 4.
    fn whole() -> LogState {
        let epochs = starts(&[(1, 0), (3, 10), (4, 20)]);
        LogState::recovered(Offset(0), Offset(30), epochs, Vec::new())
    }

    /// The same after a snapshot at offset 15, where it begins.
    fn cut() -> LogState {
        let mut log = whole();
        log.add_snapshot(OffsetAndEpoch::new(15, 3));
        log.start_at_snapshot(OffsetAndEpoch::new(15, 3));
        log
    }

    #[test]
    fn a_prefix_is_valid_and_what_parted_goes_back_to_the_common_epoch() {
        let at = OffsetAndEpoch::new;
        for (position, expected) in [
            (at(0, 0), Validity::Valid),
            (at(30, 4), Validity::Valid),
            (at(10, 1), Validity::Valid),
            (at(11, 1), Validity::Diverging(at(10, 1))),
            (at(12, 2), Validity::Diverging(at(10, 1))),
            (at(25, 3), Validity::Diverging(at(20, 3))),
            (at(31, 4), Validity::Diverging(at(30, 4))),
            (at(30, 5), Validity::Diverging(at(30, 4))),
        ] {
            assert_eq!(whole().validate(position), expected, "{position}");
        }
    }

    #[test]
    fn a_log_that_ends_before_ours_begins_needs_the_snapshot() {
        let at = OffsetAndEpoch::new;
        let snapshot = Validity::Snapshot(at(15, 3));
        for (position, expected) in [
            (at(0, 0), snapshot),
            (at(14, 3), snapshot),
            (at(15, 2), snapshot),
            (at(17, 2), snapshot),
            (at(15, 3), Validity::Valid),
            (at(18, 3), Validity::Valid),
            (at(21, 3), Validity::Diverging(at(20, 3))),
        ] {
            assert_eq!(cut().validate(position), expected, "{position}");
        }
    }

    #[test]
    fn snapshots_below_the_start_are_of_no_use() {
        let snapshots = vec![OffsetAndEpoch::new(20, 3), OffsetAndEpoch::new(15, 3)];
        let log = LogState::recovered(Offset(20), Offset(20), Vec::new(), snapshots);

        assert_eq!(log.earliest_snapshot(), Some(OffsetAndEpoch::new(20, 3)));
        assert_eq!(log.validate(OffsetAndEpoch::new(20, 3)), Validity::Valid);
    }

    #[test]
    fn a_snapshot_of_another_history_stands_for_no_part_of_the_log() {
        let at = OffsetAndEpoch::new;
        for (snapshot, expected) in [
            (at(10, 1), true),
            (at(15, 3), true),
            (at(20, 3), true),
            (at(30, 4), true),
            (at(31, 4), false),
            (at(30, 5), false),
            (at(15, 1), false),
            (at(25, 3), false),
            (at(20, 4), false),
        ] {
            assert_eq!(whole().has(snapshot), expected, "{snapshot}");
        }
        assert!(cut().has(at(15, 3)) && cut().has(at(20, 3)) && !cut().has(at(20, 4)));
    }

    #[test]
    fn truncation_keeps_what_both_logs_have() {
        let at = OffsetAndEpoch::new;
        for (leader_end, keep) in [
            (at(25, 4), 25),
            (at(15, 3), 15),
            (at(12, 2), 10),
            (at(99, 4), 30),
        ] {
            assert_eq!(
                whole().truncation_for(leader_end),
                Offset(keep),
                "{leader_end}"
            );
        }

        let mut log = whole();
        log.truncate(Offset(20));
        assert_eq!(log.end(), at(20, 3));
        log.truncate(Offset(0));
        assert_eq!(log.end(), at(0, 0));
    }

    #[test]
    fn a_log_that_was_emptied_for_a_snapshot_has_its_epoch() {
        let mut log = whole();

        log.restart_at_snapshot(OffsetAndEpoch::new(50, 7));

        assert_eq!(log.end(), OffsetAndEpoch::new(50, 7));
        assert_eq!(log.start_offset(), Offset(50));
        log.append(Offset(52), LeaderEpoch(7));
        assert_eq!(log.validate(OffsetAndEpoch::new(50, 7)), Validity::Valid);
    }
}
