//! What tests put in the place of real parts, or feed them. No part of the broker uses it, which
//! `tests/tidy.rs` checks: production files and test doubles are apart.

mod crash_disk;
/// Random histories of the cluster's metadata.
#[cfg(test)]
pub(crate) mod history;

pub use crash_disk::{CrashDisk, Fault, Tear};
