//! `.inventory` in a partition folder: which segments there are, how large their batches are, and
//! their aborted transactions. Nothing else tells a file that was lost, or emptied, from one that was never
//! there: an index of aborted transactions, whose loss would serve what was aborted, or a segment at the
//! beginning or in the midst of a log.
//!
//! ```text
//! 0 <generation> <log start offset>
//! <base offset> <bytes of batches> <bytes of aborted transactions>     one line a segment, the active one last
//! <CRC-32C of all that, 8 hexadecimal digits>
//! ```
//! The file is ours alone; Kafka passes over it. It counts only while nobody else has used the log
//! directory since (see `last_use`): its generation says so. It is overwritten in place and not synced: a
//! kill leaves it exact, or damaged if it was being written, and what a power cut leaves of it counts for
//! nothing, by that same generation. What is about to go is taken off the list first, what has come is
//! put on it afterwards, so that a kill in between leaves a list of less. While the cleaner's output takes
//! the place of segments there is no list. A log of one segment without aborted transactions needs none.
//!
//! A file system may lose what was not synced and the machine run on (it was shut down and mounted again; a
//! virtual machine was cloned). So the list is only held against what was durable: after a kill against
//! segments below the recovery point. Above it recovery cuts where the batches end, and a line says so.
//!
//! In a compacted log nobody sees where they end: offsets may be missing anywhere. There the list is made durable
//! before a closed segment is synced, and tells recovery, after a power cut as well, above the recovery point
//! that a segment is gone or shorter than it was: the log ends there. That is no claim on anything durable, and
//! whoever takes segments away makes a list without them durable first, so an older list does no harm. Somebody
//! else would not: a list that was there before Kafka had the log directory tells nothing.

use std::fmt::Write as _;
use std::io::{self, IoSlice};
use std::path::Path;

use super::disk::{self, Disk, OpenMode};
use crate::model::Offset;

/// The file's name in a partition folder.
pub(super) const INVENTORY_FILE: &str = ".inventory";

const VERSION: &str = "0";

/// What a partition folder has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inventory {
    /// Tells whether the log directory has been ours alone since.
    pub(super) generation: u64,
    /// Where the log starts, or later: its start is written here before it is told to a checkpoint.
    pub(super) log_start: Offset,
    /// In order; the active one last, which may have grown since.
    pub(super) segments: Vec<Listed>,
}

/// A segment of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) base_offset: Offset,
    pub(super) log_bytes: u64,
    pub(super) aborts_bytes: u64,
}

/// What a list says of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    pub(super) listed: &'a Listed,
    /// Some of it was on stable storage.
    pub(super) was_made: bool,
    /// All of it was on stable storage.
    pub(super) was_whole: bool,
    /// Something may have been appended since.
    pub(super) may_have_grown: bool,
}

impl Inventory {
    /// Reads the list of a folder. `None`: there is none, it is damaged, or of another generation.
    pub(super) fn read(
        disk: &dyn Disk,
        folder: &Path,
        generation: u64,
    ) -> io::Result<Option<Self>> {
        let content = disk::read_file(disk, &folder.join(INVENTORY_FILE))?;
        let inventory = content.and_then(|bytes| Self::parse(&bytes));
        Ok(inventory.filter(|it| it.generation == generation))
    }

    /// Writes the list of a folder; durable with the next sync of its volume.
    pub(super) fn write(&self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        let file = disk.open(&folder.join(INVENTORY_FILE), OpenMode::Create)?;
        let text = self.text();
        file.write_at(&[IoSlice::new(text.as_bytes())], 0)?;
        file.set_len(text.len() as u64)
    }

    /// As [`Self::write`], durable when this returns.
    pub(super) fn write_durably(&self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        disk::replace_file(disk, &folder.join(INVENTORY_FILE), self.text().as_bytes())
    }

    /// Makes the list of a folder durable, if there is one.
    pub(super) fn sync(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        let file = disk.open(&folder.join(INVENTORY_FILE), OpenMode::Existing);
        match file.and_then(|file| file.sync()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            synced => synced,
        }
    }

    /// Removes the list of a folder: nothing is known then.
    pub(super) fn remove(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        disk.remove(&folder.join(INVENTORY_FILE))
    }

    /// Whether a log would be found to be whole without it.
    pub(super) fn is_needless(&self) -> bool {
        self.segments.len() <= 1 && self.segments.iter().all(|it| it.aborts_bytes == 0)
    }

    /// Whether what it says is still so, if the folder has what `now` says: the active segment may have
    /// grown, and the log may start later.
    pub(super) fn holds_for(&self, now: &Self) -> bool {
        let (Some((last, closed)), Some((last_now, closed_now))) =
            (self.segments.split_last(), now.segments.split_last())
        else {
            return false;
        };
        let had_aborts = last.aborts_bytes > 0;
        self.generation == now.generation
            && closed == closed_now
            && last.base_offset == last_now.base_offset
            && last.log_bytes <= last_now.log_bytes
            && last.aborts_bytes <= last_now.aborts_bytes
            && had_aborts == (last_now.aborts_bytes > 0)
    }

