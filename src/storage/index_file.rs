//! A file of equal entries in ascending order: what the offset index and the time index share.
//!
//! New entries wait in memory until there are enough for one write. A crash loses those that wait, and
//! recovery makes them again from the log. So the file never has an entry that the log lacks: before the
//! log is cut, the index is.

use std::fmt;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::sync::Arc;

use super::disk::DiskFile;

/// How many new entries wait for one write: 128 KiB of log at the default interval.
const KEPT_BACK: usize = 32;
/// How many bytes a search reads at once.
const PAGE: usize = 4096;

/// An entry of an index.
pub(super) trait IndexEntry: Copy + fmt::Debug {
    /// The size of an entry in the file, in bytes.
    const SIZE: usize;

    fn write(&self, file: &mut Vec<u8>);

    /// Reads an entry of exactly `SIZE` bytes.
    fn read(bytes: &[u8]) -> Self;

    /// Whether the entry may stand right behind `previous`.
    fn follows(&self, previous: &Self) -> bool;
}

/// Why an index cannot be used: its content is not in order, and must be made again from the log.
#[derive(Debug)]
pub(super) enum IndexFault {
    Damaged,
    Disk(io::Error),
}

impl From<io::Error> for IndexFault {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// One index of one segment.
#[derive(Debug)]
pub(super) struct IndexFile<E> {
    written: Written<E>,
    /// The newest entries, which are not in the file yet.
    kept_back: Vec<E>,
    last: Option<E>,
    unsynced: bool,
}

impl<E: IndexEntry> IndexFile<E> {
    /// An index without entries, over an empty file.
    pub(super) fn empty(file: Arc<dyn DiskFile>) -> Self {
        Self {
            written: Written {
                file,
                count: 0,
                entry: PhantomData,
            },
            kept_back: Vec::new(),
            last: None,
            unsynced: false,
        }
    }

    /// Reads a file whole and checks the order of its entries. The zeros that a preallocated file has
    /// behind its last entry are cut off.
    pub(super) fn load(file: Arc<dyn DiskFile>) -> Result<Self, IndexFault> {
        let size = usize::try_from(file.size()?).map_err(|_| IndexFault::Damaged)?;
        let mut content = vec![0; size];
        let read = file.read_at(&mut content, 0)?;
        content.truncate(read);
        let used = content
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let mut index = Self::empty(file);
        // A single entry may be all zeros (a record of 1970 at the base offset); a whole preallocated file
        // is not.
        let is_blank = used == 0 && size > E::SIZE;
        for bytes in content.chunks_exact(E::SIZE).filter(|_| !is_blank) {
            let entry = E::read(bytes);
            if index.last.is_some_and(|last| !entry.follows(&last)) {
                break;
            }
            index.last = Some(entry);
            index.written.count += 1;
        }
        let valid = index.written.bytes();
        if used > valid {
            return Err(IndexFault::Damaged);
        }
        index.unsynced = size > valid;
        if index.unsynced {
            index.written.file.set_len(valid as u64)?;
        }
        Ok(index)
    }

    /// Takes over a file that was completed in order: only its last entry is read. `None` if the file
    /// cannot be such a one, and must be loaded.
    pub(super) fn trust(file: Arc<dyn DiskFile>) -> io::Result<Option<Self>> {
        let size = usize::try_from(file.size()?).unwrap_or(usize::MAX);
        let mut index = Self::empty(file);
        index.written.count = size / E::SIZE;
        if let Some(last) = index.written.count.checked_sub(1) {
            let mut bytes = [0; PAGE];
            let entry = index.written.read_page(last, &mut bytes)?;
            if entry.len() != E::SIZE || entry.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            index.last = Some(E::read(entry));
        }
        Ok((size % E::SIZE == 0).then_some(index))
    }

    /// How many entries the index has.
    pub(super) fn len(&self) -> usize {
        self.written.count + self.kept_back.len()
    }

    pub(super) fn last(&self) -> Option<E> {
        self.last
    }

    /// Adds an entry. On a full disk it waits in memory, as the log has what it says.
    pub(super) fn push(&mut self, entry: E) -> io::Result<()> {
        assert!(
            self.last.is_none_or(|last| entry.follows(&last)),
            "index entries ascend: {entry:?} after {:?}",
            self.last
        );
        self.last = Some(entry);
        self.kept_back.push(entry);
        if self.kept_back.len().is_multiple_of(KEPT_BACK) {
            match self.write_out() {
                Err(error) if super::error::is_out_of_room(&error) => {}
                other => return other,
            }
        }
        Ok(())
    }

    /// Writes the waiting entries to the file.
    pub(super) fn write_out(&mut self) -> io::Result<()> {
        if self.kept_back.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(self.kept_back.len() * E::SIZE);
        for entry in &self.kept_back {
            entry.write(&mut bytes);
        }
        let position = self.written.bytes() as u64;
        self.unsynced = true;
        self.written
            .file
            .write_at(&[IoSlice::new(&bytes)], position)?;
        self.written.count += self.kept_back.len();
        self.kept_back.clear();
        Ok(())
    }

