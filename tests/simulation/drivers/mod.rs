//! Quorums of one to five voters and an observer, as their drivers run them.
//!
//! Real, that is the code that runs in a broker: the quorum's thread with all its drivers, a turn of its loop
//! at a time (`doubles::SteppedRaft`); the metadata log with its recovery, `quorum-state`, snapshots, the mark
//! of the last sync; the messages in their wire form; how an append or a request waits for the thread.
//!
//! Modelled: the thread itself (when it wakes up), sockets (what is lost, late, doubled, refused), the disk
//! (`doubles::CrashDisk`: power cuts with torn writes at any operation, errors, no room; slow syncs), clocks,
//! the state machine above, which is a list of records. Left out: the reserve of a full disk.
//!
//! The invariants are those of [`crate::quorum`], which runs the pure cores alone. Here they look at files.

mod faults;
mod lies;
mod mutation;
mod mutations;
mod process;
mod progress;
mod state_machines;
mod steps;
mod view;
mod world;

use std::thread;

use mutation::Mutation;
use world::World;

use crate::seeds::{self, number};

/// How many events a run has before the faults end.
const EVENTS: usize = 3000;

/// Says which run failed, and tells its story if it was asked for.
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
            for line in self.world.story.iter().flatten() {
                eprintln!("{line}");
            }
            eprintln!("{}", self.name);
        }
    }
}

/// What came of a run: the same for the same seed.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    steps: u64,
    writes: u64,
    elapsed: std::time::Duration,
}

/// Runs one seed through both phases.
fn run(seed: u64, voters: i32, mutation: Option<Mutation>) -> Outcome {
    let mut failing = Failing {
        name: format!("this was seed {seed} with {voters} voters"),
        world: World::new(seed, voters, mutation),
    };
    let world = &mut failing.world;
    if number("SEED").is_some() {
        world.story = Some(Vec::new());
        let lines = tracing_subscriber::fmt().with_writer(std::io::stderr);
        // Several tests may run the seed.
        let _ = lines.with_ansi(false).without_time().try_init();
    }
    world.run_with_faults(EVENTS);
    world.heal();
    world.assert_gets_to_work();
    world.assert_same_logs();
    Outcome {
        steps: world.steps,
        writes: world.writes,
        elapsed: world.elapsed,
    }
}

fn run_all(first: u64, hundredths: u64, voters: i32) {
    seeds::run_all(first, 60, hundredths, |seed| {
        run(seed, voters, None);
    });
}

#[test]
fn the_drivers_of_one_voter_lose_nothing() {
    run_all(21_000_000, 10, 1);
}

#[test]
fn the_drivers_of_two_voters_lose_nothing() {
    run_all(22_000_000, 10, 2);
}

#[test]
fn the_drivers_of_three_voters_lose_nothing() {
    run_all(23_000_000, 60, 3);
}

#[test]
fn the_drivers_of_five_voters_lose_nothing() {
    run_all(25_000_000, 20, 5);
}

/// A disk became full after the log was emptied for a snapshot, or while it was: the quorum ended on that node.
#[test]
fn seeds_in_which_a_full_disk_broke_off_the_way_to_a_snapshot_go_on() {
    for (seed, voters) in [
        (21_000_073, 1),
        (22_000_316, 2),
        (23_000_280, 3),
        (25_000_175, 5),
    ] {
        run(seed, voters, None);
    }
}

/// A power cut kept some names of segments that were made since the last sync, and an index without its log.
#[test]
fn a_seed_in_which_a_new_segment_lost_its_log_goes_on() {
    run(23_001_055, 3, None);
}

#[test]
fn the_same_seed_runs_the_same_way() {
    assert_eq!(run(26_000_000, 3, None), run(26_000_000, 3, None));
}