    /// How many bytes of aborted transactions a segment had at least.
    pub(super) fn aborts_bytes(&self, base_offset: Offset) -> u64 {
        let mut segments = self.segments.iter();
        let listed = segments.find(|it| it.base_offset == base_offset);
        listed.map_or(0, |it| it.aborts_bytes)
    }

    /// The segments that had batches at or above `log_start`, and how much of them was on stable storage:
    /// all if the log was closed in order, else what is below the recovery point.
    pub(super) fn claims(
        &self,
        log_start: Offset,
        recovery_point: Offset,
        is_closed: bool,
    ) -> impl Iterator<Item = Claim<'_>> {
        let ends = self.segments.iter().skip(1).map(|next| next.base_offset);
        let ends = ends.map(Some).chain([None]);
        let with_batches = self.segments.iter().zip(ends).filter(move |(listed, end)| {
            let is_active = end.is_none();
            let has_batches =
                listed.log_bytes > 0 || is_active && listed.base_offset < recovery_point;
            has_batches && end.is_none_or(|end| end > log_start)
        });
        with_batches.map(move |(listed, end)| Claim {
            listed,
            was_made: is_closed || listed.base_offset < recovery_point,
            was_whole: is_closed || end.is_some_and(|end| end <= recovery_point),
            may_have_grown: end.is_none(),
        })
    }

    fn text(&self) -> String {
        let mut text = format!("{VERSION} {} {}\n", self.generation, self.log_start.0);
        for Listed {
            base_offset,
            log_bytes,
            aborts_bytes,
        } in &self.segments
        {
            writeln!(text, "{} {log_bytes} {aborts_bytes}", base_offset.0)
                .expect("a string takes any text");
        }
        let checksum = crc32c::crc32c(text.as_bytes());
        writeln!(text, "{checksum:08x}").expect("a string takes any text");
        text
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        let mut head = lines.next()?.split(' ').skip(1);
        let mut inventory = Self {
            generation: head.next()?.parse().ok()?,
            log_start: Offset(head.next()?.parse().ok()?),
            segments: Vec::new(),
        };
        for line in lines {
            let mut fields = line.split(' ');
            let first = fields.next()?;
            let (Some(log_bytes), Some(aborts_bytes)) = (fields.next(), fields.next()) else {
                break;
            };
            inventory.segments.push(Listed {
                base_offset: Offset(first.parse().ok()?),
                log_bytes: log_bytes.parse().ok()?,
                aborts_bytes: aborts_bytes.parse().ok()?,
            });
        }
        (inventory.text() == text).then_some(inventory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doubles::CrashDisk;

    fn inventory() -> Inventory {
        let listed = |base, log_bytes, aborts_bytes| Listed {
            base_offset: Offset(base),
            log_bytes,
            aborts_bytes,
        };
        Inventory {
            generation: u64::MAX,
            log_start: Offset(17),
            segments: vec![listed(3, 100, 0), listed(20, 1 << 30, 68), listed(41, 0, 0)],
        }
    }

    #[test]
    fn what_was_written_is_read_back_in_its_generation_only() {
        let disk = CrashDisk::new();
        let folder = Path::new("");
        assert_eq!(Inventory::read(&disk, folder, 1).unwrap(), None);

        inventory().write(&disk, folder).unwrap();

        let read = |generation| Inventory::read(&disk, folder, generation).unwrap();
        assert_eq!(read(u64::MAX), Some(inventory()));
        assert_eq!(read(1), None);
        Inventory::remove(&disk, folder).unwrap();
        assert_eq!(read(u64::MAX), None);
    }

    #[test]
    fn no_flipped_bit_and_no_cut_makes_another_list() {
        let text = inventory().text();
        assert_eq!(Inventory::parse(text.as_bytes()), Some(inventory()));
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);

            assert_eq!(Inventory::parse(&bytes), None, "bit {bit}");
        }
        for length in 0..text.len() {
            let cut = &text.as_bytes()[..length];
            assert_eq!(Inventory::parse(cut), None, "{length} bytes");
        }
    }

    #[test]
    fn a_list_holds_while_nothing_but_the_active_segment_grows() {
        let list = inventory();
        let changed = |change: fn(&mut Inventory)| {
            let mut now = inventory();
            change(&mut now);
            list.holds_for(&now)
        };

        assert!(changed(|_| {}));
        assert!(changed(|now| now.segments[2].log_bytes += 5));
        assert!(changed(|now| now.log_start = Offset(18)));
        assert!(!changed(|now| now.segments[2].aborts_bytes = 34));
        assert!(!changed(|now| now.segments[1].aborts_bytes = 102));
        assert!(!changed(|now| now.segments[0].log_bytes = 99));
        assert!(!changed(|now| {
            now.segments.remove(0);
        }));
        assert!(!changed(|now| now.segments.clear()));
        assert!(!changed(|now| now.generation = 1));
    }

    #[test]
    fn one_segment_without_aborts_needs_no_list() {
        let mut inventory = inventory();
        assert!(!inventory.is_needless());
        inventory.segments.truncate(1);
        assert!(inventory.is_needless());
        inventory.segments[0].aborts_bytes = 34;
        assert!(!inventory.is_needless());
    }
}
