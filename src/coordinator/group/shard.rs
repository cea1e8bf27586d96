//! A shard: all groups of one partition of `__consumer_offsets`, and the entries for what happens to it.
//! See the module's head for how it runs.

use std::sync::Arc;
use std::time::Instant;

use super::effects::Effects;
use super::request::{Caller, DeletedTopic, Moment, Request, TransactionOutcome};
use super::settings::GroupSettings;
use crate::model::{Offset, ProducerId};
use crate::protocol::ErrorCode;
use crate::protocol::messages::offsets_records::OffsetsRecord;

/// All groups of one partition of `__consumer_offsets`.
///
/// Loading: [`Self::new`], then [`Self::replay`] and [`Self::replay_transaction_end`] for all that is
/// in the log, then [`Self::begin`]. Running: [`Self::handle`], [`Self::on_deadline`],
/// [`Self::topics_deleted`], and [`Self::replay_transaction_end`] for markers. The end: [`Self::abandon`].
#[derive(Debug)]
pub struct GroupShard {
    settings: Arc<GroupSettings>,
    next_offset: Offset,
}

impl GroupShard {
    /// A shard that has not been loaded.
    pub fn new(settings: Arc<GroupSettings>) -> Self {
        Self {
            settings,
            next_offset: Offset::ZERO,
        }
    }

    /// Takes a record of the log into the state, while loading: in the order of offsets, which may
    /// have gaps. `producer_id` is that of a transactional batch, [`ProducerId::NONE`] otherwise.
    pub fn replay(&mut self, offset: Offset, producer_id: ProducerId, record: &OffsetsRecord) {
        let _ = (producer_id, record);
        self.next_offset = offset + 1;
    }

    /// Takes a transaction marker into the state, while loading, and when one was appended.
    pub fn replay_transaction_end(
        &mut self,
        offset: Offset,
        producer_id: ProducerId,
        outcome: TransactionOutcome,
    ) {
        let _ = (producer_id, outcome);
        self.next_offset = offset + 1;
    }

    /// The log is loaded: `next_offset` is its end. Starts the timers; may rebalance groups that are
    /// larger than the config allows by now.
    pub fn begin(&mut self, now: Moment, next_offset: Offset, effects: &mut Effects) {
        let _ = (now, effects);
        self.next_offset = next_offset;
    }

    /// The offset that the next record of this shard gets: the log's end, once all effects are
    /// carried out.
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// Changes what of the config the shard acts on, from the next input on.
    pub fn set_settings(&mut self, settings: Arc<GroupSettings>) {
        self.settings = settings;
    }

    /// Decides a request. The answer comes with these effects, or with those of a later input.
    pub fn handle(&mut self, now: Moment, caller: Caller, request: Request, effects: &mut Effects) {
        let _ = now;
        let refusal = request.refuse(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        effects.reply(caller.token, Offset::NONE, refusal);
    }

    /// Topics are gone, and with them their offsets.
    pub fn topics_deleted(&mut self, topics: &[DeletedTopic], effects: &mut Effects) {
        let _ = (topics, effects);
    }

    /// When [`Self::on_deadline`] has work to do, at the latest. It may turn out to have none.
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// Does what is due at `now`.
    pub fn on_deadline(&mut self, now: Moment, effects: &mut Effects) {
        let _ = (now, effects);
    }

    /// Answers everybody who waits in the shard with `error`. The shard is to be dropped: its state
    /// is that of records which may not have been written.
    pub fn abandon(self, error: ErrorCode, effects: &mut Effects) {
        let _ = (error, effects);
    }
}
