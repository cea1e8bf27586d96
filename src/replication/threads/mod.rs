//! What the threads of replication have in common.
//!
//! Owns: nothing that outlives a thread of another room; each room keeps its own alarm and rate.
//! Handed: nothing. The clock and chance are read here and nowhere else in replication, so that a
//! room passes them on as values.

mod alarm;
mod clock;
mod rate;
mod share;

pub use alarm::{Alarm, join_others};
pub use clock::{now, random_bytes};
pub use rate::SharedRate;
pub use share::on_threads;
