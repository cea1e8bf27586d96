//! The aborted transactions of one segment (`N.txnindex`), for readers of committed data (KIP-98).
//!
//! The file is made with the first entry, so most segments have none. Entries are 34 bytes, ordered by the
//! offset of the abort marker; a torn last entry does not count, and the next one overwrites it.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use super::disk::{Disk, DiskFile, OpenMode};
use super::producer_state::CompletedTransaction;
use crate::model::{Offset, ProducerId};

/// The bytes of an entry: version, producer id and three offsets.
const ENTRY_SIZE: usize = 34;
const VERSION: i16 = 0;
/// How many entries are read at once.
const ENTRIES_PER_READ: usize = 120;

/// One aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// The producer whose transaction it was.
    pub producer_id: ProducerId,
    /// The first offset of the transaction's data.
    pub first_offset: Offset,
    /// The offset of the transaction's abort marker.
    pub last_offset: Offset,
    /// The last stable offset when the transaction was aborted: no later entry begins below it.
    pub last_stable_offset: Offset,
}

impl From<CompletedTransaction> for AbortedTransaction {
    fn from(completed: CompletedTransaction) -> Self {
        Self {
            producer_id: completed.producer_id,
            first_offset: completed.first_offset,
            last_offset: completed.last_offset,
            last_stable_offset: completed.last_stable_offset,
        }
    }
}

/// The aborted transactions found for a read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The transactions that overlap the read, by the offset of their marker.
    pub aborted: Vec<AbortedTransaction>,
    /// Whether no later segment can have another one that overlaps.
    pub is_complete: bool,
}

/// The index of one segment.
#[derive(Clone, Debug, Default)]
pub struct TransactionIndex {
    file: Option<Arc<dyn DiskFile>>,
    entry_count: u64,
    last_offset: Option<Offset>,
}

