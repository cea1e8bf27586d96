//! What metrics and the admin page show of groups: how many members each has, and where it stands. A part of
//! a shard at a time, so that nobody waits for long behind its lock.

use std::ops::Bound;

use super::GroupShard;
use crate::model::TopicId;
use crate::protocol::Str;

/// A group at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupGlance {
    /// The group's id: any text.
    pub id: Str,
    /// Its state, as Kafka names it.
    pub state: &'static str,
    /// How many members it has.
    pub members: usize,
    /// Where it stands.
    pub offsets: Vec<OffsetGlance>,
}

/// Where a group stands in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetGlance {
    /// The topic's name.
    pub topic: Str,
    /// The topic's id; zero if it is not known.
    pub topic_id: TopicId,
    /// The partition's index.
    pub partition: i32,
    /// The committed offset.
    pub offset: i64,
}

impl GroupShard {
    /// The groups behind the one with the id `after`, by id, as many as have `most` offsets and groups together,
    /// but one at least if there is any. No more than `most` offsets of one group.
    pub fn glance(&self, after: Option<&Str>, most: usize) -> Vec<GroupGlance> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut seen, mut left) = (Vec::new(), most);
        for group in self.groups_from(start) {
            let offsets: Vec<OffsetGlance> = group.offsets.glance().take(most).collect();
            if offsets.len() + 1 > left && !seen.is_empty() {
                break;
            }
            left = left.saturating_sub(offsets.len() + 1);
            seen.push(GroupGlance {
                id: group.classic.id().clone(),
                state: group.classic.state().name(),
                members: group.classic.member_count(),
                offsets,
            });
        }
        seen
    }
}
