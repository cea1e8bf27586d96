//! Offset indexes (`.index`) and time indexes (`.timeindex`), held against the log that they belong to.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};

use super::super::ending::Ending;
use super::batches::{BatchFile, Found, Walk, open};
use super::log::base_offset;
use super::problems::Problems;
use crate::model::Timestamp;
use crate::records::Scratch;

/// How many of the last entries are looked at first, as most readers want those.
const WARM_ENTRIES: u64 = 1024;

/// What is to be done with indexes.
#[derive(Clone, Copy, Debug)]
pub(super) struct IndexOptions {
    /// Only the checks that a broker makes when it starts.
    pub(super) sanity_only: bool,
    /// The entries are not printed.
    pub(super) verify_only: bool,
    /// How many bytes of the log are looked at behind an entry's position.
    pub(super) max_message_size: i32,
}

/// An index file: entries of `N` bytes, and perhaps others behind them.
#[derive(Debug)]
struct Entries<const N: usize> {
    file: BufReader<File>,
    path: PathBuf,
    base_offset: i64,
    length: u64,
}

impl<const N: usize> Entries<N> {
    fn open(path: &Path, base_offset: i64) -> Result<Self, Ending> {
        let file = open(path)?;
        Ok(Self {
            length: file.metadata()?.len(),
            file: BufReader::new(file),
            path: path.to_owned(),
            base_offset,
        })
    }

    fn count(&self) -> u64 {
        self.length / N as u64
    }

    fn entry(&mut self, number: u64) -> Result<[u8; N], Ending> {
        let mut entry = [0; N];
        let at = number * N as u64;
        let now = self.file.stream_position()?;
        // Within what is read ahead, as a rule.
        self.file
            .seek_relative(at.cast_signed() - now.cast_signed())?;
        self.file.read_exact(&mut entry)?;
        Ok(entry)
    }

    fn check_length(&self, kind: &str) -> Result<(), Ending> {
        if self.length.is_multiple_of(N as u64) {
            return Ok(());
        }
        Err(Ending::Failed(format!(
            "{kind} {} is corrupt, found {} bytes which is neither positive nor a multiple of {N}",
            self.path.display(),
            self.length
        )))
    }

    fn offset(&self, relative: [u8; 4]) -> i64 {
        self.base_offset
            .wrapping_add(i32::from_be_bytes(relative).into())
    }
}

impl Entries<8> {
    /// Offset and position of an entry.
    fn offset_entry(&mut self, number: u64) -> Result<(i64, i32), Ending> {
        let [relative @ .., p0, p1, p2, p3] = self.entry(number)?;
        let position = i32::from_be_bytes([p0, p1, p2, p3]);
        Ok((self.offset(relative), position))
    }

    /// The position of the last entry that is not above `offset`; 0 if there is none. In an index that is not in
    /// order it is the one that Kafka finds.
    fn position_for(&mut self, offset: i64) -> Result<i32, Ending> {
        let Some(last) = self.count().checked_sub(1) else {
            return Ok(0);
        };
        let first_warm = last.saturating_sub(WARM_ENTRIES);
        let (mut low, mut high) = if self.offset_entry(first_warm)?.0 < offset {
            (first_warm, last)
        } else if self.offset_entry(0)?.0 > offset {
            return Ok(0);
        } else {
            (0, first_warm)
        };
        while low < high {
            let middle = (low + high).div_ceil(2);
            match self.offset_entry(middle)?.0 {
                found if found > offset => high = middle - 1,
                found if found < offset => low = middle,
                _ => (low, high) = (middle, middle),
            }
        }
        Ok(self.offset_entry(low)?.1)
    }
}

impl Entries<12> {
    /// Timestamp and offset of an entry.
    fn time_entry(&mut self, number: u64) -> Result<(i64, i64), Ending> {
        let [t0, t1, t2, t3, t4, t5, t6, t7, relative @ ..] = self.entry(number)?;
        let timestamp = i64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
        Ok((timestamp, self.offset(relative)))
    }
}

/// Dumps an offset index.
///
/// # Errors
/// The index or its log can't be read, or an entry points to no batch.
pub(super) fn dump_offsets(
    path: &Path,
    options: IndexOptions,
    problems: &mut Problems,
    output: &mut dyn Write,
) -> Result<(), Ending> {
    let base_offset = base_offset(path)?;
    let mut log = BatchFile::open(&path_beside(path, "log"))?;
    let mut index = Entries::<8>::open(path, base_offset)?;
    let count = index.count();
    if count == 0 {
        writeln!(output, "{} is empty.", path.display())?;
        return Ok(());
    }
    if options.sanity_only {
        let (last, _) = index.offset_entry(count - 1)?;
        if last < base_offset {
            return Err(Ending::Failed(format!(
                "Corrupt index found, index file {} has non-zero size but the last offset is {last} which is less than \
                 the base offset {base_offset}",
                path.display()
            )));
        }
        index.check_length("Index file")?;
        writeln!(output, "{} passed sanity check.", path.display())?;
        return Ok(());
    }
    for number in 0..count {
        let (offset, position) = index.offset_entry(number)?;
        // The file is longer than its entries while a broker writes it, and after a crash.
        if offset == base_offset && number > 0 {
            break;
        }
        let mut walk = log.walk(position, options.max_message_size)?;
        let Some(batch) = log.next(&mut walk)? else {
            return Err(Ending::Failed(format!(
                "there is no batch at position {position} of {}, to which the entry of offset {offset} points",
                path_beside(path, "log").display()
            )));
        };
        let last_offset = last_offset(&mut log, &batch)?;
        if last_offset != offset {
            problems
                .index_mismatches
                .of(path)
                .insert(offset, last_offset);
        }
        if !options.verify_only {
            writeln!(output, "offset: {offset} position: {position}")?;
        }
    }
    Ok(())
}

