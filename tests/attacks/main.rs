//! Attacks on a running broker: what one peer can do to the others, in figures.
//!
//! Each starts a broker of its own: the one that the environment variable `BROKER` names, held to what a
//! release build does on a quiet machine, else the one that was just built, held to less. They run one at a
//! time, so that a figure is of one attack alone:
//!
//! `BROKER=target/release/broker cargo test --test attacks -- --nocapture`

#![allow(clippy::print_stdout, reason = "each attack prints its figures")]

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "only the list of messages is used")]
#[path = "../protocol/cases.rs"]
mod cases;
mod descriptors;
mod filler;
mod garbage;
mod gone;
mod lockout;
mod memory;
#[path = "../support/random.rs"]
mod random;
mod slow_folders;
mod victim;
mod wire;
mod witness;
mod work;
