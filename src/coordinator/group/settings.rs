//! The settings of a shard.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::GroupCoordinatorConfig;

/// The settings of a shard, from the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// How long the first rebalance of an empty group waits for more members.
    pub initial_rebalance_delay: Duration,
    /// The shortest session timeout that a member may ask for.
    pub min_session_timeout_ms: i32,
    /// The longest session timeout that a member may ask for.
    pub max_session_timeout_ms: i32,
    /// The most members of a group.
    pub max_size: usize,
    /// How long offsets are kept after their group has become empty, in milliseconds.
    pub offsets_retention_ms: i64,
    /// How often to look for expired offsets and groups.
    pub offsets_retention_check_interval: Duration,
    /// The longest metadata text of an offset, in UTF-16 code units, as Kafka counts.
    pub offset_metadata_max_size: usize,
    /// The most bytes of one record's value: what the topic's `max.message.bytes` leaves after the headers
    /// of batch and record and the key. A group whose record would not fit takes no more members.
    pub max_record_bytes: usize,
    /// The most bytes that one group's members may take in memory, with all that they say. Members beyond
    /// that are refused. Kafka has no such limit.
    pub max_group_bytes: usize,
    /// How many of the bytes for members of all groups are kept for members that are there, and for
    /// assignments: new members are refused sooner.
    pub reserved_bytes: usize,
}

impl GroupSettings {
    /// The session timeouts that members may ask for, in milliseconds.
    pub(super) fn session_timeouts(&self) -> RangeInclusive<i32> {
        self.min_session_timeout_ms..=self.max_session_timeout_ms
    }

    /// The most bytes of one group's members: 16 MiB. With one of the protocols that members support, the
    /// group's record must fit a batch of 1 MiB by default.
    const MAX_GROUP_BYTES: usize = 16 << 20;

    /// The part of the shared memory that is kept from new members: 16 MiB.
    const RESERVED_BYTES: usize = 16 << 20;

    /// The settings of `config`, for a log whose batches hold values of `max_record_bytes`.
    pub fn new(config: &GroupCoordinatorConfig, max_record_bytes: usize) -> Self {
        let millis = |value: i64| Duration::from_millis(value.max(0).unsigned_abs());
        Self {
            initial_rebalance_delay: millis(config.group_initial_rebalance_delay_ms.into()),
            min_session_timeout_ms: config.group_min_session_timeout_ms,
            max_session_timeout_ms: config.group_max_session_timeout_ms,
            max_size: usize::try_from(config.group_max_size).unwrap_or(usize::MAX),
            offsets_retention_ms: i64::from(config.offsets_retention_minutes) * 60_000,
            offsets_retention_check_interval: millis(config.offsets_retention_check_interval_ms),
            offset_metadata_max_size: usize::try_from(config.offset_metadata_max_bytes)
                .unwrap_or(0),
            max_record_bytes,
            max_group_bytes: Self::MAX_GROUP_BYTES,
            reserved_bytes: Self::RESERVED_BYTES,
        }
    }
}
