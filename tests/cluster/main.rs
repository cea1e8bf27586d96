//! Several nodes on this machine, each a real process on an address of its own: ours, and Apache Kafka's
//! among them. Apache Kafka is skipped loudly where it is not installed; `.ci/run` installs it.

#![allow(clippy::print_stdout, reason = "a run tells what it does")]

#[path = "../support/mod.rs"]
mod support;

mod brokers;
mod cordons;
mod drain;
mod eligible_leaders;
mod few_in_sync;
mod grow;
mod healing;
mod health;
mod hostile;
mod identities;
mod impostors;
mod in_flight;
mod load;
mod metrics;
mod mixed_data;
mod mixed_quorum;
mod near_replicas;
mod nodes;
mod operator;
mod quorum;
mod reassignment;
mod replication;
mod shutdown;
mod topics;
mod voice;

use support::apache;
