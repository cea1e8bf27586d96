//! A Kafka-compatible broker. The modules, bottom-up: each uses only those above it.

/// Ids and counters as types.
pub mod model;

/// The time of day.
pub mod clock;

/// The table of config keys, their typed views, and how they are read.
pub mod config;

/// Log lines and metrics.
pub mod telemetry;

/// The wire protocol: frames, messages, error codes.
pub mod protocol;

/// Record batches: reading, building, compressing, validating them.
pub mod records;

/// Who acts: principals.
pub mod security;

/// How much clients may use, and how long they wait for more.
pub mod quota;

/// Sockets: listeners, connections, the order of answers, the memory of requests.
pub mod network;

/// One replica's log on disk.
pub mod storage;

/// The KRaft quorum: who leads the metadata log, and what of it is committed.
pub mod raft;

/// The metadata image, the controller that decides its changes, the loader that publishes it.
pub mod metadata;

/// The replicas a broker holds: leading them, reading them, waiting for them.
pub mod replication;

/// Who owns groups and their offsets: shards of `__consumer_offsets`.
pub mod coordinator;

/// What tools use to ask nodes of any Kafka cluster.
pub mod client;

/// Whether a node serves, and whether it may be stopped.
pub mod health;

/// The APIs: the route table, and a thin file for each key.
pub mod api;

/// What is served by HTTP: metrics and health.
pub mod web;

/// Builds all parts of a node, starts them in order, stops them in reverse.
pub mod broker;

/// The commands.
pub mod cli;

/// What tests put in the place of real parts.
#[doc(hidden)]
pub mod doubles;
