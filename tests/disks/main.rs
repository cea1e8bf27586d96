//! What happens when a disk fills up, fails or loses power: a real broker process on real file
//! systems. Needs root, and says loudly when it is skipped for lack of it.

#![allow(clippy::print_stdout, reason = "a skipped test says so")]

#[path = "../clients/client.rs"]
mod client;
#[path = "../support/mod.rs"]
mod support;

mod failing_sync;
mod full_disk;
mod mounts;
mod power_cut;
mod slow_folders;
