//! The config of the group coordinator: limits of classic groups, how long offsets are kept, and the topic
//! that they are kept in.

use super::view::View;

/// Limits of classic groups, how long offsets are kept, and the topic that they are kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCoordinatorConfig {
    /// Negative counts as 0.
    pub group_initial_rebalance_delay_ms: i32,
    /// Any number.
    pub group_min_session_timeout_ms: i32,
    /// Any number.
    pub group_max_session_timeout_ms: i32,
    /// 1 or above.
    pub group_max_size: i32,
    /// -1: no longer than an append takes anyway.
    pub group_coordinator_append_linger_ms: i32,
    /// 1 or above.
    pub offsets_topic_num_partitions: i32,
    /// 1 or above.
    pub offsets_topic_replication_factor: i32,
    /// 1 or above.
    pub offsets_topic_segment_bytes: i32,
    /// The number of a codec, as in a batch's attributes.
    pub offsets_topic_compression_codec: i32,
    /// 1 or above.
    pub offsets_retention_minutes: i32,
    /// 1 or above.
    pub offsets_retention_check_interval_ms: i64,
    /// 1 or above.
    pub offsets_commit_timeout_ms: i32,
    /// 1 or above.
    pub offsets_load_buffer_size: i32,
    /// Negative counts as 0.
    pub offset_metadata_max_bytes: i32,
    /// 33554432 or above.
    pub group_members_max_bytes: i64,
    /// 1048576 or above.
    pub group_offsets_max_bytes: i64,
}

impl GroupCoordinatorConfig {
    pub(super) fn read(view: &View<'_>) -> Self {
        Self {
            group_initial_rebalance_delay_ms: view.int("group.initial.rebalance.delay.ms"),
            group_min_session_timeout_ms: view.int("group.min.session.timeout.ms"),
            group_max_session_timeout_ms: view.int("group.max.session.timeout.ms"),
            group_max_size: view.int("group.max.size"),
            group_coordinator_append_linger_ms: view.int("group.coordinator.append.linger.ms"),
            offsets_topic_num_partitions: view.int("offsets.topic.num.partitions"),
            offsets_topic_replication_factor: view.int("offsets.topic.replication.factor"),
            offsets_topic_segment_bytes: view.int("offsets.topic.segment.bytes"),
            offsets_topic_compression_codec: view.int("offsets.topic.compression.codec"),
            offsets_retention_minutes: view.int("offsets.retention.minutes"),
            offsets_retention_check_interval_ms: view.long("offsets.retention.check.interval.ms"),
            offsets_commit_timeout_ms: view.int("offsets.commit.timeout.ms"),
            offsets_load_buffer_size: view.int("offsets.load.buffer.size"),
            offset_metadata_max_bytes: view.int("offset.metadata.max.bytes"),
            group_members_max_bytes: view.long("group.members.max.bytes"),
            group_offsets_max_bytes: view.long("group.offsets.max.bytes"),
        }
    }
}
