//! Deterministic simulations: whole clusters of pure state machines under faults, from a seed.
//!
//! A run has two phases: with faults on, invariants are checked after every event; then the faults
//! end, and the cluster must get to work. `SEED=7 cargo test --test simulation` repeats one run.

mod clock;
mod drivers;
mod groups;
mod hooked_disk;
mod quorum;
#[path = "../support/random.rs"]
mod random;
mod replicas;
mod seeds;
