//! The batches of a file, as they lie there, whatever is wrong with them.
//!
//! What is told of a damaged file is what Kafka's own reader of files makes of it, so this one trusts a batch as far
//! as that does: a size of 14 bytes is enough to step over one, and a magic above 2 is read like 2.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::super::ending::Ending;
use crate::records::{Batch, BatchHeader, CURRENT_MAGIC, HEADER_SIZE, LENGTH_END, MAGIC_END};

/// The fewest bytes that a batch's length may say.
const LEAST_LENGTH: i32 = 14;
/// How many bytes are read at once.
const CHUNK: usize = 256 * 1024;
/// The bytes of a message's head in the old formats, magic 0 and 1.
const LEGACY_HEADERS: [usize; 2] = [18, 26];

/// A file of batches, of which a part is held at a time.
#[derive(Debug)]
pub(super) struct BatchFile {
    file: File,
    path: PathBuf,
    size: u64,
    /// What is held: the bytes from `held_at` on.
    held: Vec<u8>,
    held_at: u64,
}

/// Where a walk from batch to batch is, and where it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    pub(super) position: u64,
    pub(super) end: u64,
}

/// A batch that has been found: nothing but its length was looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) position: u64,
    /// The bytes of the whole batch.
    pub(super) size: u64,
    pub(super) magic: i8,
}

impl Found {
    /// Whether the batch is of the format that is written today, or a later one.
    pub(super) fn is_current(&self) -> bool {
        self.magic >= CURRENT_MAGIC
    }
}

impl BatchFile {
    /// Opens a file.
    ///
    /// # Errors
    /// It can't be read, or is larger than a segment may be.
    pub(super) fn open(path: &Path) -> Result<Self, Ending> {
        let file = open(path)?;
        let size = file.metadata()?.len();
        if size > i32::MAX as u64 {
            return Err(Ending::Failed(format!(
                "The size of segment {} ({size}) is larger than the maximum allowed segment size of {}",
                path.display(),
                i32::MAX
            )));
        }
        Ok(Self {
            file,
            path: path.to_owned(),
            size,
            held: Vec::new(),
            held_at: 0,
        })
    }

    /// A walk over `length` bytes from `position` on.
    ///
    /// # Errors
    /// The file has no such position, or the length is negative.
    pub(super) fn walk(&self, position: i32, length: i32) -> Result<Walk, Ending> {
        let path = self.path.display();
        let wrong = |what: String| Err(Ending::Failed(what));
        let Ok(start) = u64::try_from(position) else {
            return wrong(format!("Invalid position: {position} in read from {path}"));
        };
        if start > self.size {
            let size = self.size;
            return wrong(format!(
                "Slice from position {position} exceeds end position {size} of {path}"
            ));
        }
        let Ok(length) = u64::try_from(length) else {
            return wrong(format!("Invalid size: {length} in read from {path}"));
        };
        Ok(Walk {
            position: start,
            end: self.size.min(start + length),
        })
    }

    /// The next batch of a walk; `None` at its end, and before a batch that goes beyond it.
    ///
    /// # Errors
    /// The length is too small for any batch: nobody knows where the next one begins.
    pub(super) fn next(&mut self, walk: &mut Walk) -> Result<Option<Found>, Ending> {
        let Walk { position, end } = *walk;
        if position + MAGIC_END as u64 >= end {
            return Ok(None);
        }
        let prefix: [u8; MAGIC_END] = self.array(position)?;
        let [.., l0, l1, l2, l3, _, _, _, _, magic] = prefix;
        let length = i32::from_be_bytes([l0, l1, l2, l3]);
        if length < LEAST_LENGTH {
            return Err(Ending::Failed(format!(
                "Found record size {length} smaller than minimum record overhead ({LEAST_LENGTH}) in file {}.",
                self.path.display()
            )));
        }
        let size = LENGTH_END as u64 + length.cast_unsigned() as u64;
        if position + size > end {
            return Ok(None);
        }
        walk.position += size;
        Ok(Some(Found {
            position,
            size,
            magic: i8::from_be_bytes([magic]),
        }))
    }