    /// Gives back memory that an index without appends does not need.
    pub(super) fn shrink(&mut self) {
        self.kept_back.shrink_to_fit();
    }

    /// Keeps the entries for which `keep` holds, which must be those at the front.
    pub(super) fn truncate(&mut self, keep: impl Fn(&E) -> bool) -> io::Result<()> {
        let kept_back = self.kept_back.partition_point(&keep);
        if kept_back < self.kept_back.len() {
            self.kept_back.truncate(kept_back);
        }
        if kept_back == 0 {
            let count = self.written.count_where(&keep)?;
            if count < self.written.count {
                self.written.count = count;
                self.written.file.set_len(self.written.bytes() as u64)?;
                self.unsynced = true;
            }
        }
        self.last = match self.kept_back.last() {
            Some(entry) => Some(*entry),
            None => self.written.last()?,
        };
        Ok(())
    }

    /// The file, if something in it is not synced: the caller must sync it.
    pub(super) fn take_unsynced(&mut self) -> Option<Arc<dyn DiskFile>> {
        std::mem::take(&mut self.unsynced).then(|| Arc::clone(&self.written.file))
    }

    pub(super) fn file(&self) -> &Arc<dyn DiskFile> {
        &self.written.file
    }

    /// Where the last entry is for which `holds`. `holds` must be true for entries at the front only.
    pub(super) fn search(&self, holds: impl Fn(&E) -> bool) -> Search<E> {
        let count = self.kept_back.partition_point(holds);
        match count.checked_sub(1) {
            Some(last) => Search::Found(Slot {
                number: self.written.count + last,
                entry: self.kept_back[last],
            }),
            None => Search::InFile(self.written.clone()),
        }
    }
}

/// An entry and its place in the index, counted from 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<E> {
    pub(super) number: usize,
    pub(super) entry: E,
}

/// The outcome of a search among the entries in memory.
#[derive(Debug)]
pub(super) enum Search<E> {
    Found(Slot<E>),
    /// The entry is not among the newest: the file must be searched, which needs no lock.
    InFile(Written<E>),
}

/// The entries in the file at some moment.
#[derive(Debug)]
pub(super) struct Written<E> {
    file: Arc<dyn DiskFile>,
    count: usize,
    entry: PhantomData<E>,
}

impl<E> Clone for Written<E> {
    fn clone(&self) -> Self {
        Self {
            file: Arc::clone(&self.file),
            count: self.count,
            entry: PhantomData,
        }
    }
}

impl<E: IndexEntry> Written<E> {
    const PER_PAGE: usize = PAGE / E::SIZE;

    fn bytes(&self) -> usize {
        self.count * E::SIZE
    }

    /// The last entry for which `holds`. `holds` must be true for entries at the front only.
    ///
    /// The search begins at entry `near`: reading on from where another read ended costs one read.
    pub(super) fn last_where(
        &self,
        near: usize,
        holds: impl Fn(&E) -> bool,
    ) -> io::Result<Option<Slot<E>>> {
        let (mut low, mut high) = (0, self.count.div_ceil(Self::PER_PAGE));
        let near_page = near.min(self.count) / Self::PER_PAGE;
        let mut guesses = near_page..near_page + 2;
        let mut found = None;
        let mut page = [0; PAGE];
        while low < high {
            let guess = guesses.next().filter(|guess| (low..high).contains(guess));
            let middle = guess.unwrap_or(low + (high - low) / 2);
            let first = middle * Self::PER_PAGE;
            let entries = self.read_page(first, &mut page)?;
            let count = partition_point(entries, E::SIZE, |bytes| holds(&E::read(bytes)));
            let Some(last) = count.checked_sub(1) else {
                high = middle;
                continue;
            };
            found = Some(Slot {
                number: first + last,
                entry: E::read(&entries[last * E::SIZE..][..E::SIZE]),
            });
            // The page holds both kinds, so the border lies in it.
            if count * E::SIZE < entries.len() {
                break;
            }
            low = middle + 1;
        }
        Ok(found)
    }

    fn count_where(&self, holds: impl Fn(&E) -> bool) -> io::Result<usize> {
        let last = self.last_where(self.count.saturating_sub(1), holds)?;
        Ok(last.map_or(0, |slot| slot.number + 1))
    }

    fn last(&self) -> io::Result<Option<E>> {
        self.last_where(self.count.saturating_sub(1), |_| true)
            .map(|slot| slot.map(|slot| slot.entry))
    }

    fn read_page<'p>(&self, first: usize, page: &'p mut [u8; PAGE]) -> io::Result<&'p [u8]> {
        let length = (self.count - first).min(Self::PER_PAGE) * E::SIZE;
        let entries = &mut page[..length];
        let read = self.file.read_at(entries, (first * E::SIZE) as u64)?;
        // The file is shorter than it was, so the log was cut meanwhile.
        Ok(&page[..read - read % E::SIZE])
    }
}

