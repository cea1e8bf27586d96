//! The wall clock, read in this file alone. What happened when is told by it; how long something
//! takes is told by `Instant`, which no administrator and no time server sets back.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// The time of day, as records and files carry it: in milliseconds; 0 before 1970.
pub fn wall_clock() -> Timestamp {
    let age = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}
