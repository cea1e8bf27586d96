//! The buffers that all decoders use: bytes to read from, and an output that grows up to a limit.

use super::large::{KEPT, LARGE_BATCHES, LargeShare};

/// Why a stream could not be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Corrupt(&'static str),
    TooLarge,
}

/// How well-formed a stream is that could be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The stream is as its format demands.
    Strict,
    /// The stream has something that Java's reader does not look at, but other readers refuse.
    Lax,
}

/// The compressed bytes that were not read yet.
pub(super) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn take(&mut self, size: usize) -> Result<&'a [u8], Failure> {
        let (taken, rest) = self
            .rest
            .split_at_checked(size)
            .ok_or(Failure::Corrupt("stream is cut off"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Failure> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u32(&mut self) -> Result<u32, Failure> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes(
            bytes.try_into().expect("four bytes were taken"),
        ))
    }

    /// Reads a little-endian number of up to 8 bytes.
    pub(super) fn little_endian(&mut self, size: usize) -> Result<u64, Failure> {
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(self.take(size)?);
        Ok(u64::from_le_bytes(bytes))
    }
}

/// The decompressed bytes so far. The buffer is longer: the bytes behind them are left from earlier use.
#[derive(Debug)]
pub(super) struct Output {
    buffer: Vec<u8>,
    pub(super) filled: usize,
    limit: usize,
    /// The buffer's share of the memory for large batches.
    share: LargeShare,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            buffer: Vec::new(),
            filled: 0,
            limit: 0,
            share: LargeShare::none_of(&LARGE_BATCHES),
        }
    }
}

impl Output {
    /// Begins anew. The memory of a large batch is given back first, so that no thread waits for memory
    /// while it holds some.
    pub(super) fn clear(&mut self, limit: usize) {
        self.release();
        self.filled = 0;
        self.limit = limit;
    }

    pub(super) fn filled(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// The bytes of the buffer.
    pub(super) fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Gives the buffer back, if it is larger than what threads keep.
    pub(super) fn release(&mut self) {
        if self.buffer.len() > KEPT {
            self.buffer = Vec::new();
            self.filled = 0;
            self.share.give_back();
        }
    }

    /// Room for `size` more bytes: less where the limit is nearer, none at the limit.
    pub(super) fn room(&mut self, size: usize) -> &mut [u8] {
        let end = self.filled.saturating_add(size).min(self.limit);
        if end > self.buffer.len() {
            // Doubling keeps copies rare when a codec does not tell its size.
            let doubled = self.buffer.len().saturating_mul(2).min(self.limit);
            let size = end.max(doubled);
            self.share.grow_to(size);
            self.buffer.resize(size, 0);
        }
        &mut self.buffer[self.filled..end]
    }

    /// Room for exactly `size` more bytes.
    pub(super) fn exact_room(&mut self, size: usize) -> Result<&mut [u8], Failure> {
        if size > self.limit - self.filled {
            return Err(Failure::TooLarge);
        }
        Ok(self.room(size))
    }

    /// Adds bytes that are not compressed.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.exact_room(bytes.len())?.copy_from_slice(bytes);
        self.advance(bytes.len());
        Ok(())
    }

    /// Notes that the first `size` bytes of the room were filled.
    pub(super) fn advance(&mut self, size: usize) {
        self.filled += size;
    }
}

#[cfg(test)]
mod tests {
    use super::super::large::LargeMemory;
    use super::*;

    #[test]
    fn only_a_buffer_that_is_not_kept_takes_of_the_memory_for_large_batches() {
        static MEMORY: LargeMemory = LargeMemory::new(1 << 30);
        let mut output = Output {
            share: LargeShare::none_of(&MEMORY),
            ..Output::default()
        };

        output.clear(usize::MAX);
        output.room(KEPT);
        assert_eq!(MEMORY.used(), 0);
        output.advance(KEPT);
        output.room(1);
        assert_eq!(MEMORY.used(), output.held());
        output.release();
        assert_eq!(MEMORY.used(), 0);

        output.clear(usize::MAX);
        output.room(2 * KEPT);
        output.clear(usize::MAX);
        assert_eq!(MEMORY.used(), 0, "the next batch begins with nothing");
    }
}
