//! librdkafka, unmodified, against a real broker process.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

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
