//! The broker's metrics: typed handles, raised where things happen, written as Prometheus reads
//! them.
//!
//! Counters of hot paths are striped. Names begin with `broker_`, units are bytes and seconds;
//! labels have few values, none that a client chooses.

use std::fmt;

use prometheus_client::metrics::gauge::Gauge;

use super::cluster_metrics::{ClusterMetrics, QuorumMetrics, ReplicationMetrics};
use super::exposition::Exposition;
use super::group_metrics::GroupMetrics;
use super::registry::Registry;
use super::request_times::RequestTimes;
use super::striped::Count;
use super::traffic_metrics::TrafficMetrics;

/// Handles of all metrics, and the registry that writes them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,

    /// Connections held now.
    pub connections: Gauge,
    /// Connections accepted.
    pub connections_accepted: Count,
    /// Connections refused for a limit.
    pub connections_refused: Count,
    /// Connections closed because they were idle.
    pub connections_idle: Count,
    /// Connections closed because they stopped sending or reading, or did not log in in time.
    pub connections_stalled: Count,
    /// Connections closed because their bytes were no requests of an allowed size.
    pub connections_malformed: Count,
    /// Connections ended by a panic: each is a bug.
    pub connection_panics: Count,
    /// Times that accepting failed for lack of descriptors or memory.
    pub accept_failures: Count,
    /// Bytes read from clients.
    pub received_bytes: Count,
    /// Bytes written to clients.
    pub sent_bytes: Count,
    /// Memory that requests hold now, in bytes.
    pub request_memory_bytes: Gauge,
    /// Requests that have ended, by API, and how long they took.
    pub request_times: RequestTimes,
    /// Requests that were answered later than they could have been, for a quota.
    pub throttled_requests: Count,

    /// What is appended and fetched.
    pub traffic: TrafficMetrics,
    /// Syncs of log files to disk.
    pub syncs: Count,
    /// Damage found where records had been durable: each takes its partition offline.
    pub corrupt_batches: Count,
    /// Compaction.
    pub cleaner: CleanerMetrics,
    /// Groups and their offsets.
    pub groups: GroupMetrics,
    /// Replicas that this broker leads and follows.
    pub replication: ReplicationMetrics,
    /// The cluster.
    pub cluster: ClusterMetrics,
    /// The metadata quorum.
    pub quorum: QuorumMetrics,
    /// Partitions that have a replica here.
    pub partitions: Gauge,
    /// Partitions that have a replica here, but cannot be served.
    pub offline_partitions: Gauge,
    /// Log directories that failed.
    pub offline_log_dirs: Gauge,
    /// Folders found at the start whose records belong to no replica of this broker.
    pub stray_partitions: Gauge,
}

/// Compaction.
#[derive(Debug)]
pub struct CleanerMetrics {
    /// Passes over a log that ran to their end.
    pub passes: Count,
    /// Bytes that were read from logs.
    pub read_bytes: Count,
    /// Bytes of the segments that compaction wrote.
    pub written_bytes: Count,
    /// Partitions whose compaction failed: later passes leave them out.
    pub uncleanable_partitions: Gauge,
}

impl CleanerMetrics {
    fn new(registry: &mut Registry) -> Self {
        Self {
            passes: count(registry, "cleaner_passes", "Logs compacted"),
            read_bytes: bytes(registry, "cleaner_read", "Bytes read by compaction"),
            written_bytes: bytes(
                registry,
                "cleaner_written",
                "Size of the segments written by compaction",
            ),
            uncleanable_partitions: gauge(
                registry,
                "uncleanable_partitions",
                "Partitions that compaction failed on and passes over",
            ),
        }
    }
}

