//! The time and chance that the rooms hand to what is pure.

use std::time::Instant;

use crate::clock::wall_clock;
use crate::replication::partition::Moment;

/// The time now, by both clocks.
pub fn now() -> Moment {
    Moment {
        wall: wall_clock(),
        instant: Instant::now(),
    }
}

/// Sixteen bytes from the operating system.
pub fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    bytes
}
