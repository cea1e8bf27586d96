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

    /// Whether nothing is left of it in the log, and nobody is about to join.
    pub(super) fn is_bare(&self) -> bool {
        self.offsets.is_empty() && self.foreign.is_none() && self.classic.is_bare()
    }
}
