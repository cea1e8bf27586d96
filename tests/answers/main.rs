//! Every API that both serve to clients, called in every version on our broker and on Apache Kafka 4.3.1:
//! the same requests, good and bad, and the answers compared field by field.
//!
//! ```text
//! cargo test --test answers
//! PARTS="groups, quotas" cargo test --test answers        some of the parts below
//! ```
//!
//! What is compared and masked is in `masked.rs`; what may differ is in `accepted.rs`.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

#[path = "../support/mod.rs"]
mod support;

mod accepted;
mod alter_configs;
mod batches;
mod cluster;
mod connections;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod describe_configs;
mod difference;
mod epochs;
mod fetch;
mod fetch_sessions;
mod group_admin;
mod group_offsets;
mod groups;
mod incremental_alter_configs;
mod masked;
mod metadata;
mod moves;
mod offsets;
mod pair;
mod produce;
mod producer_ids;
mod quotas;
mod side;
mod topics;
mod tree;
mod without_coordinator;

use std::time::Instant;

use pair::Pair;

#[test]
fn every_answer_is_the_one_that_apache_kafka_gives() {
    let started = Instant::now();
    let Some(mut pair) = Pair::start() else {
        return;
    };
    println!("both brokers serve after {:.1?}", started.elapsed());
    let wanted = std::env::var("PARTS").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(", ").filter(|name| !name.is_empty()).collect();
    for (name, compare) in PARTS {
        if !wanted.is_empty() && !wanted.contains(name) {
            continue;
        }
        let part = Instant::now();
        compare(&mut pair);
        println!("{name}: {:.1?}", part.elapsed());
    }
    pair.finish(started, wanted.is_empty());
}

type Part = fn(&mut Pair);

/// The parts, in order: each makes what it needs.
const PARTS: &[(&str, Part)] = &[
    ("without coordinator", without_coordinator::compare),
    ("produce", produce::compare),
    ("fetch", fetch::compare),
    ("offsets", offsets::compare),
    ("create topics", create_topics::compare),
    ("create partitions", create_partitions::compare),
    ("delete topics", delete_topics::compare),
    ("producer ids", producer_ids::compare),
    ("describe configs", describe_configs::compare),
    ("alter configs", alter_configs::compare),
    (
        "incremental alter configs",
        incremental_alter_configs::compare,
    ),
    ("cluster", cluster::compare),
    ("metadata", metadata::compare),
    ("groups", groups::compare),
    ("group offsets", group_offsets::compare),
    ("group admin", group_admin::compare),
    ("moves", moves::compare),
    ("quotas", quotas::compare),
    ("connections", connections::compare),
    ("epochs", epochs::compare),
];
