//! Groups under churn: consumers that join, leave, die, come back, change their subscriptions and miss
//! answers; groups whose consumers are all away until they expire, and that are made again; a
//! coordinator that fails at any record and is loaded again from what was committed.
//!
//! Held at every step: a partition has one owner in a generation; committed offsets never go back; a
//! coordinator that is loaded from the log, compacted or not, knows what the running one does. Once
//! the faults end, every group settles with all partitions owned.

mod consumer;
mod coordinator;
mod invariants;
mod world;

use world::World;

#[allow(
    clippy::print_stdout,
    reason = "a run that fails is repeated by its seed"
)]
fn run(seed: u64) {
    println!("SEED={seed}");
    let mut world = World::new(seed);
    world.run_with_faults(120);
    world.run_without_faults(60);
    world.assert_settled();
}

#[test]
fn groups_survive_churn() {
    let number = |name| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse().expect("a number"))
    };
    match number("SEED") {
        Some(seed) => run(seed),
        None => (1..=number("RUNS").unwrap_or(40)).for_each(run),
    }
}
