//! Goes through the batches of a segment's file: by their headers alone, or whole.

use std::io;

use super::disk::DiskFile;
use crate::records::{Batch, BatchHeader, HEADER_SIZE, RecordsError};

/// Why a walk ended before the end.
#[derive(Debug)]
pub(super) enum WalkError {
    /// The disk failed.
    Disk(io::Error),
    /// What is there is no batch.
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
    /// Where the next batch begins.
    pub(super) fn end(&self) -> u64 {
        self.position + self.header.size() as u64
    }
}

/// How much a walk reads at once when it looks for one batch near by.
pub(super) const LOOKUP_CHUNK: usize = 4096;
/// How much a walk reads at once when it goes through a large part of the file.
pub(super) const SCAN_CHUNK: usize = 256 * 1024;

/// A part of a file, read in chunks from the front to the back.
#[derive(Debug)]
struct Window<'f> {
    file: &'f dyn DiskFile,
    end: u64,
    chunk_size: usize,
    /// Of this, the first `filled` bytes are what the file has from `chunk_position` on.
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

    /// The bytes from `position` on: at least `wanted` of them unless the part ends before.
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
        // What is there of a batch that lies across the chunk's end is not read again.
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

/// Goes from header to header without reading what lies between, as far as chunks allow.
#[derive(Debug)]
pub(super) struct HeaderWalk<'f> {
    window: Window<'f>,
    position: u64,
}

impl<'f> HeaderWalk<'f> {
    /// Begins at the batch at `position`. The bytes from `end` on are not looked at.
    pub(super) fn new(file: &'f dyn DiskFile, position: u64, end: u64, chunk: usize) -> Self {
        Self {
            window: Window::new(file, end, chunk),
            position,
        }
    }

    /// Where the next batch begins: after the last, the end, or a partial batch.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next whole batch; `None` at the end and before a partial one.
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

/// Goes from batch to batch, reading all of each.
#[derive(Debug)]
pub(super) struct BatchWalk<'f> {
    window: Window<'f>,
    position: u64,
}

impl<'f> BatchWalk<'f> {
    /// Begins at the batch at `position`. The bytes from `end` on are not looked at.
    pub(super) fn new(file: &'f dyn DiskFile, position: u64, end: u64) -> Self {
        Self {
            window: Window::new(file, end, SCAN_CHUNK),
            position,
        }
    }

    /// As [`Self::new`], reading `chunk` bytes at once.
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

    /// Where the next batch begins.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Where the walk ends.
    pub(super) fn end(&self) -> u64 {
        self.window.end
    }

    /// The next whole batch and its position; `None` at the end and before a partial one. Only its
    /// length was checked.
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
