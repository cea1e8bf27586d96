//! The aborted transactions of a segment: written as they end, read for readers of committed data, and
//! compared once with the batches, because their file has no checksum.

use std::io;
use std::sync::atomic::Ordering;

use super::super::error::StorageError;
use super::super::folder::FileKind;
use super::super::transaction_index::{AbortedTransaction, Collected, TransactionIndex};
use super::Segment;
use crate::model::Offset;

impl Segment {
    /// Opens the index of aborted transactions. Returns false if it was damaged, and is removed.
    pub(in super::super) fn load_aborted(&self) -> Result<bool, StorageError> {
        let path = self.path(FileKind::TransactionIndex);
        let disk = self.folder.disk();
        let opened = TransactionIndex::open(disk, &path).and_then(|index| {
            index.check(self.base_offset)?;
            Ok(index)
        });
        match opened {
            Ok(index) => {
                *self.transactions.lock() = index;
                self.aborts_checked.store(false, Ordering::Release);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                disk.remove(&path).map_err(self.io("delete"))?;
                Ok(false)
            }
            Err(error) => Err(self.io("read")(error)),
        }
    }

    /// Adds a transaction that ended in this segment by an abort.
    pub(in super::super) fn append_aborted(
        &self,
        entry: &AbortedTransaction,
    ) -> Result<(), StorageError> {
        let path = self.path(FileKind::TransactionIndex);
        let mut transactions = self.transactions.lock();
        transactions
            .append(self.folder.disk(), &path, entry)
            .map_err(|error| StorageError::io("write", &path, error))
    }

    /// Forgets the transactions that were aborted at `from` or above.
    pub(in super::super) fn clear_aborted(&self, from: Offset) -> Result<(), StorageError> {
        let mut transactions = self.transactions.lock();
        transactions.truncate_to(from).map_err(self.io("cut"))
    }

    /// How many bytes the index of aborted transactions has.
    pub(in super::super) fn aborts_bytes(&self) -> u64 {
        self.transactions.lock().bytes()
    }

    /// Whether the index was compared with the batches.
    pub(in super::super) fn aborts_are_checked(&self) -> bool {
        self.aborts_checked.load(Ordering::Acquire)
    }

    /// Compares the index with `told`, the transactions that the batches say were aborted below `end`, and
    /// writes it again if they differ.
    pub(in super::super) fn check_aborts(
        &self,
        mut told: Vec<AbortedTransaction>,
        end: Offset,
    ) -> Result<(), StorageError> {
        let path = self.path(FileKind::TransactionIndex);
        let mut transactions = self.transactions.lock();
        self.check_in_use()?;
        let all = transactions.all().map_err(self.io("read"))?;
        // Transactions that were aborted since the batches were read.
        for entry in all.iter().filter(|entry| entry.last_offset >= end) {
            let marker = self.find(entry.last_offset, self.size())?;
            if marker.is_some_and(|it| it.batch.header.last_offset() == entry.last_offset) {
                told.push(*entry);
            }
        }
        if all != told {
            tracing::warn!(index = %path.display(), "making an index of aborted transactions again");
            let disk = self.folder.disk();
            let removed = disk.remove(&path);
            removed.map_err(|error| StorageError::io("delete", &path, error))?;
            *transactions = TransactionIndex::default();
            for entry in &told {
                let appended = transactions.append(disk, &path, entry);
                appended.map_err(|error| StorageError::io("write", &path, error))?;
            }
        }
        self.aborts_checked.store(true, Ordering::Release);
        Ok(())
    }

    /// The aborted transactions that a read of `[from, up_to)` must know of.
    pub(in super::super) fn aborted(
        &self,
        from: Offset,
        up_to: Offset,
    ) -> Result<Collected, StorageError> {
        let transactions = self.transactions.lock();
        transactions.collect(from, up_to).map_err(self.io("read"))
    }
}
