//! Unmodified clients and Apache Kafka's own tools against a real broker process, and Apache Kafka
//! itself on our disks. What is not installed is skipped loudly; `.ci/run` installs it all.

#[path = "../support/mod.rs"]
mod support;

mod admin_tools;
mod clients;
mod command_line_tools;
mod group_tools;
mod swap;

use support::apache;
