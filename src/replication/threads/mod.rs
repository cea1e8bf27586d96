//! What the threads of replication have in common.
//!
//! Owns: nothing that outlives a thread of another room; each room keeps its own flag and rate. Handed:
//! nothing. Replication reads the clock and chance here and nowhere else, so that rooms pass them on as
//! values.

mod clock;
mod rate;
mod share;
mod stop_flag;

pub use clock::{Simulated, is_simulated, now, random_bytes, simulate};
pub use rate::SharedRate;
pub use share::on_threads;
pub use stop_flag::{StopFlag, join_others};
