//! Time and chance, which the rooms hand to pure code.

use std::time::Instant;

use crate::clock::wall_clock;
use crate::replication::partition::Moment;

/// The current time by both clocks.
pub fn now() -> Moment {
    Moment {
        wall: wall_clock(),
        instant: Instant::now(),
    }
}

/// Sixteen random bytes from the operating system.
pub fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    bytes
}
