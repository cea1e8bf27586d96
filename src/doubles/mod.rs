//! What tests put in the place of real parts, or feed them. No part of the broker uses it, which
//! `tests/tidy.rs` checks: production files and test doubles are apart.

mod crash_disk;
/// Random histories of the cluster's metadata.
#[cfg(test)]
pub(crate) mod history;

mod stepped_raft;
mod stepped_replicas;

pub use crash_disk::{CrashDisk, Fault, Tear};
pub use stepped_raft::{SteppedClock, SteppedRaft, arrives, comes_back};
pub use stepped_replicas::{
    Act, Flow, Found, LeaderLog, Next, PendingIsrChanges, PendingReplicaDirectories, Search,
    Simulated, Source, SteppedFetch, SteppedFetcher, SteppedReplicas, SteppedStart, Work, simulate,
};
