//! Decides which batches and records stay.

use super::error::CleanError;
use super::fill::unreadable;
use super::offset_map::OffsetMap;
use super::pass::{LastWrites, Pass};
use super::transactions::Transactions;
use crate::model::{Offset, Timestamp};
use crate::records::{
    Batch, BatchHeader, CURRENT_MAGIC, Filtered, RECORDS_AT_ONCE, RecordFilter, RecordGroup,
};
use crate::storage::segment::Segment;

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The batch stays as it is.
    Kept,
    /// Other bytes take its place.
    Changed,
    /// Nothing of the batch stays.
    Dropped,
}

/// What the decisions of a pass rest on.
pub(super) struct Rules<'m> {
    pub(super) map: &'m OffsetMap,
    /// The end of the dirty part: records from here on are not in the map, and stay.
    pub(super) end: Offset,
    /// The end of the group: the batch that reaches it stays, even if it is empty, to keep its offsets.
    pub(super) upper_bound: Offset,
    pub(super) last_writes: LastWrites,
    pub(super) now: Timestamp,
    /// The delete horizon that tombstones get which are met for the first time.
    pub(super) horizon: Timestamp,
}

impl Rules<'_> {
    /// Which records of a batch stay. `is_past_horizon` says whether its tombstones have outlived their
    /// horizon.
    #[inline]
    fn keeps(&self, group: &RecordGroup<'_>, is_past_horizon: bool) -> [bool; RECORDS_AT_ONCE] {
        let newest = self.map.get_all(group.map(|record| record?.key()));
        std::array::from_fn(|index| {
            let Some(record) = &group[index] else {
                return false;
            };
            if record.offset() >= self.end {
                return true;
            }
            let is_over = record.value().is_none() && is_past_horizon;
            let is_newest = newest[index].is_none_or(|newest| record.offset() >= newest);
            record.key().is_some() && !is_over && is_newest
        })
    }

    /// Whether a batch must stay though it is empty: the last batch of a producer tells the sequence number
    /// or epoch that its next write must follow.
    fn keeps_empty(&self, batch: &BatchHeader) -> bool {
        if batch.next_offset() == self.upper_bound {
            return true;
        }
        let last = batch
            .has_producer_id()
            .then(|| self.last_writes.get(&batch.producer_id()))
            .flatten();
        match last {
            Some((Some(last_data), _)) => batch.last_offset() == *last_data,
            Some((None, epoch)) => batch.is_control() && batch.producer_epoch() == *epoch,
            None => false,
        }
    }
}

impl Pass<'_> {
    /// Decides on a batch. If it is changed, `out` has the new bytes.
    pub(super) fn decide(
        &mut self,
        rules: &Rules<'_>,
        transactions: &mut Transactions,
        (segment, position): (&Segment, u64),
        batch: &Batch<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Fate, CleanError> {
        out.clear();
        if batch.magic() < CURRENT_MAGIC {
            self.note_legacy(segment);
            return Ok(Fate::Kept);
        }
        let is_control = batch.is_control();
        let is_over = if is_control {
            transactions.on_control(batch)
        } else {
            transactions.on_data(batch)
        };
        let is_past_horizon = batch.delete_horizon().is_some_and(|it| it <= rules.now);
        // A marker stays until its horizon, even with nothing left of its transaction: a reader that has
        // seen the data must find out how it ended.
        let goes = is_over && (!is_control || is_past_horizon);
        let keeps_empty = rules.keeps_empty(batch);
        if goes && !keeps_empty {
            return Ok(Fate::Dropped);
        }
        // Beyond the map nothing is known of keys. Control batches are decided everywhere, by their
        // transaction.
        if !goes && !is_control && batch.base_offset() >= rules.end {
            return Ok(Fate::Kept);
        }
        let filtered = if goes {
            Ok(Filtered::Empty)
        } else {
            let keep = |group: &RecordGroup<'_>| {
                if is_control {
                    [true; RECORDS_AT_ONCE]
                } else {
                    rules.keeps(group, is_past_horizon)
                }
            };
            // A marker that is over gets its horizon now, and goes in a pass after it.
            let needs_horizon = is_control && is_over;
            self.filter
                .filter(batch, rules.horizon, needs_horizon, keep, out)
        };
        match filtered.map_err(|reason| unreadable(segment, position, reason))? {
            Filtered::Unchanged => Ok(Fate::Kept),
            Filtered::Rewritten => Ok(Fate::Changed),
            Filtered::Empty if !keeps_empty => Ok(Fate::Dropped),
            Filtered::Empty => {
                RecordFilter::write_empty(batch, out);
                // Bytes that would be written again unchanged must not make a new segment.
                Ok(if out == batch.bytes() {
                    Fate::Kept
                } else {
                    Fate::Changed
                })
            }
        }
    }
}