fn partition_point(bytes: &[u8], size: usize, holds: impl Fn(&[u8]) -> bool) -> usize {
    let (mut low, mut high) = (0, bytes.len() / size);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(&bytes[middle * size..][..size]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::disk::{Disk, OpenMode};
    use super::super::offset_index::{OffsetEntry, OffsetIndex};
    use super::*;
    use crate::doubles::{CrashDisk, Fault};

    fn entry(number: u32) -> OffsetEntry {
        OffsetEntry {
            relative_offset: number * 10 + 9,
            position: (number + 1) * 5000,
        }
    }

    fn file(disk: &CrashDisk) -> Arc<dyn DiskFile> {
        disk.open(Path::new("/index"), OpenMode::Create).unwrap()
    }

    fn filled(disk: &CrashDisk, count: u32) -> OffsetIndex {
        let mut index = OffsetIndex::empty(file(disk));
        for number in 0..count {
            index.push(entry(number)).unwrap();
        }
        index
    }

    /// The number of the last entry whose offset is not above `offset`, whichever way it is found.
    fn find(index: &OffsetIndex, near: usize, offset: u32) -> Option<usize> {
        let holds = |entry: &OffsetEntry| entry.relative_offset <= offset;
        let slot = match index.search(holds) {
            Search::Found(slot) => Some(slot),
            Search::InFile(written) => written.last_where(near, holds).unwrap(),
        };
        slot.map(|slot| {
            assert_eq!(slot.entry, entry(slot.number as u32));
            slot.number
        })
    }

    #[test]
    fn an_entry_is_found_wherever_the_search_begins() {
        for count in [0, 1, 31, 32, 33, 511, 512, 513, 5000] {
            let index = filled(&CrashDisk::new(), count);
            for near in [0, 1, 600, 4000, usize::MAX] {
                for number in 0..count {
                    let (number, offset) = (number as usize, number * 10 + 9);
                    assert_eq!(find(&index, near, offset), Some(number));
                    assert_eq!(find(&index, near, offset - 1), number.checked_sub(1));
                }
                assert_eq!(
                    find(&index, near, u32::MAX),
                    (count as usize).checked_sub(1)
                );
            }
        }
    }

    #[test]
    fn what_was_written_out_is_loaded_again() {
        let disk = CrashDisk::new();
        let mut index = filled(&disk, 100);
        index.write_out().unwrap();

        let loaded = OffsetIndex::load(file(&disk)).unwrap();

        assert_eq!(loaded.len(), 100);
        assert_eq!(loaded.last(), Some(entry(99)));
    }

    #[test]
    fn a_truncated_index_goes_on_where_it_was_cut() {
        for cut in [0, 1, 50, 95, 97, 100] {
            let disk = CrashDisk::new();
            let mut index = filled(&disk, 100);

            index
                .truncate(|entry| entry.relative_offset < cut * 10)
                .unwrap();

            assert_eq!(index.len(), cut as usize);
            assert_eq!(index.last(), cut.checked_sub(1).map(entry));
            for number in cut..150 {
                index.push(entry(number)).unwrap();
            }
            index.write_out().unwrap();
            assert_eq!(OffsetIndex::load(file(&disk)).unwrap().len(), 150);
        }
    }

    #[test]
    fn a_preallocated_file_is_trimmed_to_its_entries() {
        for count in [0, 1, 40] {
            let disk = CrashDisk::new();
            let mut index = filled(&disk, count);
            index.write_out().unwrap();
            file(&disk).set_len(10_000).unwrap();

            let loaded = OffsetIndex::load(file(&disk)).unwrap();

            assert_eq!(loaded.len(), count as usize);
            assert_eq!(file(&disk).size().unwrap(), u64::from(count) * 8);
        }
    }

    #[test]
    fn entries_out_of_order_and_torn_ones_are_damage() {
        for damage in [&[0, 0, 0, 1, 0, 0, 0, 1][..], &[7], &[0; 20]] {
            let disk = CrashDisk::new();
            let mut index = filled(&disk, 40);
            index.write_out().unwrap();
            file(&disk)
                .write_at(&[IoSlice::new(damage), IoSlice::new(&[1])], 320)
                .unwrap();

            let loaded = OffsetIndex::load(file(&disk));

            assert!(matches!(loaded, Err(IndexFault::Damaged)));
        }
    }

    #[test]
    fn a_full_disk_only_keeps_entries_waiting() {
        let disk = CrashDisk::new();
        let mut index = filled(&disk, 10);
        disk.inject(0, Fault::NoSpace);
        for number in 10..100 {
            index.push(entry(number)).unwrap();
        }

        disk.heal();
        index.write_out().unwrap();

        assert_eq!(OffsetIndex::load(file(&disk)).unwrap().len(), 100);
    }
}
