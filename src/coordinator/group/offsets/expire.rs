//! Decides which offsets, and which groups, have expired.
//!
//! A classic group keeps all offsets while it has members; once it is empty, they are kept for the
//! retention. A Stable consumer group loses the offsets of topics that no member subscribes to, that long
//! after their commit; so does a group that only commits. An offset that came with its own expiry time
//! expires then. Nothing expires under an open transaction, nor in a group of a type that is not served. A
//! group that is empty and has no offsets expires as well.

use std::ops::Bound;

use super::CommittedOffset;
use super::delete::tombstone;
use crate::coordinator::group::GroupShard;
use crate::coordinator::group::classic::{ClassicGroup, State};
use crate::coordinator::group::effects::Effects;
use crate::coordinator::group::group_state::Group;
use crate::coordinator::shard::Moment;
use crate::model::Timestamp;
use crate::protocol::Str;
use crate::protocol::messages::offsets_records::{GroupMetadataKey, OffsetsRecord};

/// How many groups are looked at in one turn, before other inputs get theirs.
const GROUPS_PER_TURN: usize = 200;

/// The moment from which an offset's retention counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retention {
    /// Since the group became empty.
    Since(Timestamp),
    /// Since the offset was committed.
    SinceCommit,
    /// Never: members need the offset.
    Kept,
}

impl GroupShard {
    /// Removes what has expired in some groups: those after the group `from`. Returns the group after which
    /// to go on; `None` when all were looked at.
    pub(in crate::coordinator::group) fn expire(
        &mut self,
        now: Moment,
        from: Option<&Str>,
        effects: &mut Effects,
    ) -> Option<Str> {
        let start = from.map_or(Bound::Unbounded, Bound::Excluded);
        let retention_ms = self.settings().offsets_retention_ms;
        let mut records = Vec::new();
        let mut last = None;
        let mut looked_at = 0;
        for group in self.groups_from(start).take(GROUPS_PER_TURN) {
            group.expire(now.timestamp, retention_ms, &mut records);
            last = Some(group.classic.id().clone());
            looked_at += 1;
        }
        let is_offset = |record: &&OffsetsRecord| matches!(record, OffsetsRecord::OffsetCommit(..));
        let expired = records.iter().filter(is_offset).count();
        self.tally_mut().expired_offsets += expired as u64;
        self.emit(records, effects);
        last.filter(|_| looked_at == GROUPS_PER_TURN)
    }
}

impl Group {
    /// Adds the tombstones of what has expired, with that of the group if nothing else is left of it.
    fn expire(&self, now: Timestamp, retention_ms: i64, records: &mut Vec<OffsetsRecord>) {
        if self.foreign.is_some() {
            return;
        }
        let mut is_all = self.offsets.pending.is_empty();
        let retention = retention(&self.classic);
        let subscriptions = self.classic.subscriptions();
        for (topic, partitions) in self.offsets.committed.iter() {
            for (&partition, offset) in partitions {
                let expires = retention != Retention::Kept
                    && !subscriptions.contains(topic)
                    && is_expired(offset, retention, now, retention_ms)
                    && !self.offsets.is_pending(topic, partition);
                if expires {
                    records.push(tombstone(self.classic.id(), topic, partition));
                } else {
                    is_all = false;
                }
            }
        }
        // A group that exists only for its offsets goes with the last of them.
        if is_all && self.classic.is_expendable() && self.classic.is_written() {
            let group = self.classic.id().clone();
            records.push(OffsetsRecord::GroupMetadata(
                GroupMetadataKey { group },
                None,
            ));
        }
    }
}

fn retention(group: &ClassicGroup) -> Retention {
    match (group.protocol_type(), group.state()) {
        (None, _) => Retention::SinceCommit,
        (Some(_), State::Empty) if group.state_timestamp() == Timestamp::NONE => {
            Retention::SinceCommit
        }
        (Some(_), State::Empty) => Retention::Since(group.state_timestamp()),
        (Some(_), State::Stable) if group.subscriptions().are_known() => Retention::SinceCommit,
        (Some(_), _) => Retention::Kept,
    }
}

fn is_expired(
    offset: &CommittedOffset,
    retention: Retention,
    now: Timestamp,
    retention_ms: i64,
) -> bool {
    if offset.expire_timestamp >= 0 {
        return now.0 >= offset.expire_timestamp;
    }
    let since = match retention {
        Retention::Since(timestamp) => timestamp.0,
        Retention::SinceCommit => offset.commit_timestamp,
        Retention::Kept => return false,
    };
    now.0.saturating_sub(since) >= retention_ms
}
