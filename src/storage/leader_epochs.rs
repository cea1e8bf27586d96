//! Which leader epoch wrote which offsets of a log: this history shows where two logs part.
//!
//! Epochs and start offsets both ascend strictly. After a crash the file `leader-epoch-checkpoint` may be
//! behind: batches carry their epoch, so recovery assigns again what is above the recovery point. Therefore
//! an assigned epoch must be saved before the recovery point passes it (KIP-101, KIP-279).

use std::fmt;
use std::path::Path;

use super::checkpoint::{self, StateFileError};
use super::disk::Disk;
use crate::model::{LeaderEpoch, Offset};

/// The file's name in a partition folder.
pub const LEADER_EPOCH_FILE: &str = "leader-epoch-checkpoint";

/// An epoch and the offset of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch: 0 or above.
    pub epoch: LeaderEpoch,
    /// The offset of its first record: 0 or above.
    pub start_offset: Offset,
}

impl fmt::Display for EpochStart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.epoch, self.start_offset)
    }
}

/// An epoch and the offset after its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest known epoch that is not above the requested one.
    pub epoch: LeaderEpoch,
    /// The start of the next epoch, or the end of the log.
    pub end_offset: Offset,
}

/// The epochs of one log.
#[derive(Clone, Debug, Default)]
pub struct LeaderEpochs {
    entries: Vec<EpochStart>,
    unsaved: bool,
}

impl LeaderEpochs {
    /// Reads the file in `folder`; a missing file has no entries.
    pub fn load(disk: &dyn Disk, folder: &Path) -> Result<Self, StateFileError> {
        let path = folder.join(LEADER_EPOCH_FILE);
        let entries = checkpoint::read(disk, &path, parse_entry)?;
        let ascend = |pair: &[EpochStart]| {
            pair[0].epoch < pair[1].epoch && pair[0].start_offset < pair[1].start_offset
        };
        if !entries.windows(2).all(ascend) {
            return Err(StateFileError::damaged(
                &path,
                "its epochs or offsets do not ascend",
            ));
        }
        Ok(Self {
            entries,
            unsaved: false,
        })
    }

    /// Writes the file, durably, if anything changed since it was read or written.
    pub fn save(&mut self, disk: &dyn Disk, folder: &Path) -> Result<(), StateFileError> {
        if self.unsaved {
            checkpoint::write(disk, &folder.join(LEADER_EPOCH_FILE), self.entries.iter())?;
            self.unsaved = false;
        }
        Ok(())
    }

    /// As [`Self::save`], but not durable: the caller must sync the whole volume afterwards.
    pub fn save_unsynced(&mut self, disk: &dyn Disk, folder: &Path) -> Result<(), StateFileError> {
        if self.unsaved {
            let path = folder.join(LEADER_EPOCH_FILE);
            checkpoint::write_unsynced(disk, &path, self.entries.iter())?;
            self.unsaved = false;
        }
        Ok(())
    }

    /// All epochs, ascending.
    pub fn entries(&self) -> &[EpochStart] {
        &self.entries
    }

    /// The newest epoch.
    pub fn latest(&self) -> Option<EpochStart> {
        self.entries.last().copied()
    }

    /// The oldest epoch that has records left.
    pub fn earliest(&self) -> Option<EpochStart> {
        self.entries.first().copied()
    }

