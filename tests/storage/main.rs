//! The log against what disks, crashes and other brokers do to it.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod bit_flips;
mod descriptors;
mod dump_log;
mod failing_disk;
mod indexes;
mod power_cuts;
mod support;
mod tails;
