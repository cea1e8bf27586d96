//! Serves Fetches: takes the partitions that may have news, plans and reads them, and waits for more if
//! there is too little. With a session only marked partitions are looked at.
//!
//! Owns: the fetch sessions. Handed: the table of partitions with the image; the directories, which are
//! told of logs that cannot be read; the listener.
//!
//! The files, each of which uses only those before it: `request`, `answer`: what comes in and goes out;
//! `item`: one partition of a Fetch; `job`: a planned read; `round`: decides, given the time, what to read,
//! whether to wait, and when to answer; `read` and `serve` carry that out, and are not pure.

mod answer;
mod item;
mod job;
mod read;
mod request;
mod round;
mod serve;

pub use answer::{FetchAnswer, PartitionAnswer};
pub use request::{FetchParams, SessionRequest};
pub use round::Step;
pub use serve::{Fetch, Fetches};
