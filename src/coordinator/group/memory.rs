//! The memory that members of groups may take, over all shards of this broker: one number that all
//! of them draw on. A shard is told before each input what is left; what it took is added after it.
//! So inputs that run at the same time may together take a little more, at most one group each.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The most bytes that members of all groups take: 128 MiB. That is room for about 100,000 of usual
/// size; the last 16 MiB are for those that are there. Kafka has no such limit.
pub(super) const MAX_MEMBER_BYTES: usize = 128 << 20;

/// The memory of members.
#[derive(Debug)]
pub(super) struct MemberMemory {
    limit: usize,
    used: AtomicUsize,
}

impl MemberMemory {
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
        if after >= before {
            self.used.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.used.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}
