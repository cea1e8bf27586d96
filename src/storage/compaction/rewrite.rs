//! Writes a group of segments again as one segment.

use std::ops::Range;

use super::error::CleanError;
use super::output::Output;
use super::pass::Pass;
use super::retain::{Fate, Rules};
use super::transactions::Transactions;
use crate::storage::batch_walk::BatchWalk;
use crate::storage::segment::Segment;

/// The output of a group, as far as it is written.
struct Draft {
    output: Option<Output>,
    /// How far the first segment stays as it is, as long as there is no output.
    same_up_to: u64,
}

impl Pass<'_> {
    /// Writes a group of segments again. `None` if it is one segment of which everything stays.
    pub(super) fn rewrite(
        &mut self,
        group: Range<usize>,
        rules: &Rules<'_>,
        transactions: &mut Transactions,
    ) -> Result<Option<Segment>, CleanError> {
        let mut draft = Draft {
            output: None,
            same_up_to: 0,
        };
        let written = self.draft(group, rules, transactions, &mut draft);
        match (written, draft.output) {
            (Ok(()), output) => Ok(output.map(Output::into_segment)),
            (Err(error), output) => {
                if let Some(output) = output {
                    output.discard();
                }
                Err(error)
            }
        }
    }

    fn draft(
        &mut self,
        group: Range<usize>,
        rules: &Rules<'_>,
        transactions: &mut Transactions,
        draft: &mut Draft,
    ) -> Result<(), CleanError> {
        let segments = &self.view.segment_list()[group.clone()];
        if segments.len() > 1 {
            self.begin(&segments[0], draft)?;
        }
        // Markers of an earlier group are in the index of that group's output.
        transactions.take_kept();
        for (index, segment) in group.zip(segments) {
            let all = self.view.segment_list();
            let next = all.get(index + 1).map(|next| next.base_offset());
            let end = next.unwrap_or(self.view.end_offset());
            let aborted = self.view.aborted_transactions(segment.base_offset(), end)?;
            transactions.add(aborted);
            self.rewrite_one(segment, rules, transactions, draft)?;
        }
        let last = &segments[segments.len() - 1];
        let aborted = transactions.take_kept();
        if draft.output.is_none() && last.all_aborted()? != aborted {
            self.begin(last, draft)?;
        }
        if let Some(output) = &mut draft.output {
            output.finish(&aborted, last.modified()?)?;
            self.summary.written_bytes += output.size();
        }
        Ok(())
    }

    fn rewrite_one(
        &mut self,
        segment: &Segment,
        rules: &Rules<'_>,
        transactions: &mut Transactions,
        draft: &mut Draft,
    ) -> Result<(), CleanError> {
        let mut out = std::mem::take(&mut self.out);
        let mut after = segment.base_offset() + -1;
        let end = segment.size();
        let mut walk = BatchWalk::with_chunk(&**segment.log(), 0, end, self.settings.io_bytes);
        while let Some((position, batch)) = self.next(segment, &mut walk, after)? {
            after = batch.last_offset();
            let place = (segment, position);
            let fate = self.decide(rules, transactions, place, &batch, &mut out)?;
            // Nothing is written before the first batch that changes: most old segments stay as they are.
            if draft.output.is_none() {
                if fate == Fate::Kept {
                    draft.same_up_to = position + batch.size() as u64;
                    continue;
                }
                self.begin(segment, draft)?;
            }
            let output = draft.output.as_mut().expect("it was begun");
            let written = match fate {
                Fate::Kept => output.append(batch.bytes())?,
                Fate::Changed => output.append(&out)?,
                Fate::Dropped => 0,
            };
            self.spend(written)?;
        }
        // One huge batch must not keep its memory for the rest of the pass.
        out.clear();
        out.shrink_to(self.settings.io_bytes);
        self.out = out;
        self.filter.release();
        Ok(())
    }

    /// Begins the output with the batches that stayed as they are so far.
    fn begin(&mut self, segment: &Segment, draft: &mut Draft) -> Result<(), CleanError> {
        let base_offset = segment.base_offset();
        let created = Output::create(
            self.folder,
            base_offset,
            &self.config,
            self.settings.io_bytes,
        );
        let output = draft.output.insert(created?);
        let end = draft.same_up_to;
        let mut after = base_offset + -1;
        let mut walk = BatchWalk::with_chunk(&**segment.log(), 0, end, self.settings.io_bytes);
        while let Some((_, batch)) = self.next(segment, &mut walk, after)? {
            after = batch.last_offset();
            let written = output.append(batch.bytes())?;
            self.spend(written)?;
        }
        Ok(())
    }
}
