//! Walks through the batches of a segment's file: by their headers alone, or whole.

use std::io;

use super::disk::DiskFile;
use crate::records::{Batch, BatchHeader, HEADER_SIZE, RecordsError};

/// Why a walk ended before the end of the file.
#[derive(Debug)]
pub(super) enum WalkError {
    /// The disk failed.
    Disk(io::Error),
    /// The bytes at this place are no batch.
    Bad(RecordsError),
}

impl From<io::Error> for WalkError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<RecordsError> for WalkError {
    fn from(error: RecordsError) -> Self {
        Self::Bad(error)
    }
}

/// A batch's header and where the batch begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located {
    pub(super) position: u64,
    pub(super) header: BatchHeader,
}

impl Located {
    /// The position at which the next batch begins.
    pub(super) fn end(&self) -> u64 {
        self.position + self.header.size() as u64
    }
}

/// How many bytes a walk reads at once to find one batch near by.
pub(super) const LOOKUP_CHUNK: usize = 4096;
/// How many bytes a walk reads at once to go through a large part of the file.
pub(super) const SCAN_CHUNK: usize = 256 * 1024;

/// A window on a file that moves from front to back, a chunk at a time.
#[derive(Debug)]
struct Window<'f> {
    file: &'f dyn DiskFile,
    end: u64,
    chunk_size: usize,
    /// The buffer: its first `filled` bytes are those of the file from `chunk_position` on.
    chunk: Vec<u8>,
    filled: usize,
    chunk_position: u64,
}

impl<'f> Window<'f> {
    fn new(file: &'f dyn DiskFile, end: u64, chunk_size: usize) -> Self {
        Self {
            file,
            end,
            chunk_size,
            chunk: Vec::new(),
            filled: 0,
            chunk_position: 0,
        }
    }

    /// The bytes from `position` on: at least `wanted` of them, unless the window's part of the file ends
    /// before.
    fn at(&mut self, position: u64, wanted: usize) -> io::Result<&[u8]> {
        let left = self.end.saturating_sub(position);
        let wanted = wanted.min(usize::try_from(left).unwrap_or(usize::MAX));
        let start = position
            .checked_sub(self.chunk_position)
            .and_then(|start| usize::try_from(start).ok())
            .filter(|&start| start <= self.filled)
            .unwrap_or(self.filled);
        if self.filled - start >= wanted {
            return Ok(&self.chunk[start..self.filled]);
        }
        // The beginning of a batch that lies across the chunk's end is kept, and not read again.
        self.chunk.copy_within(start..self.filled, 0);
        self.filled -= start;
        self.chunk_position = position;
        let size = usize::try_from(left.min(wanted.max(self.chunk_size) as u64))
            .expect("it is not more than a size");
        if self.chunk.len() < size {
            self.chunk.resize(size, 0);
        }
        let rest = &mut self.chunk[self.filled..size];
        let read = self.file.read_at(rest, position + self.filled as u64)?;
        self.filled += read;
        Ok(&self.chunk[..self.filled])
    }
}

/// Goes from header to header, and skips what lies between where it is in another chunk.
#[derive(Debug)]
pub(super) struct HeaderWalk<'f> {
    window: Window<'f>,
    position: u64,
}

impl<'f> HeaderWalk<'f> {
    /// A walk from the batch at `position`. The bytes from `end` on are not looked at.
    pub(super) fn new(file: &'f dyn DiskFile, position: u64, end: u64, chunk: usize) -> Self {
        Self {
            window: Window::new(file, end, chunk),
            position,
        }
    }

    /// The position of the next batch; behind the last one the end, or the beginning of a partial batch.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next whole batch; `None` at the end, and before a partial batch.
    pub(super) fn next(&mut self) -> Result<Option<Located>, WalkError> {
        let bytes = self.window.at(self.position, HEADER_SIZE)?;
        let Some(header) = BatchHeader::parse(bytes)? else {
            return Ok(None);
        };
        let located = Located {
            position: self.position,
            header,
        };
        if located.end() > self.window.end {
            return Ok(None);
        }
        self.position = located.end();
        Ok(Some(located))
    }

    /// The next batch whose last offset `reaches`; `None` if there is none.
    pub(super) fn find(
        &mut self,
        reaches: impl Fn(&BatchHeader) -> bool,
    ) -> Result<Option<Located>, WalkError> {
        while let Some(located) = self.next()? {
            if reaches(&located.header) {
                return Ok(Some(located));
            }
        }
        Ok(None)
    }
}

/// Goes from batch to batch, and reads each whole.
#[derive(Debug)]
pub(super) struct BatchWalk<'f> {
    window: Window<'f>,
    position: u64,
}

impl<'f> BatchWalk<'f> {
    /// A walk from the batch at `position`. The bytes from `end` on are not looked at.
    pub(super) fn new(file: &'f dyn DiskFile, position: u64, end: u64) -> Self {
        Self {
            window: Window::new(file, end, SCAN_CHUNK),
            position,
        }
    }

    /// As [`Self::new`], but reads `chunk` bytes at once.
    pub(super) fn with_chunk(
        file: &'f dyn DiskFile,
        position: u64,
        end: u64,
        chunk: usize,
    ) -> Self {
        Self {
            window: Window::new(file, end, chunk),
            position,
        }
    }

    /// The position of the next batch.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The position at which the walk ends.
    pub(super) fn end(&self) -> u64 {
        self.window.end
    }

    /// The next whole batch and its position; `None` at the end, and before a partial batch. Nothing but
    /// the batch's length was checked.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Batch<'_>)>, WalkError> {
        let position = self.position;
        let bytes = self.window.at(position, HEADER_SIZE)?;
        let Some(header) = BatchHeader::parse(bytes)? else {
            return Ok(None);
        };
        let end = position + header.size() as u64;
        if end > self.window.end {
            return Ok(None);
        }
        let bytes = self.window.at(position, header.size())?;
        let Some(batch) = Batch::first_of(bytes)? else {
            return Ok(None);
        };
        self.position = end;
        Ok(Some((position, batch)))
    }
}
