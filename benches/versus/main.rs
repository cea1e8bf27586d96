//! This broker against Apache Kafka 4.3.1, on one machine in one run, under the same librdkafka load.
//!
//! `cargo bench --bench versus` (after `eval "$(.ci/tools)"`) starts both, puts each load on them in
//! alternation, several rounds, and prints ratios next to what the machine itself costs. Absolute
//! figures of shared machines mean little: read the ratios. `-- --only NAME` runs one section, or
//! one load of the section `stream`; `-- --ours` leaves Apache Kafka out (to profile, not to compare).
//! `-- --than PATH` takes another build of this broker in Apache Kafka's place, to see what a change
//! costs or saves; `--binary PATH` takes a build other than the one that cargo has just made for ours.
//!
//! Where the system paces what it sends (congestion control `bbr`), that is most of what sending over
//! loopback costs either broker. A network of its own, without that, compares the brokers:
//! `unshare --net sh -c 'ip link set lo up; echo reno >/proc/sys/net/ipv4/tcp_congestion_control; ...'`

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

#[path = "../../tests/support/mod.rs"]
mod support;

mod cluster;
mod compaction;
mod floor;
mod groups;
mod load;
mod memory;
mod restarts;
mod rival;
mod scale;
mod sections;
mod table;
mod topics;

use std::path::PathBuf;

use rival::{Rival, apache, other_build, ours};
use table::Table;

/// What the command line chose.
struct Options {
    only: Option<String>,
    ours_only: bool,
    binary: Option<PathBuf>,
    than: Option<PathBuf>,
}

impl Options {
    fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let after = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            arguments.get(at + 1).cloned()
        };
        Self {
            only: after("--only"),
            ours_only: arguments.iter().any(|a| a == "--ours"),
            binary: after("--binary").map(PathBuf::from),
            than: after("--than").map(PathBuf::from),
        }
    }

    /// The rivals of one section, of so many nodes each; Apache Kafka's classes are looked for if it is
    /// among them.
    fn rivals(&self, section: &str, nodes: i32) -> Option<Vec<Box<dyn Rival>>> {
        let ours = ours(section, nodes, self.binary.as_deref());
        let mut all: Vec<Box<dyn Rival>> = vec![Box::new(ours)];
        match &self.than {
            Some(binary) => all.push(Box::new(other_build(section, nodes, binary))),
            None if self.ours_only => {}
            None => all.push(Box::new(apache(
                section,
                nodes,
                &support::tools::kafka_jars()?,
            ))),
        }
        Some(all)
    }

    fn wants(&self, section: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == section)
    }

    /// Which loads of the section `stream` are wanted, if any.
    fn loads(&self) -> Option<&[&'static str]> {
        if self.wants("stream") {
            return Some(&sections::LOADS);
        }
        let place = sections::LOADS.iter().position(|load| self.wants(load))?;
        Some(&sections::LOADS[place..=place])
    }
}

fn main() {
    let options = Options::from_arguments();
    if !options.ours_only && options.than.is_none() && support::tools::kafka_jars().is_none() {
        return;
    }
    let of = |section: &str, nodes| {
        options
            .rivals(section, nodes)
            .expect("they were found above")
    };
    let rivals = |section: &str| of(section, 1);
    let than = if options.than.is_some() {
        "the other build"
    } else {
        "Apache Kafka 4.3.1"
    };
    let mut table = Table::against(than);
    memory::occupy();
    println!(
        "machine floor (CPU seconds per GiB, congestion control {}): {}",
        floor::congestion_control(),
        floor::measure()
    );
    if options.wants("start") {
        sections::cold_start(&mut rivals("start"), &mut table);
    }
    if let Some(loads) = options.loads() {
        sections::stream(&mut rivals("stream"), loads, &mut table);
    }
    if options.wants("partitions") {
        for partitions in [1_000, 5_000] {
            sections::many_partitions(&mut rivals("partitions"), partitions, &mut table);
        }
    }
    if options.wants("recovery") {
        sections::large_log_recovery(&mut rivals("recovery"), &mut table);
    }
    if options.wants("groups") {
        groups::join_storm(&mut rivals("join-storm"), &mut table);
        groups::offset_commits(&mut rivals("commits"), &mut table);
        groups::reload(&mut rivals("reload"), &mut table);
    }
    if options.wants("cluster") {
        cluster::all(&mut of("cluster", 3), &mut table);
    }
    if options.wants("scale") {
        scale::all(&mut of("scale", 3), &mut table);
    }
    if options.wants("restarts") {
        restarts::all(&mut of("restarts", 3), &mut table);
    }
    if options.wants("compaction") {
        compaction::compaction(&mut rivals("compaction"), &mut table);
    }
    table.print();
}
