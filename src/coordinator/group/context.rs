//! What a group is given along with an input: the time, the limits, and where its effects go.

use std::time::Duration;

use super::answer::Answer;
use super::effects::Effects;
use super::memory::SpareBytes;
use super::settings::GroupSettings;
use super::timers::Timers;
use crate::coordinator::shard::Moment;
use crate::coordinator::shard::Token;
use crate::model::Offset;
use crate::protocol::messages::offsets_records::OffsetsRecord;

/// What a group is given along with an input.
pub(super) struct Context<'a> {
    pub(super) now: Moment,
    pub(super) settings: &'a GroupSettings,
    pub(super) timers: &'a mut Timers,
    pub(super) effects: &'a mut Effects,
    pub(super) next_offset: &'a mut Offset,
    /// How many more bytes all shards may take.
    pub(super) spare_bytes: SpareBytes,
    /// Counts the rebalances that ended with an assignment.
    pub(super) rebalances: &'a mut u64,
    /// Counts requests that were refused because the members of all shards leave no room.
    pub(super) refused_members: &'a mut u64,
}

impl Context<'_> {
    /// Gives a record to the runtime; the caller has replayed it. Returns its offset.
    pub(super) fn append(&mut self, record: OffsetsRecord) -> Offset {
        let offset = *self.next_offset;
        *self.next_offset = offset + 1;
        self.effects.records.push(record);
        offset
    }

    /// Sends an answer that does not depend on unwritten records.
    pub(super) fn reply(&mut self, token: Token, answer: impl Into<Answer>) {
        self.effects.reply(token, Offset::NONE, answer);
    }
}

/// A time-out of the protocol, in milliseconds; a negative one means 0.
pub(super) fn timeout(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
