//! Clients that were given a member id and have not joined with it yet (KIP-394), and what they take in
//! memory: a client that asks for ids without end is refused like one that joins without end.

use std::collections::BTreeMap;

use crate::coordinator::group::timers::Deadline;
use crate::protocol::Str;

/// The bytes of a pending member besides its id: its entries here and among the timers.
const FIXED_BYTES: usize = 256;

/// Pending members, each with the time at which it is forgotten.
#[derive(Debug, Default)]
pub(super) struct Pending {
    deadlines: BTreeMap<Str, Deadline>,
    bytes: usize,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.deadlines.is_empty()
    }

    /// The bytes that all pending members take in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn get(&self, id: &str) -> Option<&Deadline> {
        self.deadlines.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Deadline> {
        self.deadlines.get_mut(id)
    }

    /// The id in the copy that is kept here, if it is pending.
    pub(super) fn id(&self, id: &str) -> Option<&Str> {
        self.deadlines.get_key_value(id).map(|(id, _)| id)
    }

    /// Adds an id that is new.
    pub(super) fn insert(&mut self, id: Str, deadline: Deadline) {
        self.bytes += bytes_of(&id);
        let previous = self.deadlines.insert(id, deadline);
        assert!(previous.is_none(), "an id is given once");
    }

    /// Forgets an id. Returns whether it was pending.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let is_removed = self.deadlines.remove(id).is_some();
        if is_removed {
            self.bytes -= bytes_of(id);
        }
        is_removed
    }
}

/// The bytes of one pending member: the id is kept here and by its timer.
pub(super) fn bytes_of(id: &str) -> usize {
    FIXED_BYTES + id.len()
}
