//! What is counted of groups. Kafka has these numbers as `group-coordinator-metrics`, under the names
//! that stand at each.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::metrics::{bytes_gauge, count, gauge};
use super::striped::Count;

/// The states of groups, as Kafka names them.
pub const GROUP_STATES: [&str; 4] = [
    "Empty",
    "PreparingRebalance",
    "CompletingRebalance",
    "Stable",
];

/// The states of a shard, a partition of `__consumer_offsets`, as Kafka names them.
pub const SHARD_STATES: [&str; 3] = ["loading", "active", "failed"];

/// Groups and their offsets.
#[derive(Debug)]
pub struct GroupMetrics {
    /// Shards that this broker has, by state (`num-partitions`).
    pub shards: PerState,
    /// Groups by state (`classic-group-count`).
    pub groups: PerState,
    /// Committed offsets that are held (`offset-count`).
    pub offsets: Gauge,
    /// Memory that members of groups take, in bytes.
    pub member_bytes: Gauge,
    /// Offsets that were committed (`offset-commit-count`).
    pub commits: Count,
    /// Offsets that have expired (`offset-expiration-count`).
    pub expired_offsets: Count,
    /// Offsets that were deleted (`offset-deletion-count`).
    pub deleted_offsets: Count,
    /// Rebalances that ended with an assignment (`group-completed-rebalance-count`).
    pub rebalances: Count,
    /// Shards that were loaded.
    pub loads: Count,
    /// What loading them took (`partition-load-time`).
    pub load_time: Time,
    /// Batches that were appended.
    pub batches: Count,
    /// Records in them.
    pub batch_records: Count,
    /// What appending them took (`batch-flush-time-ms`).
    pub append_time: Time,
    /// Appends that failed: each time a shard is loaded again.
    pub failed_appends: Count,
}

/// A gauge for each state.
#[derive(Clone, Debug)]
pub struct PerState(Vec<(&'static str, Gauge)>);

/// Time that adds up.
#[derive(Clone, Debug, Default)]
pub struct Time(Counter<f64, AtomicU64>);

impl GroupMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        Self {
            shards: PerState::register(
                registry,
                "group_shards",
                "Partitions of __consumer_offsets that are led here",
                &SHARD_STATES,
            ),
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
            commits: count(registry, "group_offset_commits", "Offsets committed"),
            expired_offsets: count(registry, "group_offset_expirations", "Offsets expired"),
            deleted_offsets: count(registry, "group_offset_deletions", "Offsets deleted"),
            rebalances: count(
                registry,
                "group_completed_rebalances",
                "Rebalances that ended with an assignment",
            ),
            loads: count(registry, "group_shard_loads", "Shards of groups loaded"),
            load_time: Time::register(registry, "group_shard_load", "Time that loading took"),
            batches: count(
                registry,
                "group_batches",
                "Batches of group records appended",
            ),
            batch_records: count(registry, "group_batch_records", "Group records appended"),
            append_time: Time::register(registry, "group_append", "Time that appending took"),
            failed_appends: count(
                registry,
                "group_failed_appends",
                "Appends of group records that failed",
            ),
        }
    }
}

impl PerState {
    fn register(registry: &mut Registry, name: &str, help: &str, states: &[&'static str]) -> Self {
        let gauges = states.iter().map(|state| (*state, Gauge::default()));
        let this = Self(gauges.collect());
        registry.register(name, help, this.clone());
        this
    }

    /// The gauge of the state at `place` in the list of states.
    pub fn at(&self, place: usize) -> &Gauge {
        &self.0[place].1
    }
}

impl EncodeMetric for PerState {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        for (state, gauge) in &self.0 {
            gauge.encode(encoder.encode_family(&[("state", *state)])?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

impl Time {
    fn register(registry: &mut Registry, name: &str, help: &str) -> Self {
        let this = Self::default();
        registry.register_with_unit(name, help, Unit::Seconds, this.0.clone());
        this
    }

    /// Adds some.
    pub fn add(&self, time: Duration) {
        self.0.inc_by(time.as_secs_f64());
    }
}
