//! Quorums of one to five voters and an observer: crashes that lose unsynced writes, a network that
//! delays, drops, duplicates and splits, clients that write, snapshots that cut the log.

mod disk;
mod effects;
mod invariants;
mod network;
mod world;

use std::time::Duration;

use world::World;

/// Runs one seed through both phases.
fn run(seed: u64, voters: i32) {
    let mut world = World::new(seed, voters);
    world.run_with_faults(Duration::from_secs(60));
    world.run_without_faults(Duration::from_secs(30));
    world.assert_at_work();
}

/// `SEED` picks one run; `RUNS` makes more of them.
fn run_all(first: u64, count: u64, voters: i32) {
    let number = |name| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse().expect("a number"))
    };
    match number("SEED") {
        Some(seed) => run(seed, voters),
        None => (first..first + number("RUNS").unwrap_or(count)).for_each(|seed| run(seed, voters)),
    }
}

#[test]
fn a_quorum_of_one_loses_nothing() {
    run_all(1000, 10, 1);
}

#[test]
fn a_quorum_of_two_loses_nothing() {
    run_all(2000, 10, 2);
}

#[test]
fn a_quorum_of_three_loses_nothing() {
    run_all(3000, 40, 3);
}

#[test]
fn a_quorum_of_five_loses_nothing() {
    run_all(5000, 15, 5);
}
