//! All that a shard holds under one group id: a classic group (perhaps an empty one that exists only
//! for its offsets), its offsets, and what a group of another type left in the log.

use super::classic::ClassicGroup;
use super::foreign::ForeignGroup;
use super::offsets::Offsets;
use crate::model::Offset;
use crate::protocol::Str;

/// All that a shard holds under one group id.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) classic: ClassicGroup,
    pub(super) offsets: Offsets,
    pub(super) foreign: Option<Box<ForeignGroup>>,
    /// The last record that concerns the group; what reads it rests on that.
    pub(super) last_offset: Offset,
}

impl Group {
    pub(super) fn new(id: Str) -> Self {
        Self {
            classic: ClassicGroup::new(id),
            offsets: Offsets::default(),
            foreign: None,
            last_offset: Offset::NONE,
        }
    }

    /// The bytes that the group's offsets take in memory, and the keys that a group of another type has
    /// left; with the group itself, but while it has members: then it counts among those.
    pub(super) fn offset_bytes(&self) -> usize {
        let own = if self.classic.member_bytes() == 0 {
            group_bytes(self.classic.id())
        } else {
            0
        };
        let foreign = self.foreign.as_ref().map_or(0, |foreign| foreign.bytes());
        own + self.offsets.bytes() + foreign
    }

    /// Whether nothing is left of it in the log, and nobody is about to join.
    pub(super) fn is_bare(&self) -> bool {
        self.offsets.is_empty() && self.foreign.is_none() && self.classic.is_bare()
    }
}

/// What a group with this id takes in memory that nobody is in, without its offsets: its place in a
/// tree that is two thirds full, and its id, once.
pub(super) fn group_bytes(id: &str) -> usize {
    let place = size_of::<(Str, Group)>();
    place + place / 2 + id.len()
}
