//! Raw requests to a real broker process: every version that it tells, and what no client sends.

#[path = "../support/mod.rs"]
mod support;

mod automatic_topics;
mod configs;
mod directories;
mod dynamic_configs;
mod gone;
mod group_limits;
mod groups;
mod hostile;
mod produce;
mod quotas;
mod signals;
mod telemetry;
mod versions;