/// Dumps a time index.
///
/// # Errors
/// The index, its log or its offset index can't be read, or there is damage in the log behind an entry's position.
pub(super) fn dump_times(
    path: &Path,
    options: IndexOptions,
    problems: &mut Problems,
    output: &mut dyn Write,
) -> Result<(), Ending> {
    let base_offset = base_offset(path)?;
    let mut log = BatchFile::open(&path_beside(path, "log"))?;
    let mut offsets = Entries::<8>::open(&path_beside(path, "index"), base_offset)?;
    let mut index = Entries::<12>::open(path, base_offset)?;
    let count = index.count();
    if options.sanity_only {
        check_times(&mut index)?;
        writeln!(output, "{} passed sanity check.", path.display())?;
        return Ok(());
    }
    let mut scratch = Scratch::default();
    let mut whole = Whole::default();
    let mut before = Timestamp::NONE.0;
    for number in 0..count {
        let (timestamp, offset) = index.time_entry(number)?;
        if offset == base_offset && number > 0 {
            break;
        }
        let start = log.walk(offsets.position_for(offset)?, i32::MAX)?;
        whole.check(&mut log, start)?;
        match find(&mut log, start, offset)? {
            Some((batch, last)) if last == offset => {
                let latest = latest(&mut log, &batch, &mut scratch)?;
                if latest != timestamp {
                    let mismatches = problems.time_mismatches.of(path);
                    mismatches.push((timestamp, latest));
                }
                if before >= timestamp {
                    let out_of_order = problems.times_out_of_order.of(path);
                    out_of_order.push((timestamp, before));
                }
            }
            found => {
                let last = found.map_or(-1, |(_, last)| last);
                problems.offsets_not_found.of(path).push((offset, last));
            }
        }
        if !options.verify_only {
            writeln!(output, "timestamp: {timestamp} offset: {offset}")?;
        }
        before = timestamp;
    }
    Ok(())
}

/// The checks of a time index that a broker makes when it starts.
fn check_times(index: &mut Entries<12>) -> Result<(), Ending> {
    let corrupt = |index: &Entries<12>, what: String| {
        Err(Ending::Failed(format!(
            "Corrupt time index found, time index file ({}) has non-zero size but the last {what}",
            index.path.display()
        )))
    };
    if let Some(last) = index.count().checked_sub(1) {
        let (first_time, _) = index.time_entry(0)?;
        let (time, offset) = index.time_entry(last)?;
        let base = index.base_offset;
        if time < first_time {
            let what =
                format!("timestamp is {time} which is less than the first timestamp {first_time}");
            return corrupt(index, what);
        }
        if offset < base {
            let what = format!("offset is {offset} which is less than the first offset {base}");
            return corrupt(index, what);
        }
    }
    index.check_length("Time index file")
}

/// The first batch of a walk that ends at `offset` or behind it, with its last offset.
fn find(log: &mut BatchFile, mut walk: Walk, offset: i64) -> Result<Option<(Found, i64)>, Ending> {
    while let Some(batch) = log.next(&mut walk)? {
        let last = last_offset(log, &batch)?;
        if last >= offset {
            return Ok(Some((batch, last)));
        }
    }
    Ok(None)
}

/// Finds out whether the log can be walked through to its end: Kafka's tool does so for each entry. What was walked
/// through is not walked through again.
#[derive(Debug, Default)]
struct Whole {
    /// A place of which this is known: the beginning of a batch.
    known: Option<Walk>,
}

impl Whole {
    fn check(&mut self, log: &mut BatchFile, start: Walk) -> Result<(), Ending> {
        let mut known = self.known.filter(|known| known.position <= start.position);
        while let Some(walk) = known.as_mut().filter(|walk| walk.position < start.position) {
            if log.next(walk)?.is_none() {
                known = None;
            }
        }
        if known.is_none_or(|known| known.position != start.position) {
            let mut walk = start;
            while log.next(&mut walk)?.is_some() {}
        }
        self.known = Some(start);
        Ok(())
    }
}

fn last_offset(log: &mut BatchFile, batch: &Found) -> Result<i64, Ending> {
    if batch.is_current() {
        return Ok(log.header(batch)?.last_offset().0);
    }
    let head = log.legacy_head(batch)?;
    let offset = head.first_chunk().expect("the head begins with the offset");
    Ok(i64::from_be_bytes(*offset))
}

/// The latest time of the records of a batch.
fn latest(log: &mut BatchFile, batch: &Found, scratch: &mut Scratch) -> Result<i64, Ending> {
    let told = |error: crate::records::RecordsError| Ending::Failed(error.to_string());
    let is_current = batch.is_current();
    let batch = log.batch(batch)?;
    let mut latest = Timestamp::NONE;
    if is_current {
        for record in batch.records(scratch).map_err(told)? {
            latest = latest.max(record.map_err(told)?.timestamp());
        }
    } else {
        let messages = batch.legacy_messages(scratch).map_err(told)?;
        latest = messages.fold(latest, |latest, message| latest.max(message.timestamp()));
    }
    Ok(latest.0)
}

/// The file of the same segment that ends so.
fn path_beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = name.split('.').next().unwrap_or_default();
    path.with_file_name(format!("{number}.{suffix}"))
}
