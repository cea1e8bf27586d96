//! Record batches: what is built reads back, what Kafka wrote is understood, hostile bytes fail.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

mod generated;
mod golden;
mod hostile;
mod java;
mod mutation;
mod oracle;
#[path = "../support/random.rs"]
mod random;
mod replicated;
mod streams;
mod support;
#[path = "../support/tools.rs"]
mod tools;
mod validation;
