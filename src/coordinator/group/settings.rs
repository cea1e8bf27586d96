//! What of the config a shard acts on.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::GroupCoordinatorConfig;

/// What of the config a shard acts on.
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
    /// How long offsets of an empty group are kept.
    pub offsets_retention_ms: i64,
    /// How often to look for expired offsets and groups.
    pub offsets_retention_check_interval: Duration,
    /// The longest text that may go with an offset, in UTF-16 code units, as Kafka counts.
    pub offset_metadata_max_size: usize,
    /// The most bytes that the value of one record may take; what the topic's `max.message.bytes`
    /// leaves after batch and record headers and the key. A group whose record would not fit takes no
    /// more members.
    pub max_record_bytes: usize,
    /// The most bytes that one group's members may take in memory, with all that they say: further
    /// ones are refused. Kafka has no such limit.
    pub max_group_bytes: usize,
    /// So many of the bytes that members of all groups may take are for members that are there, and
    /// for assignments: new members are refused before.
    pub reserved_bytes: usize,
}

impl GroupSettings {
    /// The session timeouts that members may ask for, in milliseconds.
    pub(super) fn session_timeouts(&self) -> RangeInclusive<i32> {
        self.min_session_timeout_ms..=self.max_session_timeout_ms
    }

    /// The most bytes of one group's members: 16 MiB. A group's record, with one of the protocols
    /// that members support, must fit into a batch of 1 MiB by default.
    const MAX_GROUP_BYTES: usize = 16 << 20;

    /// What is kept from new members of the memory that all share: 16 MiB.
    const RESERVED_BYTES: usize = 16 << 20;

    /// What `config` says, for a log whose batches hold values of `max_record_bytes`.
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
