//! What the broker tells of itself: log lines and metrics. It knows no part of the broker; the
//! parts use it.

mod escape;
mod logging;
mod metrics;
mod striped;

pub use escape::Untrusted;
pub use logging::{LoggingError, start_logging};
pub use metrics::{Metrics, PerApi};
pub use prometheus_client::metrics::gauge::Gauge;
pub use striped::{Count, Striped};
