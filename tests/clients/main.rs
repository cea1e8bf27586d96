//! librdkafka, unmodified, against a real broker process.

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod client;
mod crash;
mod produce_and_consume;
mod quotas;
mod upkeep;
