//! The log against what disks, crashes and other brokers do to it.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

#[path = "../support/tools.rs"]
mod tools;

#[path = "../support/dump_log.rs"]
mod tool;

mod base_offsets;
mod bit_flips;
mod compacted;
mod compacted_tails;
mod compaction;
mod compaction_crashes;
mod damaged_files;
mod descriptors;
mod dump_log;
mod failing_disk;
mod indexes;
mod inventories;
mod leftovers;
mod old_formats;
mod power_cuts;
mod room;
mod support;
mod tails;
