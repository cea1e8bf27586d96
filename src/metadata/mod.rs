//! Cluster metadata: the immutable image that every request reads, and the replay of Kafka's
//! metadata records into it.
//!
//! PURE, except files named `driver.rs` or `*_driver.rs`.

/// The state of the cluster at one offset of the metadata log.
pub mod image;

/// Decides what the metadata becomes.
pub mod controller;
/// What changed from one image to the next.
pub mod delta;

#[cfg(test)]
mod history;
