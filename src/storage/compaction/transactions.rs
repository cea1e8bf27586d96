//! What a pass knows of transactions. The data of an aborted one goes at once, its marker when nothing of
//! the transaction is left.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Offset, ProducerId};
use crate::records::control::EndTransactionMarker;
use crate::records::{Batch, BatchHeader};
use crate::storage::transaction_index::AbortedTransaction;

/// The transactions around the current batch. Batches come in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// Aborted transactions that begin further on.
    upcoming: BTreeMap<(Offset, ProducerId), AbortedTransaction>,
    /// Aborted transactions that are open here, and whether a batch of each was seen.
    aborted: BTreeMap<ProducerId, (AbortedTransaction, bool)>,
    /// Producers of which a batch was seen that belongs to a transaction which will be committed.
    committed: BTreeSet<ProducerId>,
    /// Aborted transactions whose marker stays: they belong in the index of the cleaned segment.
    kept: Vec<AbortedTransaction>,
}

impl Transactions {
    /// Learns of transactions that were aborted in the batches to come. A transaction may be told again as
    /// long as it has not ended.
    pub(super) fn add(&mut self, aborted: impl IntoIterator<Item = AbortedTransaction>) {
        for it in aborted {
            self.upcoming.insert((it.first_offset, it.producer_id), it);
        }
    }

    /// Learns of a data batch. Returns whether its transaction was aborted.
    pub(super) fn on_data(&mut self, batch: &BatchHeader) -> bool {
        self.begin_up_to(batch.last_offset());
        if !batch.is_transactional() {
            return false;
        }
        if let Some((_, was_seen)) = self.aborted.get_mut(&batch.producer_id()) {
            *was_seen = true;
            return true;
        }
        self.committed.insert(batch.producer_id());
        false
    }

    /// Learns of a control batch. Returns whether nothing is left of the transaction that it ends.
    pub(super) fn on_control(&mut self, batch: &Batch<'_>) -> bool {
        self.begin_up_to(batch.last_offset());
        if batch.record_count() == 0 {
            // An earlier pass emptied the marker, because nothing was left of its transaction.
            return true;
        }
        let producer_id = batch.producer_id();
        match EndTransactionMarker::of_batch(batch.header(), batch.record_bytes()) {
            Some(marker) if marker.committed => !self.committed.remove(&producer_id),
            Some(_) => match self.aborted.remove(&producer_id) {
                Some((aborted, true)) => {
                    self.kept.push(aborted);
                    false
                }
                _ => true,
            },
            None => false,
        }
    }

    /// Takes the aborted transactions whose markers were seen since the last call, and stay.
    pub(super) fn take_kept(&mut self) -> Vec<AbortedTransaction> {
        std::mem::take(&mut self.kept)
    }

    fn begin_up_to(&mut self, offset: Offset) {
        while let Some(entry) = self.upcoming.first_entry() {
            if entry.key().0 > offset {
                return;
            }
            let aborted = entry.remove();
            self.aborted
                .entry(aborted.producer_id)
                .or_insert((aborted, false));
        }
    }
}
