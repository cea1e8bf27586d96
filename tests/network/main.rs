//! The network against peers that are well-behaved, slow, hostile or gone.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod client;
mod files;
mod gone;
mod hostile;
mod limits;
mod memory;
mod order;
mod peer;
mod stop;
mod toy;
