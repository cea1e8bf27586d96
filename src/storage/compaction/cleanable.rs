//! What part of a log is to be cleaned, whether that is worth it, and in which groups of segments.

use std::ops::Range;

use crate::model::{Offset, Timestamp};
use crate::storage::error::StorageError;
use crate::storage::log::LogView;
use crate::storage::log_config::LogConfig;

/// What a pass would clean, by Kafka's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleanable {
    /// The log is clean below this offset.
    pub first_dirty: Offset,
    /// The base of the first segment that may not be cleaned yet: it is active, or not all of it is stable,
    /// or synced, or its records are too young.
    pub first_uncleanable: Offset,
    /// Whether the cleaned offset that was given does not fit this log, which then counts as dirty from its
    /// start.
    pub is_reset: bool,
    /// The size of the clean segments in bytes.
    pub clean_bytes: u64,
    /// The size of the segments that a pass would clean.
    pub dirty_bytes: u64,
    /// Whether a dirty record is older than `max.compaction.lag.ms`.
    pub is_overdue: bool,
}

impl Cleanable {
    /// The dirty part of the log, from 0 to 1.
    pub fn dirty_ratio(&self) -> f64 {
        let total = self.clean_bytes + self.dirty_bytes;
        if total == 0 {
            return 0.0;
        }
        self.dirty_bytes as f64 / total as f64
    }

    /// Whether the log should be cleaned now.
    pub fn is_due(&self, config: &LogConfig) -> bool {
        let least = f64::from(config.min_cleanable_ppm) / 1e6;
        self.dirty_bytes > 0 && (self.is_overdue || self.dirty_ratio() > least)
    }
}

impl LogView {
    /// What is to be cleaned if everything below `cleaned` is clean and every transaction below
    /// `last_stable` has ended. It may read the time indexes.
    pub fn cleanable(
        &self,
        cleaned: Option<Offset>,
        last_stable: Offset,
        config: &LogConfig,
        now: Timestamp,
    ) -> Result<Cleanable, StorageError> {
        let start = self.log_start_offset();
        let known = cleaned.filter(|offset| (start..=self.end_offset()).contains(offset));
        let first_dirty = known.unwrap_or(start);
        // A record goes because a newer one of its key is there. If that were not synced, a power cut could take
        // it, too, and leave neither.
        let mut uncleanable = last_stable
            .min(self.base_of_active())
            .min(self.flushed_offset());
        if let Some(young) = self.first_young(first_dirty, config, now)? {
            uncleanable = uncleanable.min(young);
        }
        let uncleanable = uncleanable.max(first_dirty);
        let first_uncleanable = self.base_at(uncleanable);
        Ok(Cleanable {
            first_dirty,
            first_uncleanable,
            is_reset: cleaned.is_some() && known.is_none(),
            clean_bytes: self.size_between(Offset::NONE, first_dirty),
            dirty_bytes: self.size_between(first_dirty.min(first_uncleanable), first_uncleanable),
            is_overdue: self.is_overdue(first_dirty, config, now)?,
        })
    }

    /// The base of the first dirty segment with records younger than `min.compaction.lag.ms`.
    fn first_young(
        &self,
        first_dirty: Offset,
        config: &LogConfig,
        now: Timestamp,
    ) -> Result<Option<Offset>, StorageError> {
        if config.min_compaction_lag_ms <= 0 {
            return Ok(None);
        }
        for (segment, _) in self.closed_segments_from(first_dirty) {
            let newest = self.judge(segment.largest())?.timestamp;
            if newest.0 > now.0.saturating_sub(config.min_compaction_lag_ms) {
                return Ok(Some(segment.base_offset()));
            }
        }
        Ok(None)
    }

    fn is_overdue(
        &self,
        first_dirty: Offset,
        config: &LogConfig,
        now: Timestamp,
    ) -> Result<bool, StorageError> {
        if config.max_compaction_lag_ms == i64::MAX {
            return Ok(false);
        }
        let clean_until = now.0.saturating_sub(config.max_compaction_lag_ms.max(0));
        for (segment, _) in self.closed_segments_from(first_dirty) {
            let first = self.judge(segment.first_timestamp())?.0;
            if first > 0 && first < clean_until {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The size of the segments from the one that may hold `from` on to those that begin below `to`.
    fn size_between(&self, from: Offset, to: Offset) -> u64 {
        if from >= to {
            return 0;
        }
        let segments = self.segments_from(from);
        segments
            .take_while(|(segment, _)| segment.base_offset() < to)
            .map(|(_, size)| size)
            .sum()
    }

    /// The segments with records below `end`, in groups that become one segment each. Such a segment is no
    /// larger than `segment.bytes`, its indexes no larger than `segment.index.bytes`, and it can index its
    /// offsets. The last group ends at `first_uncleanable` at the latest.
    pub(super) fn groups(
        &self,
        end: Offset,
        first_uncleanable: Offset,
        config: &LogConfig,
    ) -> Result<Vec<Range<usize>>, StorageError> {
        let segments = self.segment_list();
        let count = segments.partition_point(|segment| segment.base_offset() < end);
        let mut groups = Vec::new();
        let mut next = 0;
        while next < count {
            let first = next;
            let base = segments[first].base_offset();
            let mut size = segments[first].size();
            let (mut offsets, mut times) = self.judge(segments[first].index_bytes())?;
            next += 1;
            while next < count {
                let segment = &segments[next];
                let (more_offsets, more_times) = self.judge(segment.index_bytes())?;
                // The last offset of a segment is not known without a read; the base of the next one
                // bounds it.
                let following = segments.get(next + 1).filter(|_| next + 1 < count);
                let last = following.map_or(first_uncleanable, |it| it.base_offset()) + -1;
                let limit = config.segment_index_bytes as usize;
                let fits = size + segment.size() <= u64::from(config.segment_bytes)
                    && offsets + more_offsets <= limit
                    && times + more_times <= limit
                    && (segment.size() == 0 || last - base <= i64::from(i32::MAX));
                if !fits {
                    break;
                }
                size += segment.size();
                offsets += more_offsets;
                times += more_times;
                next += 1;
            }
            groups.push(first..next);
        }
        Ok(groups)
    }
}
