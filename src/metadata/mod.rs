//! Cluster metadata: the immutable image that every request reads, the controller that decides its
//! changes, and the threads that tie both to the metadata log.
//!
//! PURE, except files named `driver.rs` or `*_driver.rs` and the folder `driver/`.

/// The state of the cluster at one offset of the metadata log.
pub mod image;

/// What changed from one image to the next.
pub mod delta;

/// Decides what the metadata becomes.
pub mod controller;

/// Follows the committed log.
pub mod loader;

/// The threads, and the handles on them.
pub mod driver;

mod broker_identity;
mod cluster_counts;
mod controller_driver;
mod controller_handle_driver;
mod controller_link_driver;
mod controller_registration_driver;
mod gone_broker_driver;
mod gone_brokers;
mod heartbeat_driver;
mod isr_change_driver;
mod isr_changes;
mod lifecycle_driver;
mod loader_driver;
mod publisher_driver;
mod replica_directories;
mod replica_directory_driver;

pub use broker_identity::BrokerIdentity;
pub use cluster_counts::{ClusterCounts, ClusterEvents, PartitionCounts, Side};
pub use controller_handle_driver::{ControllerHandle, Undecided};
pub use controller_link_driver::{ControllerLink, principal_of};
pub use controller_registration_driver::register_controller;
pub use gone_broker_driver::{
    BrokenConnections, BrokenConnectionsInbox, broken_connections, fence_gone_brokers,
};
pub use isr_change_driver::{IsrChangeInbox, IsrChangeSender, isr_changes};
pub use isr_changes::{IsrChange, IsrOutcome, PendingIsrChanges};
pub use lifecycle_driver::{BrokerLifecycle, LifecycleError, LifecycleState};
pub use replica_directories::{PendingReplicaDirectories, ReplicaDirectory};
pub use replica_directory_driver::{
    ReplicaDirectoryInbox, ReplicaDirectorySender, replica_directories,
};