    /// The epoch of the record at `offset`, assuming it is below the end of the log.
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self
            .entries
            .partition_point(|entry| entry.start_offset <= offset);
        after.checked_sub(1).map(|index| self.entries[index].epoch)
    }

    /// Notes that `epoch` begins at `start_offset`, before or right after its first batch is appended.
    ///
    /// An epoch that is the newest already keeps its start, unless the new one is lower. Entries that
    /// contradict the new one are dropped: the log was truncated below them.
    pub fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) {
        assert!(epoch.0 >= 0, "an epoch that writes is known");
        assert!(start_offset.0 >= 0, "an epoch starts at an offset");
        let entry = EpochStart {
            epoch,
            start_offset,
        };
        let known =
            |latest: EpochStart| latest.epoch == epoch && latest.start_offset <= start_offset;
        if self.latest().is_some_and(known) {
            return;
        }
        let keep = self
            .entries
            .partition_point(|it| it.epoch < epoch && it.start_offset < start_offset);
        self.entries.truncate(keep);
        self.entries.push(entry);
        self.unsaved = true;
    }

    /// The end of `requested`, or of the largest known epoch below it. `None` if the epoch is unknown, or
    /// newer than all known ones.
    ///
    /// An epoch older than all known ones is answered with itself and the start of the first known epoch:
    /// its records are deleted, and a follower must truncate to what is left.
    pub fn end_offset_for(
        &self,
        requested: LeaderEpoch,
        log_end_offset: Offset,
    ) -> Option<EpochEnd> {
        let latest = self.latest().filter(|_| requested != LeaderEpoch::NONE)?;
        if requested == latest.epoch {
            return Some(EpochEnd {
                epoch: requested,
                end_offset: log_end_offset,
            });
        }
        let above = self
            .entries
            .partition_point(|entry| entry.epoch <= requested);
        let next = self.entries.get(above)?;
        let epoch = match above.checked_sub(1) {
            Some(floor) => self.entries[floor].epoch,
            None => requested,
        };
        Some(EpochEnd {
            epoch,
            end_offset: next.start_offset,
        })
    }

    /// Forgets the epochs that begin at the new end of the log or later.
    pub fn truncate_from_end(&mut self, end_offset: Offset) {
        let keep = self
            .entries
            .partition_point(|entry| entry.start_offset < end_offset);
        if keep < self.entries.len() {
            self.entries.truncate(keep);
            self.unsaved = true;
        }
    }

    /// Forgets the epochs that ended before the new start of the log, and moves up the start of the epoch
    /// that this falls into.
    pub fn truncate_from_start(&mut self, start_offset: Offset) {
        let after = self
            .entries
            .partition_point(|entry| entry.start_offset <= start_offset);
        let Some(first) = after.checked_sub(1) else {
            return;
        };
        if first > 0 || self.entries[0].start_offset != start_offset {
            self.entries.drain(..first);
            self.entries[0].start_offset = start_offset;
            self.unsaved = true;
        }
    }

    /// Forgets all epochs.
    pub fn clear(&mut self) {
        self.unsaved |= !self.entries.is_empty();
        self.entries.clear();
    }
}

