//! What a batch means to the state of its producer: read from its header, and for a marker from its record.

use crate::records::BatchHeader;
use crate::records::control::EndTransactionMarker;
use crate::storage::batch_walk::Located;
use crate::storage::error::StorageError;
use crate::storage::producer_state::{
    CompletedTransaction, ProducerBatch, ProducerState, TransactionMarker,
};
use crate::storage::segment::Segment;

/// What the producer state learns of a batch.
#[derive(Debug)]
pub(super) enum Produced {
    /// The batch has no producer.
    Nothing,
    Data(ProducerBatch),
    Marker(TransactionMarker),
}

impl Produced {
    /// `records` are the bytes behind the header. A marker that cannot be read ends no transaction.
    pub(super) fn of(header: &BatchHeader, records: &[u8]) -> Self {
        if !header.has_producer_id() {
            return Self::Nothing;
        }
        if !header.is_control() {
            return Self::Data(ProducerBatch {
                producer_id: header.producer_id(),
                producer_epoch: header.producer_epoch(),
                first_sequence: header.base_sequence(),
                last_sequence: header.last_sequence(),
                first_offset: header.base_offset(),
                last_offset: header.last_offset(),
                max_timestamp: header.max_timestamp(),
                transactional: header.is_transactional(),
            });
        }
        EndTransactionMarker::of_batch(header, records).map_or(Self::Nothing, |marker| {
            Self::Marker(TransactionMarker {
                producer_id: header.producer_id(),
                producer_epoch: header.producer_epoch(),
                coordinator_epoch: marker.coordinator_epoch,
                offset: header.last_offset(),
                timestamp: header.max_timestamp(),
                aborted: !marker.committed,
            })
        })
    }

    /// As [`Self::of`], for a batch that is in the log. Only a control batch is read.
    pub(super) fn of_located(segment: &Segment, batch: &Located) -> Result<Self, StorageError> {
        if batch.header.has_producer_id() && batch.header.is_control() {
            return segment.with_whole(batch, |whole| {
                Self::of(whole.header(), whole.record_bytes())
            });
        }
        Ok(Self::of(&batch.header, &[]))
    }

    /// Notes it, and returns the transaction that it ended, if it ended one.
    pub(super) fn apply(&self, producers: &mut ProducerState) -> Option<CompletedTransaction> {
        match self {
            Self::Nothing => None,
            Self::Data(batch) => {
                producers.append(batch);
                None
            }
            Self::Marker(marker) => producers.append_marker(marker),
        }
    }
}
