//! Log lines and metrics. No part of the broker is named here; the parts raise the metrics and write the
//! lines.

mod client_metrics;
mod cluster_metrics;
mod coordinator_metrics;
mod escape;
mod group_metrics;
mod log_gate;
mod loggers;
mod logging;
mod metrics;
mod striped;

pub use client_metrics::{
    ClientIdentity, ClientMetrics, Pushed, Refused as RefusedTelemetry, Subscription,
};
pub use cluster_metrics::{ClusterMetrics, QuorumMetrics, ReplicationMetrics};
pub use coordinator_metrics::{CoordinatorMetrics, PerState, SHARD_STATES, Time};
pub use escape::Untrusted;
pub use group_metrics::{GROUP_STATES, GroupMetrics};
pub use log_gate::LogGate;
pub use loggers::{LOG_LEVELS, Loggers, ROOT_LOGGER};
pub use logging::{LoggingError, start_logging};
pub use metrics::{CleanerMetrics, Metrics, PerApi};
pub use prometheus_client::metrics::gauge::Gauge;
pub use striped::{Count, Striped};
