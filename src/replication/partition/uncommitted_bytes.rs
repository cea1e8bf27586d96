//! Counts how many bytes the high watermark passes when it moves, for Fetches that wait.

use std::collections::VecDeque;

use crate::model::Offset;

/// The sizes of batches that are appended but not committed.
#[derive(Debug, Default)]
pub(super) struct UncommittedBytes {
    /// The offset after each batch, ascending, and its size in bytes.
    waiting: VecDeque<(Offset, u64)>,
}

/// Beyond so many batches, sizes are added to the last entry: the count is a hint and need not be exact.
const LIMIT: usize = 1024;

impl UncommittedBytes {
    /// Notes batches that end at `end_offset`.
    pub(super) fn appended(&mut self, end_offset: Offset, bytes: u64) {
        if self.waiting.len() == LIMIT
            && let Some(last) = self.waiting.back_mut()
        {
            *last = (end_offset, last.1 + bytes);
        } else {
            self.waiting.push_back((end_offset, bytes));
        }
    }

    /// Takes out the batches below the high watermark, and returns their bytes.
    pub(super) fn committed(&mut self, high_watermark: Offset) -> u64 {
        let mut bytes = 0;
        while let Some(&(end_offset, size)) = self.waiting.front()
            && end_offset <= high_watermark
        {
            bytes += size;
            self.waiting.pop_front();
        }
        bytes
    }

    pub(super) fn clear(&mut self) {
        self.waiting = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_watermark_passed_is_counted_once() {
        let mut ledger = UncommittedBytes::default();
        for (end_offset, bytes) in [(1, 10), (5, 20), (6, 30)] {
            ledger.appended(Offset(end_offset), bytes);
        }

        assert_eq!(ledger.committed(Offset(0)), 0);
        assert_eq!(ledger.committed(Offset(5)), 30);
        assert_eq!(ledger.committed(Offset(5)), 0);
        assert_eq!(ledger.committed(Offset(9)), 30);
    }

    #[test]
    fn a_long_wait_takes_bounded_memory_and_loses_no_bytes() {
        let mut ledger = UncommittedBytes::default();
        for end_offset in 1..=10_000 {
            ledger.appended(Offset(end_offset), 1);
        }

        assert_eq!(ledger.waiting.len(), LIMIT);
        assert_eq!(ledger.committed(Offset(10_000)), 10_000);
    }
}