impl TransactionIndex {
    /// Opens the file at `path` if there is one.
    pub fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let Some(stat) = disk.stat(path)? else {
            return Ok(Self::default());
        };
        let mut index = Self {
            file: Some(disk.open(path, OpenMode::Existing)?),
            entry_count: stat.size / ENTRY_SIZE as u64,
            last_offset: None,
        };
        if let Some(last) = index.entry_count.checked_sub(1) {
            index.last_offset = Some(index.entry(last)?.last_offset);
        }
        Ok(index)
    }

    /// Whether no transaction was aborted in the segment.
    pub fn is_empty(&self) -> bool {
        self.entry_count == 0
    }

    /// How many bytes its entries have.
    pub fn bytes(&self) -> u64 {
        self.entry_count * ENTRY_SIZE as u64
    }

    /// The open file, if there is one.
    pub fn file(&self) -> Option<&Arc<dyn DiskFile>> {
        self.file.as_ref()
    }

    /// Adds an entry. The file at `path` is made if this is the first.
    pub fn append(
        &mut self,
        disk: &dyn Disk,
        path: &Path,
        entry: &AbortedTransaction,
    ) -> io::Result<()> {
        assert!(
            self.last_offset < Some(entry.last_offset),
            "markers are indexed in the order of the log"
        );
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(disk.open(path, OpenMode::Create)?),
        };
        let position = self.entry_count * ENTRY_SIZE as u64;
        file.write_at(&[IoSlice::new(&encode(entry))], position)?;
        self.entry_count += 1;
        self.last_offset = Some(entry.last_offset);
        Ok(())
    }

    /// Forgets the transactions whose marker is at or above `offset`.
    pub fn truncate_to(&mut self, offset: Offset) -> io::Result<()> {
        let keep = self.first_ending_at(offset)?;
        if let Some(file) = self.file.as_ref().filter(|_| keep < self.entry_count) {
            file.set_len(keep * ENTRY_SIZE as u64)?;
            self.entry_count = keep;
            self.last_offset = match keep.checked_sub(1) {
                Some(last) => Some(self.entry(last)?.last_offset),
                None => None,
            };
        }
        Ok(())
    }

    /// The aborted transactions that a read of `[from, up_to)` must know of.
    pub fn collect(&self, from: Offset, up_to: Offset) -> io::Result<Collected> {
        let mut collected = Collected::default();
        let mut next = self.first_ending_at(from)?;
        while next < self.entry_count {
            for entry in self.entries_at(next)? {
                if entry.first_offset < up_to {
                    collected.aborted.push(entry);
                }
                if entry.last_stable_offset >= up_to {
                    collected.is_complete = true;
                    return Ok(collected);
                }
                next += 1;
            }
        }
        Ok(collected)
    }

    /// All entries, in order.
    pub fn all(&self) -> io::Result<Vec<AbortedTransaction>> {
        let mut all = Vec::new();
        while (all.len() as u64) < self.entry_count {
            all.extend(self.entries_at(all.len() as u64)?);
        }
        Ok(all)
    }

    /// Checks that the entries belong to a segment that begins at `base_offset`, and are in order.
    pub fn check(&self, base_offset: Offset) -> io::Result<()> {
        let mut lowest = base_offset;
        for entry in self.all()? {
            if entry.last_offset < lowest {
                return Err(invalid(format!(
                    "marker {} is below {lowest}",
                    entry.last_offset
                )));
            }
            lowest = entry.last_offset + 1;
        }
        Ok(())
    }

    /// The position of the first entry whose marker is at or above `offset`.
    fn first_ending_at(&self, offset: Offset) -> io::Result<u64> {
        if self.last_offset < Some(offset) {
            return Ok(self.entry_count);
        }
        let (mut low, mut high) = (0, self.entry_count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)?.last_offset < offset {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn entry(&self, index: u64) -> io::Result<AbortedTransaction> {
        let mut bytes = [0; ENTRY_SIZE];
        self.read(&mut bytes, index)?;
        decode(&bytes)
    }

    /// As many entries from `index` on as are read at once: at least one.
    fn entries_at(&self, index: u64) -> io::Result<Vec<AbortedTransaction>> {
        let left = usize::try_from(self.entry_count - index).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(ENTRIES_PER_READ) * ENTRY_SIZE];
        self.read(&mut bytes, index)?;
        let (entries, _) = bytes.as_chunks::<ENTRY_SIZE>();
        entries.iter().map(decode).collect()
    }

    fn read(&self, buffer: &mut [u8], index: u64) -> io::Result<()> {
        let file = self
            .file
            .as_ref()
            .expect("an index with entries has a file");
        if file.read_at(buffer, index * ENTRY_SIZE as u64)? < buffer.len() {
            return Err(invalid("a transaction index is shorter than it was"));
        }
        Ok(())
    }
}

fn encode(entry: &AbortedTransaction) -> [u8; ENTRY_SIZE] {
    let mut bytes = [0; ENTRY_SIZE];
    bytes[..2].copy_from_slice(&VERSION.to_be_bytes());
    bytes[2..10].copy_from_slice(&entry.producer_id.0.to_be_bytes());
    bytes[10..18].copy_from_slice(&entry.first_offset.0.to_be_bytes());
    bytes[18..26].copy_from_slice(&entry.last_offset.0.to_be_bytes());
    bytes[26..].copy_from_slice(&entry.last_stable_offset.0.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8; ENTRY_SIZE]) -> io::Result<AbortedTransaction> {
    let version = i16::from_be_bytes([bytes[0], bytes[1]]);
    if version != VERSION {
        return Err(invalid(format!(
            "version {version} of an aborted transaction is unknown"
        )));
    }
    let (numbers, _) = bytes[2..].as_chunks::<8>();
    Ok(AbortedTransaction {
        producer_id: ProducerId(i64::from_be_bytes(numbers[0])),
        first_offset: Offset(i64::from_be_bytes(numbers[1])),
        last_offset: Offset(i64::from_be_bytes(numbers[2])),
        last_stable_offset: Offset(i64::from_be_bytes(numbers[3])),
    })
}

