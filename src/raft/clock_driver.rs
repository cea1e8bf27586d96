//! The clocks that the quorum goes by: the system's; in a simulation, those of one node.

use std::fmt::Debug;
use std::time::Instant;

use crate::clock::wall_clock;
use crate::model::Timestamp;

/// Tells the time.
pub(crate) trait Clock: Debug + Send + Sync {
    /// The time by which durations are measured.
    fn instant(&self) -> Instant;
    /// The time of day, as records and files carry it.
    fn wall(&self) -> Timestamp;
}

/// The clocks of the system.
#[derive(Clone, Copy, Debug)]
pub(super) struct SystemClock;

impl Clock for SystemClock {
    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        wall_clock()
    }
}
