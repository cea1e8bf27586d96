//! Metrics of the shards of a coordinator, whatever the shards keep. Each names the metric of Kafka's that
//! it stands for, as in `group-coordinator-metrics`.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::exposition::{MetricKind, Samples};
use super::metrics::count;
use super::registry::{Expose, Registry};
use super::striped::Count;

/// The states of a shard, as Kafka names them.
pub const SHARD_STATES: [&str; 3] = ["loading", "active", "failed"];

/// The shards of one coordinator.
#[derive(Debug)]
pub struct CoordinatorMetrics {
    /// Shards on this broker, by state (`num-partitions`).
    pub shards: PerState,
    /// Times that a shard was loaded.
    pub loads: Count,
    /// The time that loading took (`partition-load-time`).
    pub load_time: Time,
    /// Batches that were appended.
    pub batches: Count,
    /// Records in those batches.
    pub batch_records: Count,
    /// The time that appending took (`batch-flush-time-ms`).
    pub append_time: Time,
    /// Appends that failed: after each the shard is loaded again.
    pub failed_appends: Count,
}

/// A gauge for each state.
#[derive(Clone, Debug)]
pub struct PerState(Vec<(&'static str, Gauge)>);

/// A counter of seconds.
#[derive(Clone, Debug, Default)]
pub struct Time(Counter<f64, AtomicU64>);

impl CoordinatorMetrics {
    /// Registers metrics whose names begin with `kind`, for the shards of `topic`.
    pub fn new(registry: &mut Registry, kind: &str, topic: &str) -> Self {
        let name = |rest: &str| format!("{kind}_{rest}");
        let mut counted =
            |rest: &str, help: &str| count(registry, &name(rest), &format!("{help} {topic}"));
        Self {
            loads: counted(
                "shard_loads",
                "Times that a coordinator loaded a partition of",
            ),
            batches: counted("batches", "Batches that the coordinator appended to"),
            batch_records: counted("batch_records", "Records that the coordinator appended to"),
            failed_appends: counted("failed_appends", "Failed appends of the coordinator to"),
            shards: PerState::register(
                registry,
                &name("shards"),
                &format!("Partitions of {topic} that are led here"),
                &SHARD_STATES,
            ),
            load_time: Time::register(registry, &name("shard_load"), "Time that loading took"),
            append_time: Time::register(registry, &name("append"), "Time that appending took"),
        }
    }
}

impl PerState {
    pub(super) fn register(
        registry: &mut Registry,
        name: &str,
        help: &str,
        states: &[&'static str],
    ) -> Self {
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

impl Expose for PerState {
    fn kind(&self) -> MetricKind {
        MetricKind::Gauge
    }

    fn expose(&self, samples: &mut Samples<'_>) -> fmt::Result {
        for (state, gauge) in &self.0 {
            samples.sample(&[("state", *state)], gauge.get())?;
        }
        Ok(())
    }
}

impl Time {
    fn register(registry: &mut Registry, name: &str, help: &str) -> Self {
        let this = Self::default();
        registry.register(&format!("{name}_seconds"), help, this.clone());
        this
    }

    /// Adds a duration.
    pub fn add(&self, time: Duration) {
        self.0.inc_by(time.as_secs_f64());
    }
}

impl Expose for Time {
    fn kind(&self) -> MetricKind {
        MetricKind::Counter
    }

    fn expose(&self, samples: &mut Samples<'_>) -> fmt::Result {
        samples.sample(&[], self.0.get())
    }
}
