//! Memory that all shards of this broker share: a number of bytes that all of them draw on. A shard is
//! told before each input what is left; what it took is added after it. So inputs that run at the same
//! time may together take a little more, at most one group each.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What shards may still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpareBytes {
    /// For members, and the groups that they are in.
    pub members: usize,
    /// For offsets, and groups that nobody is in.
    pub offsets: usize,
}

impl SpareBytes {
    /// There is no limit.
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
    /// Nothing is used of `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
        }
    }

    /// How many bytes are left. What was loaded from a log may be more than the limit.
    pub(super) fn left(&self) -> usize {
        self.limit.saturating_sub(self.used.load(Ordering::Relaxed))
    }

    /// A shard that took `before` bytes takes `after` now.
    pub(super) fn change(&self, before: usize, after: usize) {
        if after > before {
            self.used.fetch_add(after - before, Ordering::Relaxed);
        } else if after < before {
            self.used.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}
