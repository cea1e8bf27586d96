//! librdkafka, unmodified, against a real broker process.

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod client;
mod compaction;
mod crash;
mod damage;
mod groups;
mod produce_and_consume;
mod quotas;
mod snapshots;
mod telemetry;
mod upkeep;