    /// The fields of a batch of magic 2 or above, whatever its size is.
    ///
    /// # Errors
    /// The file ends within them.
    pub(super) fn header(&mut self, found: &Found) -> Result<BatchHeader, Ending> {
        let head: [u8; HEADER_SIZE] = self.array(found.position)?;
        let header = BatchHeader::parse(&readable(head));
        let header = header.map_err(|error| Ending::Failed(error.to_string()))?;
        Ok(header.expect("the head is whole"))
    }

    /// The first bytes of a message of the old formats, 18 or 26.
    ///
    /// # Errors
    /// The file ends within them.
    pub(super) fn legacy_head(&mut self, found: &Found) -> Result<&[u8], Ending> {
        let length = LEGACY_HEADERS[usize::from(found.magic == 1)];
        self.bytes(found.position, length as u64)
    }

    /// All bytes of a batch, with a magic and a size that [`Batch`] reads.
    ///
    /// # Errors
    /// The batch is smaller than its own head.
    pub(super) fn batch(&mut self, found: &Found) -> Result<Batch<'_>, Ending> {
        if found.magic > CURRENT_MAGIC {
            // This puts it in place.
            self.bytes(found.position, found.size)?;
            let at = (found.position - self.held_at) as usize + MAGIC_END - 1;
            self.held[at] = CURRENT_MAGIC.cast_unsigned();
        }
        let bytes = self.bytes(found.position, found.size)?;
        let batch = Batch::first_of(bytes).map_err(|error| Ending::Failed(error.to_string()))?;
        Ok(batch.expect("a batch that was found is whole"))
    }

    /// Whether the checksum in a batch is that of its bytes. It is read in parts.
    ///
    /// # Errors
    /// The file can't be read.
    pub(super) fn is_valid(&mut self, found: &Found, stored: u32) -> Result<bool, Ending> {
        let (mut at, end) = (found.position, found.position + found.size);
        if found.is_current() {
            if found.size < HEADER_SIZE as u64 {
                return Ok(false);
            }
            at += (MAGIC_END + size_of_val(&stored)) as u64;
            let mut crc = 0;
            while at < end {
                let part = self.bytes(at, (end - at).min(CHUNK as u64))?;
                crc = crc32c::crc32c_append(crc, part);
                at += part.len() as u64;
            }
            return Ok(crc == stored);
        }
        at += MAGIC_END as u64 - 1;
        let mut crc = flate2::Crc::new();
        while at < end {
            let part = self.bytes(at, (end - at).min(CHUNK as u64))?;
            crc.update(part);
            at += part.len() as u64;
        }
        Ok(crc.sum() == stored)
    }

    fn array<const N: usize>(&mut self, position: u64) -> Result<[u8; N], Ending> {
        let bytes = self.bytes(position, N as u64)?;
        Ok(*bytes.first_chunk().expect("as many as were asked for"))
    }

    /// Exactly these bytes.
    fn bytes(&mut self, position: u64, length: u64) -> Result<&[u8], Ending> {
        let is_held =
            position >= self.held_at && position + length <= self.held_at + self.held.len() as u64;
        if !is_held {
            let left = self.size.saturating_sub(position);
            if length > left {
                return Err(Ending::Failed(format!(
                    "Failed to read {length} bytes at position {position} from {}: it ends after {left}",
                    self.path.display()
                )));
            }
            let wanted = left.min(length.max(CHUNK as u64));
            self.held.resize(wanted as usize, 0);
            self.held.shrink_to(4 * CHUNK);
            self.held_at = position;
            self.file.seek(SeekFrom::Start(position))?;
            self.file.read_exact(&mut self.held)?;
        }
        let from = (position - self.held_at) as usize;
        Ok(&self.held[from..from + length as usize])
    }
}

/// The head with a magic and a size that the reader of headers takes.
fn readable(mut head: [u8; HEADER_SIZE]) -> [u8; HEADER_SIZE] {
    head[MAGIC_END - 1] = CURRENT_MAGIC.cast_unsigned();
    let least = (HEADER_SIZE - LENGTH_END) as i32;
    head[8..LENGTH_END].copy_from_slice(&least.to_be_bytes());
    head
}

/// Opens a file to read it.
///
/// # Errors
/// The file is named, and what the system says.
pub(super) fn open(path: &Path) -> Result<File, Ending> {
    let told = |error: io::Error| Ending::Failed(format!("{}: {error}", path.display()));
    File::open(path).map_err(told)
}
