//! Memory that all shards of this broker share: a number of bytes on which all of them draw. A shard is
//! told before each input how many are left, and what it took is added afterwards. So inputs that run at
//! the same time may together take a little more: at most one group each.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes shards may still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpareBytes {
    /// The bytes left for members, and the groups that they are in.
    pub members: usize,
    /// The bytes left for offsets, and groups without members.
    pub offsets: usize,
}

impl SpareBytes {
    /// No limit.
    pub const UNLIMITED: Self = Self {
        members: usize::MAX,
        offsets: usize::MAX,
    };
}

/// A number of bytes that all shards draw on.
#[derive(Debug)]
pub(super) struct SharedMemory {
    limit: usize,
    used: AtomicUsize,
}

impl SharedMemory {
    /// A budget of `limit` bytes, of which nothing is used.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
        }
    }

    /// How many bytes are left. Loading may have taken more than the limit.
    pub(super) fn left(&self) -> usize {
        self.limit.saturating_sub(self.used.load(Ordering::Relaxed))
    }

    /// Notes that a shard which took `before` bytes takes `after` now.
    pub(super) fn change(&self, before: usize, after: usize) {
        if after > before {
            self.used.fetch_add(after - before, Ordering::Relaxed);
        } else if after < before {
            self.used.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}