fn parse_entry(line: &str) -> Option<EpochStart> {
    let (epoch, start_offset) = line.split_once(' ')?;
    let entry = EpochStart {
        epoch: LeaderEpoch(epoch.parse().ok()?),
        start_offset: Offset(start_offset.trim().parse().ok()?),
    };
    (entry.epoch.0 >= 0 && entry.start_offset.0 >= 0).then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::disk::FileDisk;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::default();
        for &(epoch, start_offset) in entries {
            epochs.assign(LeaderEpoch(epoch), Offset(start_offset));
        }
        epochs
    }

    fn listed(epochs: &LeaderEpochs) -> Vec<(i32, i64)> {
        epochs
            .entries()
            .iter()
            .map(|it| (it.epoch.0, it.start_offset.0))
            .collect()
    }

    fn end(epochs: &LeaderEpochs, requested: i32) -> Option<(i32, i64)> {
        let end = epochs.end_offset_for(LeaderEpoch(requested), Offset(100))?;
        Some((end.epoch.0, end.end_offset.0))
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins_and_the_last_at_the_log_end() {
        let epochs = epochs(&[(2, 10), (3, 20), (7, 30)]);

        assert_eq!(end(&epochs, 2), Some((2, 20)));
        assert_eq!(end(&epochs, 3), Some((3, 30)));
        assert_eq!(end(&epochs, 5), Some((3, 30)));
        assert_eq!(end(&epochs, 7), Some((7, 100)));
    }

    #[test]
    fn an_epoch_older_than_the_log_ends_at_its_start() {
        assert_eq!(end(&epochs(&[(2, 10), (3, 20)]), 1), Some((1, 10)));
    }

    #[test]
    fn an_unknown_epoch_has_no_end() {
        assert_eq!(end(&epochs(&[(2, 10)]), 3), None);
        assert_eq!(end(&epochs(&[(2, 10)]), -1), None);
        assert_eq!(end(&epochs(&[]), 0), None);
    }

    #[test]
    fn an_assigned_epoch_keeps_its_start() {
        let mut epochs = epochs(&[(2, 10)]);
        epochs.assign(LeaderEpoch(2), Offset(15));

        assert_eq!(listed(&epochs), [(2, 10)]);
    }

    #[test]
    fn a_new_entry_drops_those_it_contradicts() {
        assert_eq!(
            listed(&epochs(&[(1, 0), (2, 10), (3, 20), (2, 15)])),
            [(1, 0), (2, 15)]
        );
        assert_eq!(
            listed(&epochs(&[(1, 0), (2, 10), (3, 10)])),
            [(1, 0), (3, 10)]
        );
        assert_eq!(listed(&epochs(&[(1, 5), (1, 3)])), [(1, 3)]);
        assert_eq!(listed(&epochs(&[(5, 9), (4, 0)])), [(4, 0)]);
    }

    #[test]
    fn truncating_the_end_forgets_the_epochs_that_begin_there() {
        let mut epochs = epochs(&[(1, 0), (2, 10), (3, 20)]);

        epochs.truncate_from_end(Offset(21));
        assert_eq!(listed(&epochs), [(1, 0), (2, 10), (3, 20)]);
        epochs.truncate_from_end(Offset(20));
        assert_eq!(listed(&epochs), [(1, 0), (2, 10)]);
        epochs.truncate_from_end(Offset(0));
        assert_eq!(listed(&epochs), []);
    }

    #[test]
    fn truncating_the_start_moves_up_the_epoch_it_falls_into() {
        let mut epochs = epochs(&[(1, 5), (2, 10), (3, 20)]);

        epochs.truncate_from_start(Offset(4));
        assert_eq!(listed(&epochs), [(1, 5), (2, 10), (3, 20)]);
        epochs.truncate_from_start(Offset(15));
        assert_eq!(listed(&epochs), [(2, 15), (3, 20)]);
        epochs.truncate_from_start(Offset(20));
        assert_eq!(listed(&epochs), [(3, 20)]);
    }

    #[test]
    fn the_epoch_of_an_offset_is_the_last_that_began() {
        let epochs = epochs(&[(1, 5), (2, 10)]);

        assert_eq!(epochs.epoch_of(Offset(4)), None);
        assert_eq!(epochs.epoch_of(Offset(9)), Some(LeaderEpoch(1)));
        assert_eq!(epochs.epoch_of(Offset(10)), Some(LeaderEpoch(2)));
    }

    #[test]
    fn the_file_is_kafkas_text_and_is_written_only_when_something_changed() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FileDisk::new(4);
        let path = dir.path().join(LEADER_EPOCH_FILE);
        let mut epochs = epochs(&[(1, 0), (4, 12)]);

        epochs.save(&disk, dir.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n2\n1 0\n4 12\n");
        let mut again = LeaderEpochs::load(&disk, dir.path()).unwrap();
        assert_eq!(listed(&again), [(1, 0), (4, 12)]);

        std::fs::remove_file(&path).unwrap();
        again.save(&disk, dir.path()).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_file_whose_entries_do_not_ascend_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LEADER_EPOCH_FILE);
        for content in ["0\n2\n2 0\n1 5\n", "0\n2\n1 5\n2 5\n", "0\n1\n-1 5\n"] {
            std::fs::write(&path, content).unwrap();
            assert!(
                LeaderEpochs::load(&FileDisk::new(4), dir.path()).is_err(),
                "{content}"
            );
        }
    }
}
