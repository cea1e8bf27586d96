//! Fills the map with the newest offset of each key in the dirty part of a log.

use super::error::CleanError;
use super::offset_map::OffsetMap;
use super::pass::Pass;
use super::transactions::Transactions;
use crate::model::Offset;
use crate::records::{Batch, CURRENT_MAGIC, RECORDS_AT_ONCE, RecordsError};
use crate::storage::batch_walk::BatchWalk;
use crate::storage::segment::Segment;

impl Pass<'_> {
    /// Notes the keys from `first` on and below `end`, which is the base of a segment, as far as the map
    /// has room. Returns the offset below which all keys are noted.
    pub(super) fn fill(
        &mut self,
        map: &mut OffsetMap,
        first: Offset,
        end: Offset,
    ) -> Result<Offset, CleanError> {
        let view = self.view;
        let mut transactions = Transactions::default();
        transactions.add(view.aborted_transactions(first, end)?);
        let mut complete = first;
        let segments = view.segment_list();
        let from = view.index_of(first).unwrap_or(0);
        for (index, segment) in segments.iter().enumerate().skip(from) {
            if segment.base_offset() >= end {
                break;
            }
            let next = segments.get(index + 1).map_or(end, |it| it.base_offset());
            let is_full =
                self.fill_from(segment, map, &mut transactions, (first, &mut complete))?;
            if is_full {
                break;
            }
            complete = complete.max(next.min(end));
        }
        // A pass that notes nothing would be the same the next time, and so on for ever.
        if complete == first {
            let capacity = map.capacity();
            return Err(CleanError::MapTooSmall { capacity });
        }
        Ok(complete)
    }

    /// Notes the keys of one segment. Returns whether the map is full.
    fn fill_from(
        &mut self,
        segment: &Segment,
        map: &mut OffsetMap,
        transactions: &mut Transactions,
        (first, complete): (Offset, &mut Offset),
    ) -> Result<bool, CleanError> {
        let end = segment.size();
        let Some(found) = segment.find(first, end)? else {
            return Ok(false);
        };
        let start = found.batch.position;
        let mut after = found.batch.header.base_offset() + -1;
        let mut walk = BatchWalk::with_chunk(&**segment.log(), start, end, self.settings.io_bytes);
        while let Some((position, batch)) = self.next(segment, &mut walk, after)? {
            after = batch.last_offset();
            if batch.is_control() {
                transactions.on_control(&batch);
            } else if batch.magic() < CURRENT_MAGIC {
                self.note_legacy(segment);
            // Records of an aborted transaction supersede nothing.
            } else if !transactions.on_data(&batch) {
                match self.note_keys(map, &batch, first) {
                    Ok(true) => return Ok(true),
                    Ok(false) => {}
                    Err(reason) => return Err(unreadable(segment, position, reason)),
                }
            }
            *complete = (*complete).max(batch.next_offset());
        }
        Ok(false)
    }

    fn note_keys(
        &mut self,
        map: &mut OffsetMap,
        batch: &Batch<'_>,
        first: Offset,
    ) -> Result<bool, RecordsError> {
        let mut records = batch.records(self.filter.scratch())?;
        let mut is_done = false;
        while !is_done {
            let mut keys = [None; RECORDS_AT_ONCE];
            for entry in &mut keys {
                let Some(record) = records.next().transpose()? else {
                    is_done = true;
                    break;
                };
                let key = record.key().filter(|_| record.offset() >= first);
                *entry = key.map(|key| (key, record.offset()));
            }
            if map.put_all(keys).is_err() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(super) fn unreadable(segment: &Segment, position: u64, reason: RecordsError) -> CleanError {
    CleanError::Unreadable {
        path: segment.log_path(),
        position,
        reason,
    }
}