fn invalid(found: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, found.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::disk::FileDisk;

    fn aborted(first: i64, last: i64, stable: i64) -> AbortedTransaction {
        AbortedTransaction {
            producer_id: ProducerId(first),
            first_offset: Offset(first),
            last_offset: Offset(last),
            last_stable_offset: Offset(stable),
        }
    }

    /// Runs `test` on an index of these entries, freshly opened.
    fn with(entries: &[AbortedTransaction], test: impl FnOnce(&mut TransactionIndex, &Path)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("00000000000000000000.txnindex");
        let disk = FileDisk::new(4);
        let mut index = TransactionIndex::open(&disk, &path).unwrap();
        for entry in entries {
            index.append(&disk, &path, entry).unwrap();
        }
        let mut reopened = TransactionIndex::open(&disk, &path).unwrap();
        test(&mut reopened, &path);
    }

    #[test]
    fn a_segment_without_aborts_has_no_file() {
        with(&[], |index, path| {
            assert!(index.is_empty());
            assert!(!path.exists());
            assert_eq!(
                index.collect(Offset(0), Offset(9)).unwrap(),
                Collected::default()
            );
            index.truncate_to(Offset(0)).unwrap();
        });
    }

    #[test]
    fn an_entry_is_34_bytes_big_endian() {
        with(&[aborted(1, 2, 3)], |_, path| {
            let mut expected = vec![0, 0];
            for number in [1_i64, 1, 2, 3] {
                expected.extend(number.to_be_bytes());
            }
            assert_eq!(std::fs::read(path).unwrap(), expected);
        });
    }

    #[test]
    fn a_read_gets_the_transactions_that_overlap_it() {
        let entries = [aborted(0, 10, 2), aborted(2, 20, 15), aborted(25, 30, 40)];
        with(&entries, |index, _| {
            assert_eq!(index.all().unwrap(), entries);
            let all = index.collect(Offset(0), Offset(100)).unwrap();
            assert_eq!((&all.aborted[..], all.is_complete), (&entries[..], false));

            let early = index.collect(Offset(0), Offset(2)).unwrap();
            assert_eq!(
                (&early.aborted[..], early.is_complete),
                (&entries[..1], true)
            );

            let middle = index.collect(Offset(11), Offset(25)).unwrap();
            assert_eq!(
                (&middle.aborted[..], middle.is_complete),
                (&entries[1..2], true)
            );
        });
    }

    #[test]
    fn many_entries_are_read_in_parts() {
        let entries: Vec<_> = (0..500)
            .map(|i| aborted(10 * i, 10 * i + 5, 10 * i + 6))
            .collect();
        with(&entries, |index, _| {
            assert_eq!(index.all().unwrap(), entries);
            let found = index.collect(Offset(1_006), Offset(4_001)).unwrap();
            assert_eq!(found.aborted, entries[101..=400]);
        });
    }

    #[test]
    fn truncation_drops_markers_at_the_offset_and_appends_go_on_there() {
        let entries = [aborted(0, 10, 2), aborted(2, 20, 15), aborted(25, 30, 40)];
        with(&entries, |index, path| {
            index.truncate_to(Offset(20)).unwrap();
            assert_eq!(index.all().unwrap(), entries[..1]);

            index
                .append(&FileDisk::new(4), path, &aborted(3, 15, 20))
                .unwrap();
            assert_eq!(index.all().unwrap(), [entries[0], aborted(3, 15, 20)]);
        });
    }

    #[test]
    fn a_torn_entry_is_not_counted() {
        with(&[aborted(0, 10, 2), aborted(2, 20, 15)], |_, path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_len(67).unwrap();

            let index = TransactionIndex::open(&FileDisk::new(4), path).unwrap();

            assert_eq!(index.all().unwrap(), [aborted(0, 10, 2)]);
        });
    }

    #[test]
    fn an_index_of_another_segment_is_found_out() {
        with(&[aborted(0, 10, 2)], |index, _| {
            assert!(index.check(Offset(10)).is_ok());
            assert!(index.check(Offset(11)).is_err());
        });
    }
}
