//! Which segments a log no longer keeps: by age, by size, or because they lie below its start.
//!
//! The choice is pure and made outside the partition's lock;
//! [`Log::delete_below`](super::log::Log::delete_below) acts on it.

use super::log_config::LogConfig;
use crate::model::{Offset, Timestamp};

/// What the choice needs of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    /// The offset after the segment's last record, where the next segment begins.
    pub end_offset: Offset,
    /// The size of the segment's batches in bytes.
    pub size: u64,
}

/// What the choice needs of the log.
#[derive(Clone, Copy, Debug)]
pub struct LogFacts<'a> {
    /// All segments in order; the last is the active one.
    pub segments: &'a [SegmentFacts],
    /// The first offset that may be read.
    pub log_start_offset: Offset,
    /// All replicas have the records below this offset: only these may go.
    pub high_watermark: Offset,
}

/// How many segments, from the first on, should be deleted. `largest_timestamp` gives the largest timestamp
/// of a segment, or if its records have none the time of its last write; it is called only for segments
/// that it decides about.
///
/// The rules are Kafka's. A segment is as old as its newest record, so a record from the future keeps its
/// segment. The log keeps at least `retention.bytes`, so it may be larger by up to a segment. The active
/// segment may go too, unless it is empty.
pub fn choose<E>(
    log: &LogFacts<'_>,
    config: &LogConfig,
    now: Timestamp,
    mut largest_timestamp: impl FnMut(usize) -> Result<Timestamp, E>,
) -> Result<usize, E> {
    let segments = log.segments;
    let may_go = |index: usize| {
        let is_last = index + 1 == segments.len();
        segments[index].end_offset <= log.high_watermark && !(is_last && segments[index].size == 0)
    };
    let mut count = 0;
    // Segments below the log start go whatever the policy: their records were deleted by request.
    while count + 1 < segments.len()
        && may_go(count)
        && segments[count].end_offset <= log.log_start_offset
    {
        count += 1;
    }
    if !config.delete {
        return Ok(count);
    }
    if let Ok(retained) = u64::try_from(config.retention_bytes) {
        let size: u64 = segments[count..].iter().map(|segment| segment.size).sum();
        let mut excess = size.checked_sub(retained);
        while count < segments.len() && may_go(count) {
            excess = excess.and_then(|excess| excess.checked_sub(segments[count].size));
            if excess.is_none() {
                break;
            }
            count += 1;
        }
    }
    if config.retention_ms >= 0 {
        // The oldest segments are looked at first, and the first that stays ends it, so the log keeps no
        // holes.
        while count < segments.len() && may_go(count) {
            let age = now.0.saturating_sub(largest_timestamp(count)?.0);
            if age <= config.retention_ms {
                break;
            }
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Segments of ten offsets and 100 bytes each.
    fn segments(count: i64) -> Vec<SegmentFacts> {
        let end_offsets = (1..=count).map(|number| Offset(number * 10));
        let segment = |end_offset| SegmentFacts {
            end_offset,
            size: 100,
        };
        end_offsets.map(segment).collect()
    }

    /// The number of segments chosen; the newest record of segment `n` is `n` seconds old.
    fn chosen(segments: &[SegmentFacts], start: i64, watermark: i64, config: &LogConfig) -> usize {
        let log = LogFacts {
            segments,
            log_start_offset: Offset(start),
            high_watermark: Offset(watermark),
        };
        let count = segments.len();
        let chosen = choose(&log, config, Timestamp(100_000), |index| {
            Ok::<_, Infallible>(Timestamp(100_000 - (count - index) as i64 * 1_000))
        });
        chosen.unwrap()
    }

    fn keep_ms(retention_ms: i64) -> LogConfig {
        LogConfig {
            retention_ms,
            ..LogConfig::default()
        }
    }

    fn keep_bytes(retention_bytes: i64) -> LogConfig {
        LogConfig {
            retention_ms: -1,
            retention_bytes,
            ..LogConfig::default()
        }
    }

    #[test]
    fn segments_older_than_the_limit_go_and_the_active_one_too() {
        assert_eq!(chosen(&segments(5), 0, 50, &keep_ms(5_000)), 0);
        assert_eq!(chosen(&segments(5), 0, 50, &keep_ms(3_000)), 2);
        assert_eq!(chosen(&segments(5), 0, 50, &keep_ms(0)), 5);
        assert_eq!(chosen(&segments(5), 0, 50, &keep_ms(-1)), 0);
    }

    #[test]
    fn the_log_keeps_at_least_its_size() {
        assert_eq!(chosen(&segments(5), 0, 50, &keep_bytes(500)), 0);
        assert_eq!(chosen(&segments(5), 0, 50, &keep_bytes(401)), 0);
        assert_eq!(chosen(&segments(5), 0, 50, &keep_bytes(400)), 1);
        assert_eq!(chosen(&segments(5), 0, 50, &keep_bytes(150)), 3);
        assert_eq!(chosen(&segments(5), 0, 50, &keep_bytes(0)), 5);
        assert_eq!(chosen(&segments(5), 0, 50, &keep_bytes(10_000)), 0);
    }

    #[test]
    fn what_lies_below_the_start_goes_but_for_the_active_segment() {
        let forever = keep_ms(-1);
        assert_eq!(chosen(&segments(5), 19, 50, &forever), 1);
        assert_eq!(chosen(&segments(5), 20, 50, &forever), 2);
        assert_eq!(chosen(&segments(5), 50, 50, &forever), 4);
    }

    #[test]
    fn nothing_at_or_above_the_high_watermark_goes() {
        assert_eq!(chosen(&segments(5), 0, 29, &keep_ms(0)), 2);
        assert_eq!(chosen(&segments(5), 0, 30, &keep_ms(0)), 3);
        assert_eq!(chosen(&segments(5), 0, 9, &keep_bytes(0)), 0);
    }

    #[test]
    fn an_empty_active_segment_stays() {
        let mut segments = segments(3);
        segments[2].size = 0;
        segments[2].end_offset = Offset(20);

        assert_eq!(chosen(&segments, 0, 20, &keep_ms(0)), 2);
        assert_eq!(chosen(&segments, 0, 20, &keep_bytes(0)), 2);
    }

    #[test]
    fn without_the_delete_policy_only_the_start_counts() {
        let config = LogConfig {
            delete: false,
            compact: true,
            retention_ms: 0,
            retention_bytes: 0,
            ..LogConfig::default()
        };

        assert_eq!(chosen(&segments(5), 20, 50, &config), 2);
    }
}
