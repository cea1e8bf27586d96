//! The tools beside Kafka's own: the same calls, good and bad, to our broker and to Apache's, must end with the
//! same code and print the same.
//!
//! Kafka's tools run in one JVM for each broker (`java/Calls.java`); each tool works on topics of its own names.

#[path = "../support/mod.rs"]
mod support;

mod call;
mod cluster_tools;
mod completions;
mod configs;
mod console;
mod consumer_groups;
mod dump_log;
mod groups;
mod java;
mod json;
mod links;
mod listed_groups;
mod metadata_quorum;
mod moving_leader;
#[path = "../cluster/nodes.rs"]
mod nodes;
mod offsets;
mod ours;
mod partitions;
mod perf;
#[path = "../support/random.rs"]
mod random;
mod reassign_partitions;
mod storage;
mod topics;

use support::apache;
