//! Which snapshots may be removed, and the log below the oldest one that stays (KIP-630).
//!
//! Rule: the log begins at a snapshot or at 0. The oldest snapshot goes when the directory is too large or
//! the snapshot too old, and there is a newer one, at which the log then begins.

use super::log_state::OffsetAndEpoch;
use crate::model::Timestamp;

/// How much history to keep: `metadata.max.retention.*`.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// The most bytes of log and snapshots together (`metadata.max.retention.bytes`); below 0 there is no
    /// limit.
    pub max_bytes: i64,
    /// The greatest age of a snapshot's last batch (`metadata.max.retention.ms`); below 0 there is no
    /// limit.
    pub max_age_ms: i64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            max_bytes: 100 * 1024 * 1024,
            max_age_ms: 7 * 24 * 60 * 60 * 1000,
        }
    }
}

/// What the decision needs of a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotInfo {
    /// The snapshot's name.
    pub id: OffsetAndEpoch,
    /// The snapshot's size in bytes.
    pub size: u64,
    /// When the last batch that it covers was appended.
    pub last_contained_log_timestamp: Timestamp,
}

impl Retention {
    /// The snapshot that should become the oldest; `None` if all stay. `snapshots` ascend; `log_size_from`
    /// gives the bytes of the log's segments that hold this offset and later ones.
    pub fn new_start(
        &self,
        now: Timestamp,
        snapshots: &[SnapshotInfo],
        log_size_from: impl Fn(OffsetAndEpoch) -> u64,
    ) -> Option<OffsetAndEpoch> {
        let mut start = None;
        let mut snapshot_bytes: u64 = snapshots.iter().map(|snapshot| snapshot.size).sum();
        for pair in snapshots.windows(2) {
            let (oldest, next) = (pair[0], pair[1]);
            let total = snapshot_bytes.saturating_add(log_size_from(oldest.id));
            let age_ms = now.0.saturating_sub(oldest.last_contained_log_timestamp.0);
            let is_too_large = u64::try_from(self.max_bytes).is_ok_and(|max| total > max);
            let is_too_old = self.max_age_ms >= 0 && age_ms > self.max_age_ms;
            if !is_too_large && !is_too_old {
                break;
            }
            snapshot_bytes -= oldest.size;
            start = Some(next.id);
        }
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn snapshot(offset: i64, size: u64, timestamp: i64) -> SnapshotInfo {
        SnapshotInfo {
            id: OffsetAndEpoch::new(offset, 1),
            size,
            last_contained_log_timestamp: Timestamp(timestamp),
        }
    }

    fn decide(max_bytes: i64, max_age_ms: i64, snapshots: &[SnapshotInfo]) -> Option<i64> {
        let retention = Retention {
            max_bytes,
            max_age_ms,
        };
        let start = retention.new_start(NOW, snapshots, |_| 100);
        start.map(|id| id.offset.0)
    }

    #[test]
    fn the_only_snapshot_is_kept_however_old_and_large() {
        assert_eq!(decide(0, 0, &[snapshot(10, 1 << 40, 0)]), None);
    }

    #[test]
    fn the_oldest_go_until_the_rest_fits() {
        let snapshots = [10, 20, 30, 40].map(|offset| snapshot(offset, 50, NOW.0));

        assert_eq!(decide(300, -1, &snapshots), None);
        assert_eq!(decide(299, -1, &snapshots), Some(20));
        assert_eq!(decide(200, -1, &snapshots), Some(30));
        assert_eq!(decide(0, -1, &snapshots), Some(40));
    }

    #[test]
    fn the_oldest_go_when_they_are_too_old() {
        let snapshots = [
            snapshot(10, 1, 0),
            snapshot(20, 1, NOW.0 - 10),
            snapshot(30, 1, NOW.0),
        ];

        assert_eq!(decide(-1, 10, &snapshots), Some(20));
        assert_eq!(decide(-1, 9, &snapshots), Some(30));
        assert_eq!(decide(-1, -1, &snapshots), None);
    }
}
