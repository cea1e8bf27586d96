//! Metrics of groups. Each names the metric of Kafka's that it stands for, as in
//! `group-coordinator-metrics`.

use prometheus_client::metrics::gauge::Gauge;

use super::coordinator_metrics::{CoordinatorMetrics, PerState};
use super::metrics::{bytes_gauge, count, gauge};
use super::registry::Registry;
use super::striped::Count;

/// The states of groups, as Kafka names them.
pub const GROUP_STATES: [&str; 4] = [
    "Empty",
    "PreparingRebalance",
    "CompletingRebalance",
    "Stable",
];

/// Groups and their offsets.
#[derive(Debug)]
pub struct GroupMetrics {
    /// The shards of groups: the partitions of `__consumer_offsets`.
    pub coordinator: CoordinatorMetrics,
    /// Groups by state (`classic-group-count`).
    pub groups: PerState,
    /// Committed offsets that are held (`offset-count`).
    pub offsets: Gauge,
    /// Memory that members of groups take, in bytes.
    pub member_bytes: Gauge,
    /// Memory that offsets and groups without members take, in bytes.
    pub offset_bytes: Gauge,
    /// Offsets that were committed (`offset-commit-count`).
    pub commits: Count,
    /// Offsets that have expired (`offset-expiration-count`).
    pub expired_offsets: Count,
    /// Offsets that were deleted (`offset-deletion-count`).
    pub deleted_offsets: Count,
    /// Rebalances that ended with an assignment (`group-completed-rebalance-count`).
    pub rebalances: Count,
}

impl GroupMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        Self {
            coordinator: CoordinatorMetrics::new(registry, "group", "__consumer_offsets"),
            groups: PerState::register(
                registry,
                "groups",
                "Groups coordinated here",
                &GROUP_STATES,
            ),
            offsets: gauge(registry, "group_offsets", "Committed offsets held"),
            member_bytes: bytes_gauge(
                registry,
                "group_member",
                "Memory that members of groups take",
            ),
            offset_bytes: bytes_gauge(
                registry,
                "group_offset",
                "Memory that offsets take, and groups that nobody is in",
            ),
            commits: count(registry, "group_offset_commits", "Offsets committed"),
            expired_offsets: count(registry, "group_offset_expirations", "Offsets expired"),
            deleted_offsets: count(registry, "group_offset_deletions", "Offsets deleted"),
            rebalances: count(
                registry,
                "group_completed_rebalances",
                "Rebalances that ended with an assignment",
            ),
        }
    }
}
