//! Log lines and metrics. No part of the broker is named here; the parts raise the metrics and write the
//! lines.

mod client_metrics;
mod cluster_metrics;
mod coordinator_metrics;
mod escape;
mod exposition;
mod group_metrics;
mod log_gate;
mod loggers;
mod logging;
mod metrics;
mod registry;
mod request_times;
mod striped;
mod topic_traffic;
mod traffic_metrics;
mod waits;

pub use client_metrics::{
    ClientIdentity, ClientMetrics, Pushed, Refused as RefusedTelemetry, Subscription,
};
pub use cluster_metrics::{ClusterMetrics, QuorumMetrics, ReplicationMetrics};
pub use coordinator_metrics::{CoordinatorMetrics, PerState, SHARD_STATES, Time};
pub use escape::Untrusted;
pub use exposition::{Exposition, Labels, MetricKind, SampleValue, Samples, TEXT_FORMAT};
pub use group_metrics::{GROUP_STATES, GroupMetrics};
pub use log_gate::LogGate;
pub use loggers::{LOG_LEVELS, Loggers, ROOT_LOGGER};
pub use logging::{LoggingError, start_logging};
pub use metrics::{CleanerMetrics, Metrics};
pub use prometheus_client::metrics::gauge::Gauge;
pub use registry::Registry as MetricRegistry;
pub use request_times::{
    BOUNDS_US, BUCKETS, Histogram, RequestClock, RequestKind, RequestTimes, Stage,
};
pub use striped::{Count, Striped};
pub use topic_traffic::{TopicTraffic, TrafficCounts};
pub use traffic_metrics::TrafficMetrics;
pub use waits::{Waiting, Waits};
