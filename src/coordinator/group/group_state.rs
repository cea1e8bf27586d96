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
    /// The offset of the last record about the group: answers that read the group rest on it.
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

    /// The bytes that the group's offsets take in memory, with the keys that a group of another type has
    /// left, and with the group itself unless it has members: then that counts among the members'.
    pub(super) fn offset_bytes(&self) -> usize {
        let own = if self.classic.member_bytes() == 0 {
            group_bytes(self.classic.id())
        } else {
            0
        };
        let foreign = self.foreign.as_ref().map_or(0, |foreign| foreign.bytes());
        own + self.offsets.bytes() + foreign
    }

    /// Whether the log has nothing of the group, and nobody is about to join it.
    pub(super) fn is_bare(&self) -> bool {
        self.offsets.is_empty() && self.foreign.is_none() && self.classic.is_bare()
    }
}

/// The bytes that a group with this id takes in memory if nobody is in it, without its offsets: its entry
/// in a tree that is two thirds full, and its id once.
pub(super) fn group_bytes(id: &str) -> usize {
    let place = size_of::<(Str, Group)>();
    place + place / 2 + id.len()
}