impl Metrics {
    /// Registers all metrics, at zero. `apis` are the API keys that are served, with their names.
    pub fn new(apis: impl IntoIterator<Item = (i16, &'static str)>) -> Self {
        let mut families = Registry::new("broker");
        let registry = &mut families;
        Self {
            connections: gauge(registry, "connections", "Connections held now"),
            connections_accepted: count(registry, "connections_accepted", "Connections accepted"),
            connections_refused: count(registry, "connections_refused", "Refused for a limit"),
            connections_idle: count(
                registry,
                "connections_idle",
                "Connections closed because they were idle",
            ),
            connections_stalled: count(
                registry,
                "connections_stalled",
                "Connections closed because they stopped sending or reading",
            ),
            connections_malformed: count(
                registry,
                "connections_malformed",
                "Connections closed because their bytes were no requests",
            ),
            connection_panics: count(registry, "connection_panics", "Ended by a panic"),
            accept_failures: count(
                registry,
                "accept_failures",
                "Failures to accept for lack of descriptors or memory",
            ),
            received_bytes: bytes(registry, "received", "Bytes read from clients"),
            sent_bytes: bytes(registry, "sent", "Bytes written to clients"),
            request_memory_bytes: gauge(
                registry,
                "request_memory_bytes",
                "Memory that requests hold now",
            ),
            request_times: RequestTimes::new(apis),
            throttled_requests: count(registry, "throttled_requests", "Answered later for a quota"),
            traffic: TrafficMetrics::new(registry),
            syncs: count(registry, "syncs", "Syncs of log files to disk"),
            corrupt_batches: count(
                registry,
                "corrupt_batches",
                "Damaged batches found in what was durable",
            ),
            cleaner: CleanerMetrics::new(registry),
            groups: GroupMetrics::new(registry),
            replication: ReplicationMetrics::new(registry),
            cluster: ClusterMetrics::new(registry),
            quorum: QuorumMetrics::new(registry),
            partitions: gauge(registry, "partitions", "Partitions with a replica here"),
            offline_partitions: gauge(
                registry,
                "offline_partitions",
                "Partitions with a replica here that cannot be served",
            ),
            offline_log_dirs: gauge(registry, "offline_log_dirs", "Log directories that failed"),
            stray_partitions: gauge(registry, "stray_partitions", "Stray folders with records"),
            registry: families,
        }
    }

    /// Writes all metrics.
    ///
    /// # Errors
    /// The sink takes no more.
    pub fn write(&self, out: &mut Exposition<'_>) -> fmt::Result {
        self.registry.write(out)
    }
}

/// All metrics, as they are written.
impl fmt::Display for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Exposition::new(formatter))
    }
}

pub(super) fn count(registry: &mut Registry, name: &str, help: &str) -> Count {
    let count = Count::default();
    registry.register(name, help, count.clone());
    count
}

/// A counter of bytes, which its name tells.
pub(super) fn bytes(registry: &mut Registry, name: &str, help: &str) -> Count {
    count(registry, &format!("{name}_bytes"), help)
}

pub(super) fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

/// A gauge of bytes, which its name tells.
pub(super) fn bytes_gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    gauge(registry, &format!("{name}_bytes"), help)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_counted_is_written_with_its_unit() {
        let metrics = Metrics::new([(0, "Produce"), (18, "ApiVersions")]);

        metrics.connections.set(2);
        metrics.received_bytes.inc_by(17);
        metrics.groups.groups.at(3).set(5);
        metrics
            .groups
            .coordinator
            .load_time
            .add(Duration::from_millis(1_500));

        metrics.replication.under_min_isr_partitions.set(3);
        metrics.replication.sent_bytes.inc_by(7);
        metrics.cluster.unclean_elections.inc();
        metrics.quorum.active_controller.set(1);

        let text = metrics.to_string();
        for line in [
            "broker_connections 2",
            "broker_received_bytes_total 17",
            "broker_groups{state=\"Stable\"} 5",
            "broker_group_shard_load_seconds_total 1.5",
            "broker_under_min_isr_partitions 3",
            "broker_replication_sent_bytes_total 7",
            "broker_cluster_unclean_elections_total 1",
            "broker_active_controller 1",
            "# TYPE broker_received_bytes_total counter",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
    }
}
