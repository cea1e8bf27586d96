//! A Kafka-compatible broker. The modules, bottom-up: each uses only those above it.

/// Ids and counters as types.
pub mod model;

/// One replica's log on disk.
pub mod storage;
