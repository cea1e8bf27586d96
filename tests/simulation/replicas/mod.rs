//! Three brokers that replicate partitions to each other, one step at a time, over disks that crash.
//!
//! Real, that is the code that runs in a broker: logs and their recovery, checkpoints, the directories and
//! their failures, clean stops (`storage`, `replication::dirs`); the partitions with their roles and high
//! watermarks, leadership and in-sync sets; fetch sessions and the serving of fetches; the fetchers, with
//! what they do to logs; how the replicas act on metadata; housekeeping; what leaders ask of the controller
//! (`metadata::isr_changes`, `replica_directories`); the controller with all its decisions; images and
//! deltas.
//!
//! Modelled: threads (each piece of their work is a step, at a time of its own), sockets (a fetcher's
//! connection, and that it gives up requests; requests are not encoded), the quorum behind the controller
//! (a list of records: `tests/simulation/quorum` simulates the real one), when a broker registers, sends
//! heartbeats and stops (`metadata::lifecycle_driver`), the table of fetchers, and clients. Left out:
//! compaction, retention, moves between directories, transactions, groups.
//!
//! What may be lost, and when, is in [`ledger`].

mod clients;
mod events;
mod faults;
mod ledger;
mod lying_disk;
mod machines;
mod mutation;
mod mutations;
mod plants;
mod process;
mod progress;
mod quorum;
mod shadow;
mod watch;
mod world;

use std::thread;

use faults::Temper;
use mutation::Mutation;
use world::World;

use crate::seeds::{self, number};

/// How many events a run has before the faults end.
const EVENTS: usize = 3000;

/// Says which run failed.
struct Failing {
    name: String,
    world: World,
}

#[allow(
    clippy::print_stderr,
    reason = "a run that fails is repeated by its seed"
)]
impl Drop for Failing {
    fn drop(&mut self) {
        if thread::panicking() {
            for line in &self.world.story {
                eprintln!("{line}");
            }
            eprintln!("{}", self.name);
        }
    }
}

/// Runs one seed through both phases. Returns how many partitions have changed the lane on which they are
/// fetched.
fn run(seed: u64, temper: Temper, mutation: Option<Mutation>) -> usize {
    let mut failing = Failing {
        name: format!("this was seed {seed}, {temper:?}"),
        world: World::new(seed, temper, mutation),
    };
    let world = &mut failing.world;
    if number("SEED").is_some() {
        world.story.reserve(1);
        let lines = tracing_subscriber::fmt().with_writer(std::io::stderr);
        // Several tests may run the seed.
        let _ = lines.with_ansi(false).without_time().try_init();
    }
    world.run_with_faults(EVENTS);
    world.heal();
    world.assert_gets_to_work();
    let is_gentle = temper == Temper::Kills && mutation.is_none();
    for ledger in world
        .ledgers
        .values()
        .filter(|ledger| !ledger.rules.unclean)
    {
        assert!(
            !is_gentle || !ledger.has_losses(),
            "killed brokers lose nothing"
        );
    }
    world.lane_changes
}

fn run_all(first: u64, hundredths: u64, temper: Temper) {
    seeds::run_all(first, 40, hundredths, |seed| {
        run(seed, temper, None);
    });
}

#[test]
fn three_brokers_that_are_killed_lose_nothing() {
    run_all(11_000_000, 30, Temper::Kills);
}

#[test]
fn what_is_behind_is_fetched_apart_in_these_runs() {
    let changes: usize = (11_000_001..)
        .step_by(4)
        .take(4)
        .map(|seed| run(seed, Temper::Kills, None))
        .sum();
    assert!(
        changes >= 10,
        "{changes} partitions have changed their lane"
    );
}

#[test]
fn three_brokers_whose_power_fails_lose_no_more_than_they_may() {
    run_all(12_000_000, 45, Temper::Power);
}

#[test]
fn three_brokers_whose_disks_are_replaced_lose_no_more_than_they_may() {
    run_all(13_000_000, 25, Temper::Wipes);
}
