//! How far a partition is committed: a pure function of how far its replicas are.
//!
//! The high watermark is the smallest log end offset of the replicas that must have a record before
//! it counts: those in sync, those about to be, and the leader itself. It stands still while fewer
//! than `min.insync.replicas` are in sync (KIP-966), and never goes back.

use crate::model::Offset;

/// What the computation needs of the leader.
#[derive(Clone, Copy, Debug)]
pub struct Leader {
    /// The current high watermark.
    pub high_watermark: Offset,
    /// The end of the leader's own log; with `flush.messages=1` the end of what is on stable storage.
    pub end_offset: Offset,
    /// How many replicas the controller says are in sync, the leader among them.
    pub in_sync_count: usize,
    /// The smaller of `min.insync.replicas` and the number of replicas.
    pub min_in_sync: usize,
}

/// What the computation needs of a follower.
#[derive(Clone, Copy, Debug)]
pub struct Follower {
    /// The log end offset of its last fetch; [`Offset::NONE`] if it has not fetched yet.
    pub end_offset: Offset,
    /// Whether a record counts only when this follower has it: it is in sync, or the controller was asked
    /// to add it, or it has caught up and may be added. Without waiting for the last kind, a follower that
    /// is nearly there would never catch up with a busy leader.
    pub must_have: bool,
}

/// The new high watermark: at or above the current one.
pub fn advanced(leader: &Leader, followers: impl Iterator<Item = Follower>) -> Offset {
    if leader.in_sync_count < leader.min_in_sync {
        return leader.high_watermark;
    }
    followers
        .filter(|follower| follower.must_have)
        .map(|follower| follower.end_offset)
        .fold(leader.end_offset, Offset::min)
        .max(leader.high_watermark)
}

/// `min.insync.replicas`, but no more than there are replicas: a partition with fewer needs them all.
pub fn effective_min_in_sync(configured: i32, replica_count: usize) -> usize {
    usize::try_from(configured).unwrap_or(0).min(replica_count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leader(high_watermark: i64, end_offset: i64) -> Leader {
        Leader {
            high_watermark: Offset(high_watermark),
            end_offset: Offset(end_offset),
            in_sync_count: 2,
            min_in_sync: 2,
        }
    }

    fn follower(end_offset: i64, must_have: bool) -> Follower {
        Follower {
            end_offset: Offset(end_offset),
            must_have,
        }
    }

    fn check(leader: &Leader, followers: &[Follower], expected: i64) {
        assert_eq!(
            advanced(leader, followers.iter().copied()),
            Offset(expected)
        );
    }

    #[test]
    fn a_single_replica_commits_what_it_has() {
        let alone = Leader {
            in_sync_count: 1,
            min_in_sync: 1,
            ..leader(0, 7)
        };
        check(&alone, &[], 7);
    }

    #[test]
    fn the_slowest_in_sync_replica_decides() {
        check(&leader(0, 10), &[follower(8, true), follower(9, true)], 8);
        check(&leader(0, 10), &[follower(12, true)], 10);
    }

    #[test]
    fn a_replica_that_lags_behind_is_not_waited_for() {
        check(&leader(0, 10), &[follower(9, true), follower(2, false)], 9);
    }

    #[test]
    fn it_stands_still_below_the_minimum_of_in_sync_replicas() {
        let short = Leader {
            in_sync_count: 1,
            ..leader(3, 10)
        };
        check(&short, &[follower(9, false)], 3);
    }

    #[test]
    fn it_never_goes_back() {
        check(&leader(5, 10), &[follower(2, true)], 5);
        check(&leader(5, 10), &[follower(-1, true)], 5);
    }

    #[test]
    fn the_minimum_is_capped_by_the_replicas_there_are() {
        assert_eq!(effective_min_in_sync(2, 1), 1);
        assert_eq!(effective_min_in_sync(2, 3), 2);
    }
}
