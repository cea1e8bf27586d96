//! Three brokers as real processes in a network of their own, real clients, and faults: kills, pauses, cuts,
//! wiped, full, slow and failing disks, power cuts, slow links, too little memory. What the clients saw is held against the rules of Jepsen's Kafka checker, and
//! in the end all replicas must have the same bytes.
//!
//! `short` has one test for each kind of fault; `swap` lets Apache Kafka and us take each other's place on each disk. `long` mixes them at random:
//! `FAULTS_SECONDS=3600 FAULTS_SEED=7 cargo test --release --test faults random_faults -- --nocapture`.
//! `storm` asks for changes of topics at random meanwhile; `upgrade` lets an older build, that `OLD_BROKER` names, and this
//! one take each other's place. `FAULTS_ALL=1` runs what is rare and takes long, too, as `.ci/full` does.
//! All need root, for namespaces and mounts; without it they are skipped loudly.

#![allow(
    clippy::print_stdout,
    reason = "a run tells what it does, and what it measures"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/random.rs"]
mod random;

#[path = "../disks/mounts.rs"]
mod mounts;
#[path = "../cluster/nodes.rs"]
mod nodes;
#[path = "../cluster/topics.rs"]
mod topics;
#[path = "../cluster/voice.rs"]
mod voice;
#[path = "../attacks/wire.rs"]
mod wire;

mod checker;
mod cluster;
mod disks;
mod faulty_disk;
mod history;
mod java;
mod limits;
mod links;
mod long;
mod network;
mod once;
mod progress;
mod short;
mod storm;
mod swap;
mod upgrade;
mod workload;

use support::apache;
