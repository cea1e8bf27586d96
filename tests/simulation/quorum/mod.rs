//! Quorums of one to five voters and an observer, as pure cores: crashes that lose unsynced writes,
//! disks that are slow, full, failing or wiped, clocks that drift, a network that delays, reorders,
//! drops, duplicates and splits, clients that write, snapshots that cut the log.

pub mod disk;
mod effects;
mod elections;
mod faults;
mod growth;
pub mod invariants;
mod mutation;
mod mutations;
pub mod network;
mod plants;
mod world;

use std::thread;

use faults::Wipes;
use mutation::Mutation;
use world::World;

use crate::seeds;

/// How many events a run has before the faults end.
const EVENTS: usize = 2000;

/// Says which run failed.
struct Failing(String);

#[allow(
    clippy::print_stderr,
    reason = "a run that fails is repeated by its seed"
)]
impl Drop for Failing {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// Runs one seed through both phases.
fn run(seed: u64, voters: i32, wipes: Wipes, mutation: Option<Mutation>) {
    let name = format!("this was seed {seed} with {voters} voters");
    let _failing = Failing(name);
    let mut world = World::new(seed, voters);
    world.mutation = mutation;
    world.wipes = wipes;
    world.run_with_faults(EVENTS);
    world.heal();
    world.assert_gets_to_work();
}

fn run_all(first: u64, hundredths: u64, voters: i32, wipes: Wipes) {
    seeds::run_all(first, 200, hundredths, |seed| {
        run(seed, voters, wipes, None)
    });
}

#[test]
fn a_quorum_of_one_loses_nothing() {
    run_all(1_000_000, 5, 1, Wipes::Rare);
}

#[test]
fn a_quorum_of_two_loses_nothing() {
    run_all(2_000_000, 10, 2, Wipes::Rare);
}

#[test]
fn a_quorum_of_three_loses_nothing() {
    run_all(3_000_000, 60, 3, Wipes::Rare);
}

#[test]
fn a_quorum_of_five_loses_nothing() {
    run_all(5_000_000, 25, 5, Wipes::Rare);
}

#[test]
fn a_quorum_of_three_whose_disks_are_wiped_again_and_again_loses_nothing() {
    run_all(4_000_000, 30, 3, Wipes::Many);
}

#[test]
fn a_quorum_of_five_whose_disks_are_wiped_again_and_again_loses_nothing() {
    run_all(6_000_000, 15, 5, Wipes::Many);
}
